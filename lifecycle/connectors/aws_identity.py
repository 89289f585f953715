"""An AWS access key: who is it? `sts:GetCallerIdentity` needs no permission, so a 200 proves the key and nothing else.

Also the login with which a fresh access key is verified when no connector of the spec uses it.
Source: STS API reference, GetCallerIdentity ("no permissions are required").
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.aws import AwsConnection
from lifecycle.connectors.aws_codes import aws_failure, probing_clients
from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"


class AwsIdentitySettings(KindSettings):
    """A connector of kind `aws_identity`; also the target that is verified.

    Attributes:
        account_id: the account that the key must belong to; empty = any.
    """

    account_id: str = ""


class AwsIdentityVerifier:
    """Verifies access keys by asking who they are.

    Args:
        connection: region and endpoint; the login comes with each value.
        clock: the time.
    """

    def __init__(self, connection: AwsConnection, *, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def verify(
        self, target: AwsIdentitySettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Ask STS."""
        probe = Probe.begin((LOGIN,), clock=self._clock, deadline=deadline, via=via)
        if "access_key_id" not in value or "secret_access_key" not in value:
            return probe.result(Reason.NOT_CONFIGURED, "the value is no access key")
        clients = probing_clients(
            self._connection,
            probe,
            role="",
            access_key_id=value["access_key_id"],
            secret_access_key=value["secret_access_key"],
            session_token=value.get("session_token"),
        )
        try:
            account = str(clients.writer("sts").get_caller_identity()["Account"])
        except Exception as error:
            return aws_failure(probe, error)
        probe.show(LOGIN)
        if target.account_id and account != target.account_id:
            return probe.result(Reason.WRONG_TENANT, f"account {account}")
        return probe.works()


_: type[ConnectorVerifier] = AwsIdentityVerifier

KIND = Kind(
    name="aws_identity",
    family=Family.CONNECTOR,
    settings=AwsIdentitySettings,
    summary="An AWS access key: STS tells whose it is.",
)
