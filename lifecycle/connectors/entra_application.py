"""An Entra application: it gets a token with its client secret or certificate, for one API.

Sources: Microsoft Entra reference-error-codes; azure-identity.
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.entra import EntraPlace, stored_credential, unanswered
from lifecycle.connectors.entra_codes import LastAnswer
from lifecycle.connectors.probing import Probe
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"


class EntraApplicationSettings(KindSettings):
    """A connector of kind `entra_application`; also the target that is verified.

    Attributes:
        scope: of the API that the application calls.
        authority: of Entra; empty = the public cloud's.
        ca_file: trust only this authority for TLS; empty = the system's.
    """

    scope: str = "https://graph.microsoft.com/.default"
    authority: str = ""
    ca_file: str = ""


class EntraApplicationVerifier:
    """Verifies logins of applications.

    Args:
        clock: the time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock

    def verify(
        self, target: EntraApplicationSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Get a token."""
        from azure.core.exceptions import ClientAuthenticationError

        probe = Probe.begin((LOGIN,), clock=self._clock, deadline=deadline, via=via)
        last = LastAnswer()
        place = EntraPlace(
            authority=target.authority,
            ca_file=target.ca_file,
            timeout=probe.deadline.cap(probe.deadline.seconds_left),
            proxy=probe.proxy,
            heard=last.hear,
        )
        try:
            credential = stored_credential(value, place)
            try:
                credential.get_token(target.scope)
            finally:
                getattr(credential, "close", lambda: None)()
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            if isinstance(error, ClientAuthenticationError) and not unanswered(error):
                reason, told, wait = last.refusal(str(error))
                return probe.result(reason, told, retry_after=wait)
            return probe.failed_exchange(error)
        probe.show(LOGIN)
        return probe.works()


_: type[ConnectorVerifier] = EntraApplicationVerifier

KIND = Kind(
    name="entra_application",
    family=Family.CONNECTOR,
    settings=EntraApplicationSettings,
    summary="An Entra application: a token with its client secret or certificate.",
)
