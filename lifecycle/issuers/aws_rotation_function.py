"""What an AWS rotation function rotates: any of the four steps createSecret, setSecret, testSecret, finishSecret.

The function and the secret that it works on are somebody else's; we start it, watch the labels and take over what it
made: stored, verified, promoted and delivered like every credential.

1. `mint` sends RotateSecret once. Its token is made of the version that is replaced, so a run that resumes, or comes
   back after a failed function, asks for the same version again and never for a second one.
2. RotateSecret answers before the function has begun. That AWSCURRENT has moved to our token is the acknowledgement;
   an AWSPENDING left behind means that the function failed, and its log says why.
3. AWSPENDING of another token belongs to another rotation, whose value may be live: it is named, with the command that
   ends it, and nothing is begun. A version without any label is spent: functions refuse it, so another token is used.
4. The value is read from the version again, so a lost answer loses nothing. Whether the former value goes on (two
   alternating users) or dies with the call (one user) is the function's affair: class D, which expects the worse.

Source: AWS Secrets Manager User Guide (rotation by Lambda function, troubleshooting), API reference: RotateSecret,
CancelRotateSecret, DescribeSecret.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors, error_code
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    ProviderCredential,
    Traits,
)
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import Fingerprint, SecretText, SecretValue
from lifecycle.domain.spec import Arn, Duration
from lifecycle.foundation.deadline import Monotonic

_SERVICE = "secretsmanager"
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_NAMESPACE = uuid.UUID("3f0d8a55-6b0e-5d51-8d3c-0c6f1d2b9e40")  # any fixed one: it keeps our tokens apart from others
_POLL = timedelta(seconds=2)
_TOKENS = 50  # spent versions of one predecessor that are stepped over


class AwsRotationFunctionSettings(KindSettings):
    """A credential of kind `aws_rotation_function`.

    Attributes:
        secret: name or ARN of the secret that the function rotates.
        function: ARN of that function; where the secret names another one, nothing is started.
        timeout: how long the four steps may take.
    """

    secret: str
    function: Arn
    timeout: Duration = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which versions hold which labels, and by what the secret is rotated.

    Attributes:
        current: the version with AWSCURRENT; empty = none.
        pending: the version with AWSPENDING that is not current; empty = none.
        function: ARN of the rotation function; empty = none.
    """

    current: str
    pending: str
    function: str


class AwsRotationFunctionIssuer:
    """Starts the rotation function of a secret; the principal is the secret.

    Args:
        clients: boto3 clients for the account and region.
        fingerprint: names a value without revealing it.
        function: ARN of the function that the spec approves.
        timeout: how long the four steps may take.
        monotonic: a clock.
        sleep: waits between two looks.
    """

    def __init__(
        self,
        clients: AwsClients,
        fingerprint: Callable[[SecretValue], Fingerprint],
        *,
        function: str,
        timeout: timedelta = timedelta(minutes=2),
        monotonic: Monotonic = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clients = clients
        self._fingerprint = fingerprint
        self._function = function
        self._timeout = timeout
        self._monotonic = monotonic
        self._sleep = sleep

    @property
    def traits(self) -> Traits:
        """Class D, its value readable again."""
        return traits_of(self._timeout)

    def list(self, principal: str) -> CompleteListing:
        """The value that is current in the function's secret."""
        labels = self._labels(principal)
        if not labels.current:
            return CompleteListing(principal=principal, credentials=())
        return CompleteListing(principal=principal, credentials=(self._read(principal, labels.current).credential,))

    def identify(self, value: SecretValue) -> CredentialId:
        """The keyed fingerprint of the whole value."""
        return CredentialId(self._fingerprint(value))

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Have the function make the next value, and wait until it is current."""
        del marker, previous
        labels = self._rotatable(principal)
        token = self._token(principal, labels)
        if labels.pending not in ("", token):
            raise _foreign(principal, labels.pending)
        self._start(principal, token, again=bool(labels.pending))
        self._await(principal, labels, token)
        return self._read(principal, token)

    def ready(self, principal: str) -> SecretValue:
        """Prove by a read that the function can make another value, whatever becomes of the next one.

        Raises:
            ConfigurationError: the secret has no value, no rotation function or another one.
        """
        return self._read(principal, self._rotatable(principal).current).value

    def read_back(self, principal: str) -> Minted | NotReported:
        """What is current in the function's secret."""
        labels = self._labels(principal)
        return self._read(principal, labels.current) if labels.current else NotReported.UNKNOWN

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """A function has no soft off."""
        raise RemoteServiceError(
            f"what the function of {principal} made cannot be switched {'on' if enabled else 'off'} ({credential_id})",
            remedy="switch the account off at its own service",
        )

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """A former value is the function's affair; the current one is ended at its own service."""
        if credential_id not in self.list(principal).ids():
            raise NotFoundError(f"{credential_id} is not current in secret {principal}", remedy="nothing to do")
        raise RemoteServiceError(
            f"a rotation function ends nothing: the value of secret {principal} lives on",
            remedy="remove the account at its own service, then the secret; then run again",
        )

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Secrets Manager tells when a secret was read, not whether its value was used."""
        del principal, credential_id
        return NotReported.UNKNOWN

    def _rotatable(self, principal: str) -> Labels:
        labels = self._labels(principal)
        if labels.current and labels.function == self._function:
            return labels
        if labels.current and labels.function:
            raise ConfigurationError(
                f"secret {principal} is rotated by {labels.function}, which nobody approved here",
                remedy="find out who changed it; a new function is approved like every change of the spec",
            )
        raise ConfigurationError(
            f"secret {principal} has no {'rotation function' if labels.current else 'value'}",
            remedy="give it a first value and a rotation function (RotateSecret) before it is rotated here",
        )

    def _labels(self, principal: str) -> Labels:
        with aws_errors(f"describing secret {principal}"):
            found = self._clients.reader(_SERVICE).describe_secret(SecretId=principal)
        stages: Mapping[str, list[str]] = found.get("VersionIdsToStages") or {}
        current = next((version for version, labels in stages.items() if _CURRENT in labels), "")
        pending = next((version for version, labels in stages.items() if _PENDING in labels), "")
        return Labels(
            current=current,
            pending=pending if pending != current else "",
            function=str(found.get("RotationLambdaARN") or ""),
        )

    def _token(self, principal: str, labels: Labels) -> str:
        """The version that shall replace current: the same for every run, until it is spent."""
        known = self._versions(principal)
        for attempt in range(_TOKENS):
            token = str(uuid.uuid5(_NAMESPACE, f"{labels.current}\x1f{attempt}"))
            if token == labels.pending or token not in known:
                return token
        raise RemoteServiceError(
            f"secret {principal} holds {_TOKENS} spent versions: its rotation function never finishes",
            remedy="read the function's log in CloudWatch and repair it",
        )

    def _versions(self, principal: str) -> frozenset[str]:
        """Every version that AWS still keeps, also those without a label."""
        found: set[str] = set()
        following: dict[str, str] = {}
        with aws_errors(f"listing the versions of secret {principal}"):
            while True:
                page = self._clients.reader(_SERVICE).list_secret_version_ids(
                    SecretId=principal, IncludeDeprecated=True, **following
                )
                found.update(str(item["VersionId"]) for item in page.get("Versions", ()))
                if not page.get("NextToken"):
                    return frozenset(found)
                following = {"NextToken": page["NextToken"]}

    def _start(self, principal: str, token: str, *, again: bool) -> None:
        """Send RotateSecret. About a rotation that is under way AWS says so, and attempts it again."""
        from botocore.exceptions import ClientError

        with aws_errors(f"rotating secret {principal}", writes=True):
            try:
                self._clients.writer(_SERVICE).rotate_secret(
                    SecretId=principal, ClientRequestToken=token, RotateImmediately=True
                )
            except ClientError as error:
                if not (again and error_code(error) == "InvalidRequestException"):
                    raise

    def _await(self, principal: str, before: Labels, token: str) -> None:
        until = self._monotonic() + self._timeout.total_seconds()
        while True:
            labels = self._labels(principal)
            if labels.current == token:
                return
            if labels.current != before.current:
                raise _foreign(principal, labels.current)
            if self._monotonic() >= until:
                raise AmbiguousEffectError(
                    f"the rotation function of secret {principal} has not finished within "
                    f"{self._timeout.total_seconds():.0f} s; version {token} is "
                    f"{'still AWSPENDING' if labels.pending == token else 'without a label'}",
                    remedy=f"read the log of {before.function or 'the function'} in CloudWatch; the next run goes on",
                )
            self._sleep(_POLL.total_seconds())

    def _read(self, principal: str, version: str) -> Minted:
        with aws_errors(f"reading secret {principal}"):
            answer = self._clients.reader(_SERVICE).get_secret_value(
                SecretId=principal, VersionId=version, VersionStage=_CURRENT
            )
        value, created = _parsed(answer.get("SecretString"), principal), answer.get("CreatedDate")
        credential = ProviderCredential(
            id=self.identify(value), created=created if isinstance(created, datetime) else None
        )
        return Minted(credential=credential, value=value)


def _parsed(text: Any, principal: str) -> SecretValue:
    """A flat JSON object, as all of AWS's functions keep; a number (a port) as text."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        document = None
    if not isinstance(document, dict) or not all(isinstance(item, str | int | float) for item in document.values()):
        raise RemoteServiceError(
            f"the value of secret {principal} is no flat JSON object", remedy="rotate it by another kind"
        )
    return {name: SecretText(item if isinstance(item, str) else json.dumps(item)) for name, item in document.items()}


def _foreign(principal: str, version: str) -> SlotOccupiedError:
    return SlotOccupiedError(
        f"another rotation of secret {principal} is under way, or stopped half-way: version {version} is not ours",
        remedy="look whether its value works; to give it up: aws secretsmanager update-secret-version-stage "
        f"--secret-id {principal} --version-stage AWSPENDING --remove-from-version-id {version}",
    )


def traits_of(timeout: timedelta) -> Traits:
    """Class D, its value readable again; one call lasts as long as the four steps may."""
    return Traits(
        credential_class=CredentialClass.D,
        slots=1,
        readback=True,
        settle=timedelta(seconds=2),
        request_timeout=timeout + timedelta(seconds=30),
    )


_: type[MintingIssuer] = AwsRotationFunctionIssuer

KIND = Kind(
    name="aws_rotation_function",
    family=Family.ISSUER,
    settings=AwsRotationFunctionSettings,
    summary="What an AWS four-step rotation function rotates: started here, taken over when AWSCURRENT has moved.",
    traits=traits_of(timedelta(minutes=2)),
)
