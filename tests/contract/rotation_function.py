"""A local copy of AWS's four-step rotation over the emulator's Secrets Manager, which itself runs no functions.

RotateSecret answers at once; the function runs while the caller sleeps. The steps are those of AWS's templates, told in
our own words: they read and write the emulator with boto3, as a Lambda function would, and may be made to fail.

Source: AWS Secrets Manager User Guide, "Lambda rotation function"; API reference: RotateSecret.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lifecycle.clients.aws import AwsClients

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:rotate-one"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")


@dataclass
class Target:
    """A database with one user: the password that it accepts now."""

    password: str = ""


@dataclass
class RotatingAws:
    """boto3 clients whose RotateSecret runs a function.

    Attributes:
        real: the emulator.
        target: what the function changes.
        fails_at: steps that raise, one entry used up by each failure.
        lost: RotateSecret lands and its answer does not arrive, once.
        clock: moved by sleeping.
    """

    real: AwsClients
    target: Target = field(default_factory=Target)
    function: str = ARN
    fails_at: list[str] = field(default_factory=list)
    lost: bool = False
    clock: float = 0.0
    asked: list[str] = field(default_factory=list)
    _reserved: dict[str, str] = field(default_factory=dict)
    _due: list[tuple[str, str]] = field(default_factory=list)

    def reader(self, service: str) -> Any:
        return _Sdk(self, self.real.reader(service))

    def writer(self, service: str) -> Any:
        return _Sdk(self, self.real.writer(service))

    def monotonic(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        """Time passes, and the function runs in it."""
        self.clock += seconds
        due, self._due = self._due, []
        for secret, token in due:
            self._run(secret, token)

    def stages(self, secret: str) -> dict[str, list[str]]:
        """VersionIdsToStages, with the empty version that RotateSecret makes."""
        found = self.real.reader("secretsmanager").describe_secret(SecretId=secret).get("VersionIdsToStages", {})
        stages = {version: list(labels) for version, labels in found.items() if labels}
        token = self._reserved.get(secret)
        if token and token not in stages:
            stages[token] = ["AWSPENDING"]
        return stages

    def rotate(self, SecretId: str, ClientRequestToken: str, RotateImmediately: bool) -> dict[str, Any]:  # noqa: N803 - AWS's names
        """Refuse what AWS refuses; remember the rest for later."""
        assert RotateImmediately
        self.asked.append(ClientRequestToken)
        stages = self.stages(SecretId)
        pending = [version for version, labels in stages.items() if labels == ["AWSPENDING"]]
        self._due.append((SecretId, pending[0] if pending else ClientRequestToken))
        if pending:
            told = "A previous rotation isn't complete. That rotation will be reattempted."
            raise _error("InvalidRequestException", told)
        self._reserved[SecretId] = ClientRequestToken
        if self.lost:
            self.lost = False
            raise _error("InternalServiceError", "the answer was lost", status=500)
        return {"VersionId": ClientRequestToken}

    def _run(self, secret: str, token: str) -> None:
        for step in STEPS:
            if step in self.fails_at:
                self.fails_at.remove(step)
                return  # the error stands in the function's log and nowhere else
            getattr(self, f"_{step}")(secret, token)

    def _createSecret(self, secret: str, token: str) -> None:  # noqa: N802 - the protocol's name
        sdk = self.real.writer("secretsmanager")
        try:
            sdk.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")
        except ClientError:
            current = json.loads(sdk.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"])
            made = json.dumps({**current, "password": secrets.token_urlsafe()})
            sdk.put_secret_value(
                SecretId=secret, SecretString=made, ClientRequestToken=token, VersionStages=["AWSPENDING"]
            )

    def _setSecret(self, secret: str, token: str) -> None:  # noqa: N802 - the protocol's name
        self.target.password = self._pending(secret, token)

    def _testSecret(self, secret: str, token: str) -> None:  # noqa: N802 - the protocol's name
        assert self.target.password == self._pending(secret, token)

    def _finishSecret(self, secret: str, token: str) -> None:  # noqa: N802 - the protocol's name
        current = next(version for version, labels in self.stages(secret).items() if "AWSCURRENT" in labels)
        if current != token:
            self.real.writer("secretsmanager").update_secret_version_stage(
                SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
            )
        self._reserved.pop(secret, None)

    def _pending(self, secret: str, token: str) -> str:
        sdk = self.real.reader("secretsmanager")
        text = sdk.get_secret_value(SecretId=secret, VersionId=token, VersionStage="AWSPENDING")["SecretString"]
        return str(json.loads(text)["password"])


class _Sdk:
    """boto3's client with the calls of the protocol."""

    def __init__(self, aws: RotatingAws, real: Any) -> None:
        self._aws = aws
        self._real = real
        self.rotate_secret = aws.rotate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        found: dict[str, Any] = self._real.describe_secret(SecretId=SecretId)
        arn = {"RotationLambdaARN": self._aws.function} if self._aws.function else {}
        return {**found, **arn, "VersionIdsToStages": self._aws.stages(SecretId)}


def _error(code: str, message: str, *, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "RotateSecret")
