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
from tests.fakes.world import Port, World


@dataclass(kw_only=True)
class MemoryStore:
    """One secret. A version never changes its value; stages point to versions."""

    world: World
    values: dict[VersionId, tuple[VersionSummary, SecretValue]] = field(default_factory=dict)
    stages: dict[VersionStage, VersionId | None] = field(default_factory=dict)
    pending: dict[tuple[OperationId, CandidateId], VersionId] = field(default_factory=dict)
    revision: int = 0
    marker: bool = False
    promoted: set[OperationId] = field(default_factory=set)
    before_promote: Callable[[OperationId, VersionSummary | None], None] = lambda _operation, _current: None

    def put_current(self, value: SecretValue) -> None:
        """What somebody else stored: current moves to previous, as with any client of the store."""
        version = self._add(OperationId(""), CandidateId(""), value)
        self.stages[VersionStage.PREVIOUS] = self.stages.get(VersionStage.CURRENT)
        self.stages[VersionStage.CURRENT] = version
        self.revision += 1
        self.marker = False

    def describe(self, ref: SecretRef) -> StoreState:
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
        if not self.revision:
            self.revision, self.marker = 1, True
        return VersionId(str(self.revision))

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        known = self.pending.get((operation, candidate))
        if known is not None:
            if self.values[known][1] != value and "create-only" not in self.world.removed:
                raise LostRaceError("another value is staged there", remedy="read")
            if self.values[known][1] == value:
                return known
        version = self._add(operation, candidate, value)
        self.pending[operation, candidate] = version
        if not self.revision:  # trap: the first version of a secret becomes current by itself
            self.world.broken("an unverified value became current")
            self.revision, self.stages[VersionStage.CURRENT] = 1, version
        return version

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        version = self.stages.get(which) if isinstance(which, VersionStage) else which
        if version is None or version not in self.values:
            raise NotFoundError("no such version", remedy="none")
        summary, value = self.values[version]
        return StoredValue(summary=summary, value=value)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        current = self._summary(VersionStage.CURRENT)
        if current is not None and current.candidate == candidate and current.operation in self.promoted:
            return VersionId(str(self.revision))
        found = next((key for key in self.pending if key[1] == candidate), None)
        moved = str(self.revision) != expected and "compare-and-set" not in self.world.removed
        if moved or found is None:
            raise LostRaceError("somebody else promoted", remedy="read")
        version = self.pending.pop(found)
        self.before_promote(found[0], current)
        if found[0] in self.promoted:
            self.world.broken("promoted twice in one operation")
        self.promoted.add(found[0])
        self._move(
            version, previous=self.stages.get(VersionStage.CURRENT), retiring=self.stages.get(VersionStage.RETIRING)
        )
        return VersionId(str(self.revision))

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        previous = self.stages.get(VersionStage.PREVIOUS)
        if str(self.revision) != expected or previous is None:
            raise LostRaceError("somebody else promoted", remedy="read")
        rejected = self.stages.get(VersionStage.CURRENT)
        if "seal-rollback" in self.world.removed:
            self._move(previous, previous=rejected, retiring=None)
        else:
            self._move(previous, previous=None, retiring=rejected)
        return VersionId(str(self.revision))

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        if str(self.revision) != expected:
            raise LostRaceError("somebody else promoted", remedy="read")
        old = self.stages.get(VersionStage.PREVIOUS)
        if old is not None:
            self._move(self.stages[VersionStage.CURRENT], previous=None, retiring=old)
        return VersionId(str(self.revision))

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        for key in [key for key in self.pending if key[1] == candidate]:
            version = self.pending.pop(key)
            if version not in self.stages.values():
                del self.values[version]

    def purge(self, ref: SecretRef) -> None:
        self.values.clear()
        self.stages.clear()
        self.pending.clear()
        self.revision, self.marker = self.revision + 1, True

    def value(self, stage: VersionStage) -> SecretValue | None:
        """For the referee."""
        version = self.stages.get(stage)
        return None if version is None else self.values[version][1]

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
        self.marker = False

    def _add(self, operation: OperationId, candidate: CandidateId, value: SecretValue) -> VersionId:
        version = VersionId(f"v{self.world.next()}")
        summary = VersionSummary(version=version, operation=operation, candidate=candidate, created=self.world.now)
        self.values[version] = (summary, value)
        return version

    def _summary(self, stage: VersionStage) -> VersionSummary | None:
        version = self.stages.get(stage)
        return None if version is None else self.values[version][0]


@dataclass(frozen=True, kw_only=True)
class StorePort(Port):
    """One process's way to the store."""

    store: MemoryStore

    def describe(self, ref: SecretRef) -> StoreState:
        return self.call("store.describe", lambda: self.store.describe(ref), write=False)

    def prepare(self, ref: SecretRef) -> VersionId:
        return self.call("store.prepare", lambda: self.store.prepare(ref), write=True)

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        def effect() -> VersionId:
            return self.store.stage(ref, operation, candidate, value, fence=fence)

        return self.call("store.stage", effect, write=True)

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        return self.call("store.read", lambda: self.store.read(ref, which), write=False)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        return self.call("store.promote", lambda: self.store.promote(ref, candidate, expected=expected), write=True)

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        return self.call("store.restore", lambda: self.store.restore(ref, expected=expected), write=True)

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        return self.call("store.seal", lambda: self.store.seal(ref, expected=expected), write=True)

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        return self.call("store.discard", lambda: self.store.discard(ref, candidate), write=True)

    def purge(self, ref: SecretRef) -> None:
        return self.call("store.purge", lambda: self.store.purge(ref), write=True)


_: type[SecretStore] = MemoryStore
__: type[SecretStore] = StorePort
