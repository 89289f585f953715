"""AWS Secrets Manager as a connector: the store is reachable, and the tool may describe what it must rotate.

No value is read: DescribeSecret shows reachability, login and rights. Source of the codes: `aws_codes`.
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.aws import AwsClients, AwsConnection, error_code
from lifecycle.connectors.aws_codes import aws_failure, aws_judged, probing_clients, require
from lifecycle.connectors.probing import Probe, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus, outcome


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
            failures = self._judge(probe, probing_clients(self._connection, probe), target)
        except Exception as error:
            return aws_failure(probe, error)
        return probe.result(*worst(failures)) if failures else probe.works()

    def _judge(
        self, probe: Probe, clients: AwsClients, target: SecretsManagerCheckSettings
    ) -> list[tuple[Reason, str]]:
        from botocore.exceptions import ClientError

        client = clients.writer("secretsmanager")
        failures: list[tuple[Reason, str]] = []
        if not target.can_describe:
            try:
                require("SecretList" in client.list_secrets(MaxResults=1))
            except ClientError as error:
                return [aws_judged(probe, clients, error)]
            probe.show("login")
        for name in target.can_describe:
            try:
                found = client.describe_secret(SecretId=secret_name(self._prefix, name))
            except ClientError as error:
                reason, detail = aws_judged(probe, clients, error)
                failures.append((reason, f"{name}: {detail}"))
                if error_code(error) == "ResourceNotFoundException":
                    probe.show("login")  # AWS looks for what it may show to this login only
                if outcome(reason) is VerificationStatus.INVALID:
                    break  # a refused login is not tried again for every name
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
