"""A strict secret store: create-only staging, promotion by compare-and-set, and the trap of the first version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretRef,
    SecretValue,
    StoredValue,
    StoreState,
    VersionId,
    VersionStage,
    VersionSummary,
)
from lifecycle.testing.world import Port, World

_MARKER = VersionId("marker")  # the empty version of a first issuance: it has a stage and no value


@dataclass(kw_only=True)
class MemoryStore:
    """One secret. A version never changes its value; stages point to versions.

    Attributes:
        stepped: the last seal or restore and the revision that it made, so that the same call again is recognised.
        arrived: revision with which current became current.
        promoted: operations that promoted, for the referee.
    """

    world: World
    values: dict[VersionId, tuple[VersionSummary, SecretValue]] = field(default_factory=dict)
    stages: dict[VersionStage, VersionId | None] = field(default_factory=dict)
    pending: dict[tuple[OperationId, CandidateId], VersionId] = field(default_factory=dict)
    revision: int = 0
    stepped: tuple[str, int] = ("", 0)
    arrived: int = 0
    promoted: set[OperationId] = field(default_factory=set)
    before_promote: Callable[[OperationId, VersionSummary | None], None] = lambda _operation, _current: None

    @property
    def marker(self) -> bool:
        """Whether the secret exists and holds no value yet."""
        return self.stages.get(VersionStage.CURRENT) == _MARKER

    def put_current(self, value: SecretValue) -> None:
        """What somebody else stored: current moves to previous, as with any client of the store."""
        version = self._add(OperationId(""), CandidateId(""), value)
        self.stages[VersionStage.PREVIOUS] = self.stages.get(VersionStage.CURRENT)
        self.stages[VersionStage.CURRENT] = version
        self.revision += 1
        self.arrived = self.revision

    def describe(self, ref: SecretRef) -> StoreState:
        """See `lifecycle.domain.ports`."""
        return StoreState(
            ref=ref,
            revision=VersionId(str(self.revision) if self.revision else ""),
            exists=bool(self.revision),
            marker=self.marker,
            current=self._summary(VersionStage.CURRENT),
            previous=self._summary(VersionStage.PREVIOUS),
            retiring=self._summary(VersionStage.RETIRING),
            pending=tuple(self.values[version][0] for version in self.pending.values()),
        )

    def prepare(self, ref: SecretRef) -> VersionId:
        """See `lifecycle.domain.ports`."""
        if not self.revision:
            self.revision, self.stages = 1, {VersionStage.CURRENT: _MARKER}
        if not self.marker:
            raise LostRaceError("the secret holds a value that this operation did not write", remedy="adopt")
        return VersionId(str(self.revision))

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        """See `lifecycle.domain.ports`."""
        if not self.revision:  # trap: in a store that took it, the first version becomes current by itself
            self.world.broken("a value was staged where it becomes current unverified")
            raise NotFoundError("there is no such secret", remedy="prepare it first")
        known = self._placed(operation, candidate) or self.pending.get((operation, candidate))
        if known is not None:
            if self.values[known][1] == value:
                return known
            if "create-only" not in self.world.removed:
                raise LostRaceError("another value is staged there", remedy="read")
        version = self._add(operation, candidate, value)
        self.pending[operation, candidate] = version
        return version

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        """See `lifecycle.domain.ports`."""
        version = self._staged_at(which) if isinstance(which, VersionStage) else which
        if version is None or version not in self.values:
            raise NotFoundError("no such version", remedy="none")
        summary, value = self.values[version]
        return StoredValue(summary=summary, value=value)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        current = self._summary(VersionStage.CURRENT)
        waiting = [key for key in self.pending if key[1] == candidate]
        if not waiting and current is not None and current.candidate == candidate:
            return VersionId(str(self.arrived))
        if "compare-and-set" not in self.world.removed:
            self._expect(expected)
        if not waiting:
            raise NotFoundError("nothing of that name is staged", remedy="run again")
        if len(waiting) > 1:
            raise LostRaceError("two candidates of one name", remedy="run again")
        version = self.pending.pop(waiting[0])
        self.before_promote(waiting[0][0], current)
        if waiting[0][0] in self.promoted:
            self.world.broken("promoted twice in one operation")
        self.promoted.add(waiting[0][0])
        self._move(
            version, previous=self.stages.get(VersionStage.CURRENT), retiring=self.stages.get(VersionStage.RETIRING)
        )
        self.arrived = self.revision
        return VersionId(str(self.revision))

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        if self._done("restore", expected):
            return VersionId(str(self.revision))
        previous = self.stages.get(VersionStage.PREVIOUS)
        if previous is None:
            raise LostRaceError("no previous value to go back to", remedy="read")
        self._expect(expected)
        rejected = self.stages.get(VersionStage.CURRENT)
        if "seal-rollback" in self.world.removed:
            self._move(previous, previous=rejected, retiring=None)
        else:
            self._move(previous, previous=None, retiring=rejected)
        self.stepped, self.arrived = ("restore", self.revision), self.revision
        return VersionId(str(self.revision))

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        if self._done("seal", expected):
            return VersionId(str(self.revision))
        self._expect(expected)
        old = self.stages.get(VersionStage.PREVIOUS)
        if old is not None:
            kept = self.stages.get(VersionStage.RETIRING) if old == _MARKER else old
            self._move(self.stages[VersionStage.CURRENT], previous=None, retiring=kept)
            self.stepped = ("seal", self.revision)
        return VersionId(str(self.revision))

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        """See `lifecycle.domain.ports`."""
        for key in [key for key in self.pending if key[1] == candidate]:
            version = self.pending.pop(key)
            if version not in self.stages.values():
                del self.values[version]

    def purge(self, ref: SecretRef) -> None:
        """See `lifecycle.domain.ports`."""
        self.values.clear()
        self.pending.clear()
        self.stages = {VersionStage.CURRENT: _MARKER}
        self.revision += 1

    def value(self, stage: VersionStage) -> SecretValue | None:
        """For the referee."""
        version = self.stages.get(stage)
        return self.values[version][1] if version in self.values else None

    def reachable(self) -> list[SecretValue]:
        """For the referee: current, previous and pending values."""
        staged = [self.values[version][1] for version in self.pending.values()]
        named = [self.value(VersionStage.CURRENT), self.value(VersionStage.PREVIOUS)]
        return [value for value in (*named, *staged) if value is not None]

    def _move(self, current: VersionId | None, *, previous: VersionId | None, retiring: VersionId | None) -> None:
        self.stages = {
            VersionStage.CURRENT: current,
            VersionStage.PREVIOUS: previous,
            VersionStage.RETIRING: retiring,
        }
        self.revision += 1

    def _add(self, operation: OperationId, candidate: CandidateId, value: SecretValue) -> VersionId:
        version = VersionId(f"v{self.world.next()}")
        summary = VersionSummary(version=version, operation=operation, candidate=candidate, created=self.world.now)
        self.values[version] = (summary, value)
        return version

    def _summary(self, stage: VersionStage) -> VersionSummary | None:
        version = self.stages.get(stage)
        return self.values[version][0] if version in self.values else None

    def _staged_at(self, stage: VersionStage) -> VersionId | None:
        if stage is not VersionStage.PENDING:
            return self.stages.get(stage)
        return next(iter(self.pending.values())) if len(self.pending) == 1 else None

    def _placed(self, operation: OperationId, candidate: CandidateId) -> VersionId | None:
        """The version of a candidate that was promoted already."""
        known = (version for version in self.stages.values() if version in self.values)
        mine = (operation, candidate)
        places = ((version, self.values[version][0]) for version in known if version is not None)
        return next((version for version, item in places if (item.operation, item.candidate) == mine), None)

    def _expect(self, expected: VersionId) -> None:
        if str(self.revision) != expected:
            raise LostRaceError("somebody else wrote", remedy="read")

    def _done(self, step: str, expected: VersionId) -> bool:
        """Whether that very step, from that very revision, was the last thing that happened here."""
        return self.stepped == (step, self.revision) and expected == str(self.revision - 1)


@dataclass(frozen=True, kw_only=True)
class StorePort(Port):
    """One process's way to the store."""

    store: MemoryStore

    def describe(self, ref: SecretRef) -> StoreState:
        """See `lifecycle.domain.ports`."""
        return self.call("store.describe", lambda: self.store.describe(ref), write=False)

    def prepare(self, ref: SecretRef) -> VersionId:
        """See `lifecycle.domain.ports`."""
        return self.call("store.prepare", lambda: self.store.prepare(ref), write=True)

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        """See `lifecycle.domain.ports`."""

        def effect() -> VersionId:
            return self.store.stage(ref, operation, candidate, value, fence=fence)

        return self.call("store.stage", effect, write=True)

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        """See `lifecycle.domain.ports`."""
        return self.call("store.read", lambda: self.store.read(ref, which), write=False)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        return self.call("store.promote", lambda: self.store.promote(ref, candidate, expected=expected), write=True)

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        return self.call("store.restore", lambda: self.store.restore(ref, expected=expected), write=True)

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """See `lifecycle.domain.ports`."""
        return self.call("store.seal", lambda: self.store.seal(ref, expected=expected), write=True)

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        """See `lifecycle.domain.ports`."""
        return self.call("store.discard", lambda: self.store.discard(ref, candidate), write=True)

    def purge(self, ref: SecretRef) -> None:
        """See `lifecycle.domain.ports`."""
        return self.call("store.purge", lambda: self.store.purge(ref), write=True)


_: type[SecretStore] = MemoryStore
__: type[SecretStore] = StorePort
