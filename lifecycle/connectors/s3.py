"""S3: an access key is used for exactly the permissions that the connector declares.

Each is shown by a harmless call: ListObjectsV2 of one key, GetObject of one byte. HEAD is not used, since its refusals
have no body. A signature that S3 refuses and STS accepts was broken on the way, and judges no key.

Source of the codes: `aws_codes`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lifecycle.clients.aws import AwsClients, AwsConnection, error_code
from lifecycle.connectors.aws_codes import aws_failure, aws_judged, probing_clients, require
from lifecycle.connectors.probing import Probe, worst
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus, outcome

Permission = Literal["s3:ListBucket", "s3:GetObject"]


class S3Settings(KindSettings):
    """A connector of kind `s3`; also the target that is verified.

    Attributes:
        bucket: the bucket.
        can: what the key must be allowed to do.
        object: an existing object, for `s3:GetObject`.
        prefix: where `s3:ListBucket` lists.
        region: the bucket's region; empty = the environment's.
    """

    bucket: str
    can: Annotated[tuple[Permission, ...], Field(min_length=1)] = ("s3:ListBucket",)
    object: str = ""
    prefix: str = ""
    region: str = ""

    @model_validator(mode="after")
    def _object_named(self) -> Self:
        if "s3:GetObject" in self.can and not self.object:
            raise ValueError("s3:GetObject needs `object`: the key of an existing object")
        return self


class S3Verifier:
    """Verifies access keys.

    Args:
        connection: region and endpoint; the login comes with each value.
        clock: the time.
    """

    def __init__(self, connection: AwsConnection, *, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def verify(
        self, target: S3Settings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Try every declared permission."""
        probe = Probe.begin(("login", *target.can), clock=self._clock, deadline=deadline, via=via)
        clients = probing_clients(
            self._connection,
            probe,
            role="",
            access_key_id=value.get("access_key_id"),
            secret_access_key=value.get("secret_access_key"),
            session_token=value.get("session_token"),
            region=target.region or self._connection.region,
        )
        if "access_key_id" not in value or "secret_access_key" not in value:
            return probe.result(Reason.NOT_CONFIGURED, "the value is no access key")
        try:
            return self._judge(probe, clients, target)
        except Exception as error:
            return aws_failure(probe, error)

    def _judge(self, probe: Probe, clients: AwsClients, target: S3Settings) -> VerificationResult:
        from botocore.exceptions import ClientError

        s3 = clients.writer("s3")
        failures: list[tuple[Reason, str]] = []
        for permission in target.can:
            try:
                _CALLS[permission](s3, target)
            except ClientError as error:
                failures.append(aws_judged(probe, clients, error))
                if outcome(failures[-1][0]) is VerificationStatus.INVALID:
                    break  # a refused key is not tried again: repeated refusals may look like an attack
            else:
                probe.show("login", permission)
        return probe.result(*worst(failures)) if failures else probe.works()


def _list(s3: Any, target: S3Settings) -> None:
    answer = s3.list_objects_v2(Bucket=target.bucket, Prefix=target.prefix, MaxKeys=1)
    require("Name" in answer)


def _get(s3: Any, target: S3Settings) -> None:
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_object(Bucket=target.bucket, Key=target.object, Range="bytes=0-0")
    except ClientError as error:
        if error_code(error) == "InvalidRange":  # an empty object has no first byte, and was allowed to be read
            return
        raise
    answer["Body"].close()
    require("ETag" in answer)


_CALLS: dict[str, Callable[[Any, S3Settings], None]] = {"s3:ListBucket": _list, "s3:GetObject": _get}


_: type[ConnectorVerifier] = S3Verifier

KIND = Kind(
    name="s3",
    family=Family.CONNECTOR,
    settings=S3Settings,
    summary="An S3 bucket: listing and reading as declared, signed with the access key.",
)
