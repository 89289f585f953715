"""AWS Secrets Manager as a connector: the store is reachable, and the tool may describe what it must rotate.

No value is read: DescribeSecret shows reachability, login and rights. Source of the codes: `aws_codes`.
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.aws import AwsConnection
from lifecycle.connectors.aws_codes import aws_failure, aws_reason, probing_clients, require, told
from lifecycle.connectors.probing import Probe, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult


class SecretsManagerCheckSettings(KindSettings):
    """A connector of kind `aws_secrets_manager`; also the target that is verified.

    Attributes:
        can_describe: credentials whose secrets must be there and visible.
        store: which of the spec's stores.
    """

    can_describe: tuple[str, ...] = ()
    store: str = "default"


class SecretsManagerVerifier:
    """Verifies the tool's own way to one store.

    Args:
        connection: account, region, login.
        prefix: path in front of every secret's name.
        clock: the time.
    """

    def __init__(self, connection: AwsConnection, *, prefix: str, clock: Clock) -> None:
        self._connection = connection
        self._prefix = prefix
        self._clock = clock

    def verify(
        self, target: SecretsManagerCheckSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Describe every named secret; without names, list at most one."""
        del value
        probe = Probe.begin(("login", *target.can_describe), clock=self._clock, deadline=deadline, via=via)
        try:
            client = probing_clients(self._connection, probe).writer("secretsmanager")
            if not target.can_describe:
                require("SecretList" in client.list_secrets(MaxResults=1))
                probe.show("login")
                return probe.works()
            failures = self._describe_all(probe, client, target)
        except Exception as error:
            return aws_failure(probe, error)
        return probe.result(*worst(failures)) if failures else probe.works()

    def _describe_all(
        self, probe: Probe, client: object, target: SecretsManagerCheckSettings
    ) -> list[tuple[Reason, str]]:
        from botocore.exceptions import ClientError

        failures: list[tuple[Reason, str]] = []
        for name in target.can_describe:
            try:
                found = client.describe_secret(  # type: ignore[attr-defined]  # boto3 makes its methods at run time
                    SecretId=secret_name(self._prefix, name)
                )
            except ClientError as error:
                failures.append((aws_reason(error), f"{name}: {told(error)}"))
                continue
            require("ARN" in found)
            probe.show("login")
            if found.get("DeletedDate"):
                failures.append((Reason.NOT_CONFIGURED, f"{name}: scheduled for deletion"))
            else:
                probe.show(name)
        return failures


_: type[ConnectorVerifier] = SecretsManagerVerifier

KIND = Kind(
    name="aws_secrets_manager",
    family=Family.CONNECTOR,
    settings=SecretsManagerCheckSettings,
    summary="AWS Secrets Manager: reachable, and the named secrets may be described.",
    references={"can_describe": "credentials", "store": "secret_stores"},
)
