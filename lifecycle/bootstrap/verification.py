"""Runs verifiers: for `verify`, and for a value that a rotation is about to promote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from lifecycle.bootstrap.attempt_budget import BudgetedVerifier
from lifecycle.bootstrap.connectors import BoundVerifier, Verifiers
from lifecycle.bootstrap.endpoints import Endpoints
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ExitCode, LifecycleError, NotFoundError, most_urgent
from lifecycle.domain.policy import Finding
from lifecycle.domain.receipt import VerifiedConnector
from lifecycle.domain.secret import SecretRef, SecretValue, StoredValue, VersionStage
from lifecycle.domain.spec import Connector, Credential
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus, outcome
from lifecycle.domain.verification_history import Standing, Turn
from lifecycle.foundation.abandon import abandonable

if TYPE_CHECKING:
    from lifecycle.domain.ports import ConnectorVerifier
    from lifecycle.operations.rotation_context import Verify
    from lifecycle.operations.select_connectors import Selection
    from lifecycle.operations.verify_connectors import ConnectorProbe, ConnectorResult

_LOGIN_DEADLINE = timedelta(seconds=10)
_LAST_WORD = timedelta(seconds=1)  # in which a verifier may still say more than that its time was over
# A rotation goes by the worst answer: an explicit rejection before "could not tell" before "works".
_WORST_FIRST = (VerificationStatus.INVALID, VerificationStatus.INDETERMINATE, VerificationStatus.VALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What a run of verification found.

    Attributes:
        results: by connector name.
        findings: what the spec claims and the allowlists do not allow.
        standings: per connector since when it has been so; empty for candidates, which have no history.
    """

    results: tuple[ConnectorResult, ...]
    findings: tuple[Finding, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)

    def exit_code(self) -> ExitCode:
        """Invalid, or not allowed, before indeterminate, before unreachable."""
        from lifecycle.operations.verify_connectors import exit_code

        found = ExitCode.REFUSED if self.findings else ExitCode.DONE
        return most_urgent([exit_code(self.results), found])

    @property
    def interrupted(self) -> bool:
        """Whether the run ended before every connector was asked."""
        return not all(item.asked for item in self.results)

    def for_receipt(self) -> tuple[VerifiedConnector, ...]:
        """As it stands in a receipt."""
        return tuple(
            VerifiedConnector(connector=item.name, status=str(item.result.status), reason=str(item.result.reason))
            for item in self.results
            if item.asked
        )

    def summary(self) -> str:
        """How many of each."""
        asked = [item for item in self.results if item.asked]
        counts = [(str(status), sum(item.result.status is status for item in asked)) for status in VerificationStatus]
        counts.append(("not asked: interrupted", len(self.results) - len(asked)))
        return ", ".join(f"{count} {status}" for status, count in counts if count) or "no connectors"


class Watch(Protocol):
    """Who looks on while connectors are verified."""

    def begin(self, names: Sequence[str]) -> None:
        """These are verified now."""
        ...

    def finished(self, item: ConnectorResult) -> None:
        """This one has a result."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A watch that tells each result on a line which changes in place."""

    update: Callable[[str], None]

    def begin(self, names: Sequence[str]) -> None:
        """Say how many."""
        self.update(f"{len(names)} connectors")

    def finished(self, item: ConnectorResult) -> None:
        """Say which, and what came of it."""
        self.update(f"{item.name}  {item.result.status}")


class Verification:
    """Connectors of one environment.

    Args:
        around: settings, spec, sandbox.
        stores: where values are read.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores
        self._verifiers = Verifiers(around, stores)
        self._endpoints = Endpoints(around)

    def check(self, selection: Selection, watch: Watch) -> Checks:
        """Verify what is selected, concurrently.

        Raises:
            ConfigurationError: an unknown name, or a selection that means nothing.
        """
        from lifecycle.foundation.breaker import Breakers
        from lifecycle.operations.select_connectors import select_connectors
        from lifecycle.operations.verify_connectors import verify_connectors

        chosen = select_connectors(self._around.spec, selection)
        today = utc_now().date()
        findings = tuple(finding for item in chosen for finding in self._endpoints.not_admitted(item, today))
        stage = VersionStage.PENDING if selection.pending else VersionStage.CURRENT
        watch.begin([item.name for item in chosen])
        results = verify_connectors(
            [self._probe(item, stage) for item in chosen],
            clock=utc_now,
            breaker=Breakers(),
            progress=watch.finished,
            threads=selection.concurrency,
        )
        standings = {} if selection.pending else self._remember(chosen, results)
        return Checks(results=results, findings=findings, standings=standings)

    def _remember(self, chosen: Sequence[Connector], results: Sequence[ConnectorResult]) -> Mapping[str, Standing]:
        """Write the history. What was found is worth more than its history: a failure is told, and stops nothing."""
        from lifecycle.journals.verification_history import VerificationHistory

        now = utc_now()
        turns = [
            Turn(
                at=item.result.checked_at or now,
                connector=connector.name,
                through=connector.through,
                status=item.result.status,
                reason=item.result.reason,
            )
            for connector, item in zip(chosen, results, strict=True)
            if item.asked
        ]
        try:
            return VerificationHistory(self._around.paths.verifications).record(turns)
        except LifecycleError as error:
            self._around.note(f"{error.message}; next: {error.remedy}")
            return {}

    def for_credential(self, credential: Credential) -> Verify:
        """Logs in with a value at every connector that uses the credential; else, with the kind's own login."""
        using = [item for item in self._around.spec.connectors.values() if item.credential == credential.name]

        def verify(value: SecretValue) -> VerificationResult:
            bound = [(self._verifiers.of(item), item.deadline, self._via(item)) for item in using]
            bound = bound or [(self._verifiers.login(credential), _LOGIN_DEADLINE, None)]
            return worst([_ask(verifier, value, deadline, via) for verifier, deadline, via in bound])

        return verify

    def _probe(self, connector: Connector, stage: VersionStage) -> ConnectorProbe:
        from lifecycle.operations.verify_connectors import ConnectorProbe

        bound = self._verifiers.of(connector)
        verifier, read = self._budgeted(connector, stage, bound.verifier)
        return ConnectorProbe(
            name=connector.name,
            target=bound.target,
            verifier=verifier,
            value=read,
            deadline=connector.deadline,
            via=self._via(connector),
            host=self._endpoints.target(connector),
            endpoint=", ".join(map(str, self._endpoints.of(connector))),
            identity=self._endpoints.identity(connector),
            account=connector.credential or "",
        )

    def _budgeted(
        self, connector: Connector, stage: VersionStage, verifier: ConnectorVerifier
    ) -> tuple[ConnectorVerifier, Callable[[], SecretValue]]:
        """The verifier and the reader of its value, which together keep to one refused attempt per interval."""
        from lifecycle.journals.attempt_book import AttemptBook

        if connector.credential is None:
            return verifier, dict
        credential = self._around.spec.credentials[connector.credential]
        if self._around.sandbox is not None:  # whose servers lock nobody out
            return verifier, lambda: self._stored(credential, stage).value
        budgeted = BudgetedVerifier(
            verifier=verifier,
            credential=credential.name,
            read_stored=lambda: self._stored(credential, stage),
            book=AttemptBook(self._around.paths.attempts),
        )
        return budgeted, budgeted.read

    def _stored(self, credential: Credential, stage: VersionStage) -> StoredValue:
        ref = SecretRef(store=credential.store, path=credential.name)
        store = self._stores.named(credential.store)
        if stage is not VersionStage.PENDING:
            return store.read(ref, stage)
        waiting = store.describe(ref).pending
        if len(waiting) != 1:
            # Several: an operation that was given up left one; which of them is meant only its journal knows.
            raise NotFoundError(
                f"{credential.name} has {len(waiting) or 'no'} pending candidate{'s' if len(waiting) > 1 else ''}",
                remedy="see lifecycle rotate status",
            )
        return store.read(ref, waiting[0].version)

    def _via(self, connector: Connector) -> Egress | None:
        if connector.through == "direct":
            return None
        allowlist = self._around.spec.allowlists[connector.through]
        return Egress(allowlist=allowlist.name, proxy_url=allowlist.proxy) if allowlist.proxy else None


def worst(results: Sequence[VerificationResult]) -> VerificationResult:
    """The result a rotation goes by."""
    return min(results, key=lambda result: _WORST_FIRST.index(result.status))


def _ask(bound: BoundVerifier, value: SecretValue, deadline: timedelta, via: Egress | None) -> VerificationResult:
    try:
        # A vendor's library may hang beyond every time-out of its own, and a rotation must go on.
        return abandonable(
            lambda: bound.verifier.verify(bound.target, value, deadline=deadline, via=via),
            timeout=deadline + _LAST_WORD,
            name="verify for a rotation",
        )
    except TimeoutError:
        reason, told = Reason.TIMEOUT_TOTAL, f"no answer within {deadline}"
        return VerificationResult(status=outcome(reason), reason=reason, detail=told, checked_at=utc_now())
    except Exception as error:  # a bug in a verifier is no verdict on the credential, and its text may hold a value
        reason = Reason.AMBIGUOUS
        return VerificationResult(status=outcome(reason), reason=reason, detail=_type_of(error), checked_at=utc_now())


def _type_of(error: Any) -> str:
    return f"the probe failed with {type(error).__name__}"
