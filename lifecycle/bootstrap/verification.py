"""Runs verifiers: for `verify`, and for a value that a rotation is about to promote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.connectors import BoundVerifier, Verifiers
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, ExitCode
from lifecycle.domain.receipt import VerifiedConnector
from lifecycle.domain.secret import SecretRef, SecretValue, VersionStage
from lifecycle.domain.spec import Connector, Credential
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus, outcome

if TYPE_CHECKING:
    from lifecycle.operations.rotation_context import Verify
    from lifecycle.operations.verify_connectors import ConnectorProbe, ConnectorResult

_LOGIN_DEADLINE = timedelta(seconds=10)
# A rotation goes by the worst answer: an explicit rejection before "could not tell" before "works".
_WORST_FIRST = (VerificationStatus.INVALID, VerificationStatus.INDETERMINATE, VerificationStatus.VALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What a run of verification found, in the order of the spec."""

    results: tuple[ConnectorResult, ...]

    def exit_code(self) -> ExitCode:
        """Invalid before indeterminate."""
        from lifecycle.operations.verify_connectors import exit_code

        return exit_code(self.results)

    def for_receipt(self) -> tuple[VerifiedConnector, ...]:
        """As it stands in a receipt."""
        return tuple(
            VerifiedConnector(connector=item.name, status=str(item.result.status), reason=str(item.result.reason))
            for item in self.results
        )

    def summary(self) -> str:
        """How many of each."""
        counts = [(status, sum(item.result.status is status for item in self.results)) for status in VerificationStatus]
        return ", ".join(f"{count} {status}" for status, count in counts if count) or "no connectors"


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

    def check(self, names: Sequence[str], progress: Callable[[str], None]) -> Checks:
        """Verify the named connectors, or all, concurrently.

        Raises:
            ConfigurationError: an unknown name.
        """
        from lifecycle.foundation.breaker import Breakers
        from lifecycle.operations.verify_connectors import verify_connectors

        known = self._around.spec.connectors
        unknown = sorted(set(names) - known.keys())
        if unknown:
            raise ConfigurationError(
                f"the spec has no connector {', '.join(unknown)}", remedy=f"known are: {', '.join(sorted(known))}"
            )
        probes = [self._probe(known[name]) for name in sorted(names or known)]
        results = verify_connectors(
            probes,
            clock=utc_now,
            breaker=Breakers(),
            progress=lambda item: progress(f"{item.name}  {item.result.status}"),
        )
        return Checks(results=results)

    def for_credential(self, credential: Credential) -> Verify:
        """Logs in with a value at every connector that uses the credential; else, with the kind's own login."""
        using = [item for item in self._around.spec.connectors.values() if item.credential == credential.name]

        def verify(value: SecretValue) -> VerificationResult:
            bound = [(self._verifiers.of(item), item.deadline, self._via(item)) for item in using]
            bound = bound or [(self._verifiers.login(credential), _LOGIN_DEADLINE, None)]
            return worst([_ask(verifier, value, deadline, via) for verifier, deadline, via in bound])

        return verify

    def _probe(self, connector: Connector) -> ConnectorProbe:
        from lifecycle.operations.verify_connectors import ConnectorProbe

        bound = self._verifiers.of(connector)
        return ConnectorProbe(
            name=connector.name,
            target=bound.target,
            verifier=bound.verifier,
            value=lambda: self._value(connector),
            deadline=connector.deadline,
            via=self._via(connector),
            host=f"{connector.kind}:{connector.through}:{connector.name}",
        )

    def _value(self, connector: Connector) -> SecretValue:
        if connector.credential is None:
            return {}
        credential = self._around.spec.credentials[connector.credential]
        ref = SecretRef(store=credential.store, path=credential.name)
        return self._stores.named(credential.store).read(ref, VersionStage.CURRENT).value

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
        return bound.verifier.verify(bound.target, value, deadline=deadline, via=via)
    except Exception as error:  # a bug in a verifier is no verdict on the credential, and its text may hold a value
        reason = Reason.AMBIGUOUS
        return VerificationResult(status=outcome(reason), reason=reason, detail=_type_of(error), checked_at=utc_now())


def _type_of(error: Any) -> str:
    return f"the probe failed with {type(error).__name__}"
