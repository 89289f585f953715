"""Azure Blob: an account key, a SAS, a connection string or an Entra identity, for exactly the declared rights.

Each right is shown by a harmless call: one name of a listing, one byte of a blob. What Entra refuses is judged by its
own codes, before storage is asked.

Sources: Microsoft, "Troubleshoot 403 in Blob Storage", common REST and SAS error codes; Entra reference-error-codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lifecycle.clients.endpoints import is_loopback
from lifecycle.connectors.entra_codes import LastAnswer
from lifecycle.connectors.entra_credential import WorkloadIdentity, entra_credential
from lifecycle.connectors.probing import Probe, capped, reason_of_status, worst
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

LOGIN = "login"
Right = Literal["list", "read"]
_SCOPE = "https://storage.azure.com/.default"
_CODES = {
    "InvalidAuthenticationInfo": Reason.AMBIGUOUS,
    "NoAuthenticationInformation": Reason.NOT_CONFIGURED,
    "AuthorizationFailure": Reason.NETWORK_POLICY,
    "AuthorizationSourceIPMismatch": Reason.NETWORK_POLICY,
    "AuthorizationPermissionMismatch": Reason.NO_PERMISSION,
    "AuthorizationServiceMismatch": Reason.NO_PERMISSION,
    "AuthorizationResourceTypeMismatch": Reason.NO_PERMISSION,
    "InsufficientAccountPermissions": Reason.NO_PERMISSION,
    "KeyBasedAuthenticationNotPermitted": Reason.NOT_CONFIGURED,
    "AuthorizationProtocolMismatch": Reason.NOT_CONFIGURED,
    "PublicAccessNotPermitted": Reason.NOT_CONFIGURED,
    "AccountIsDisabled": Reason.LOCKED,
    "ServerBusy": Reason.THROTTLED,
    "ContainerNotFound": Reason.NOT_CONFIGURED,
    "BlobNotFound": Reason.NOT_CONFIGURED,
}
# AuthenticationFailed has one code for all causes; its detail tells, in this order.
_FRAME = re.compile(r"not valid in the specified time frame: start \[(.*?)\] - expiry \[(.*?)\] - current \[(.*?)\]")
_DETAILS = (
    ("must be after signed start", Reason.EXPIRED),
    ("sv is not well formed", Reason.VERSION_NOT_SUPPORTED),
    ("signed resource", Reason.NO_PERMISSION),
    ("mac signature", Reason.WRONG_VALUE),
    ("signature did not match", Reason.WRONG_VALUE),
)


class AzureBlobSettings(KindSettings):
    """A connector of kind `azure_blob`; also the target that is verified.

    Attributes:
        account: the storage account.
        container: the container.
        can: what the credential must be allowed to do.
        blob: an existing blob, for `read`.
        prefix: where `list` looks.
        url: of the account's blob service; empty = the public cloud's.
        authority: of Entra; empty = the public cloud's.
        workload_identity: who we are where no credential is named: a pod with a token of Kubernetes.
        ca_file: trust only this authority; empty = the system's.
    """

    account: str
    container: str
    can: Annotated[tuple[Right, ...], Field(min_length=1)] = ("list",)
    blob: str = ""
    prefix: str = ""
    url: str = ""
    authority: str = ""
    workload_identity: WorkloadIdentity | None = None
    ca_file: str = ""

    @model_validator(mode="after")
    def _blob_named(self) -> Self:
        if "read" in self.can and not self.blob:
            raise ValueError("read needs `blob`: the name of an existing blob")
        return self

    @property
    def service(self) -> str:
        """URL of the blob service."""
        return self.url or f"https://{self.account}.blob.core.windows.net"


class AzureBlobVerifier:
    """Verifies credentials of one storage account.

    Args:
        url: of the account's blob service.
        clock: the time.
        instance_discovery: ask Microsoft whether the authority is one of theirs; off for private authorities.
    """

    def __init__(self, url: str, *, clock: Clock, instance_discovery: bool = True) -> None:
        self._url = url
        self._clock = clock
        self._instance_discovery = instance_discovery

    def verify(
        self, target: AzureBlobSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Get a token where one is needed; try every declared right."""
        from azure.core.exceptions import ClientAuthenticationError

        probe = Probe.begin((LOGIN, *target.can), clock=self._clock, deadline=deadline, via=via)
        last = LastAnswer()
        try:
            with self._credential(probe, target, value, last) as credential:
                if credential is None:
                    return probe.result(Reason.NOT_CONFIGURED, "the value is no key, SAS or identity of Azure")
                return self._judge(probe, target, credential)
        except ClientAuthenticationError as error:
            # Of azure-identity: storage's own 401 and 403 are taken where each right is tried.
            reason, told, wait = last.refusal(str(error))
            return probe.result(reason, told, retry_after=wait)
        except (ConfigurationError, ImportError) as error:
            missing = "azure-storage-blob is missing: install lifecycle[azure]"
            return probe.result(Reason.NOT_CONFIGURED, getattr(error, "message", missing))
        except Exception as error:
            answered = _answered(error)
            if answered is not None:
                return probe.result(_reason(answered), _told(answered))
            return probe.failed_exchange(_inner(error))

    def _judge(self, probe: Probe, target: AzureBlobSettings, credential: Any) -> VerificationResult:
        from azure.core.exceptions import HttpResponseError
        from azure.storage.blob import ContainerClient

        failures: list[tuple[Reason, str]] = []
        container = ContainerClient(
            self._url, target.container, credential=credential, **self._transport(probe, target)
        )
        with container:
            for right in target.can:
                try:
                    _CALLS[right](container, target)
                except HttpResponseError as error:
                    failures.append((_reason(error), _told(error)))
                else:
                    probe.show(LOGIN, right)
        return probe.result(*worst(failures)) if failures else probe.works()

    @contextmanager
    def _credential(
        self, probe: Probe, target: AzureBlobSettings, value: SecretValue, last: LastAnswer
    ) -> Iterator[Any]:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

        if "account_key" in value:
            yield AzureNamedKeyCredential(target.account, value["account_key"].get_secret_value())
        elif "sas_token" in value:
            yield AzureSasCredential(value["sas_token"].get_secret_value())
        elif "connection_string" in value:
            yield _from_connection_string(value)
        else:
            yield from self._entra(probe, target, value, last)

    def _entra(self, probe: Probe, target: AzureBlobSettings, value: SecretValue, last: LastAnswer) -> Iterator[Any]:
        options = self._transport(probe, target) | {
            "disable_instance_discovery": not self._instance_discovery,
            "raw_response_hook": last.hear,
        }
        if target.authority:
            options["authority"] = target.authority
        found = entra_credential(value, target.workload_identity, options)
        if found is None:
            yield None
            return
        with found as credential:
            credential.get_token(_SCOPE)
            probe.show(LOGIN)
            yield credential

    def _transport(self, probe: Probe, target: AzureBlobSettings) -> dict[str, Any]:
        left = probe.deadline.cap(probe.deadline.seconds_left)
        options: dict[str, Any] = {
            "connection_timeout": min(6.0, left),
            "read_timeout": left,
            "retry_total": 0,
            "permit_redirects": False,
            "connection_verify": target.ca_file or True,
        }
        if probe.proxy:
            options["proxies"] = {"http": probe.proxy, "https": probe.proxy}
        elif is_loopback(self._url):
            options["use_env_settings"] = False  # no proxy of the environment for this machine
        return options


def _from_connection_string(value: SecretValue) -> Any:
    """The login of a connection string; where it leads is the spec's to say, not the value's."""
    from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

    parts = dict(part.split("=", 1) for part in value["connection_string"].get_secret_value().split(";") if "=" in part)
    if "SharedAccessSignature" in parts:
        return AzureSasCredential(parts["SharedAccessSignature"])
    if "AccountName" in parts and "AccountKey" in parts:
        return AzureNamedKeyCredential(parts["AccountName"], parts["AccountKey"])
    return None


def _answered(error: BaseException) -> HttpResponseError | None:
    """The refusal behind an error: the SDK fails with a TypeError over a body that is not quite Azure's."""
    from azure.core.exceptions import HttpResponseError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, HttpResponseError) and seen.status_code:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _inner(error: BaseException) -> BaseException:
    """What an error of the SDK wraps; it keeps that in a field of its own."""
    found = getattr(error, "inner_exception", None)
    return found if isinstance(found, BaseException) else error


class _UnexpectedAnswerError(Exception):
    """A success that is not Azure's: something in between spoke. Never leaves this module."""


def _list(container: Any, target: AzureBlobSettings) -> None:
    headers: dict[str, str] = {}
    pages = container.list_blobs(
        name_starts_with=target.prefix or None,
        results_per_page=1,
        raw_response_hook=lambda response: headers.update(response.http_response.headers),
    ).by_page()
    list(next(pages, ()))
    _require_azure(headers)


def _read(container: Any, target: AzureBlobSettings) -> None:
    from azure.core.exceptions import HttpResponseError

    headers: dict[str, str] = {}
    try:
        container.download_blob(
            target.blob,
            offset=0,
            length=1,
            raw_response_hook=lambda response: headers.update(response.http_response.headers),
        ).readall()
    except HttpResponseError as error:
        if error.status_code != 416 or str(getattr(error, "error_code", "")) != "InvalidRange":
            raise  # an empty blob has no first byte; that its length was told shows the right
        return
    _require_azure(headers)


_CALLS = {"list": _list, "read": _read}


def _require_azure(headers: dict[str, str]) -> None:
    if not any(name.lower() == "x-ms-request-id" for name in headers):
        raise _UnexpectedAnswerError


def _reason(error: HttpResponseError) -> Reason:
    status = int(error.status_code or 0)
    code = _code(error)
    if not code:
        return capped(Reason.AMBIGUOUS, status)  # Azure always names a code: something in between spoke
    if code == "AuthenticationFailed":
        text = f"{error.message} {getattr(error, 'additional_info', '')}".lower()
        found = next((reason for part, reason in _DETAILS if part in text), Reason.AMBIGUOUS)
        frame = _FRAME.search(text)
        return capped(_out_of_frame(*frame.groups()) if frame else found, status)
    if code == "InvalidAuthenticationInfo" and status == 400:
        return Reason.NOT_CONFIGURED  # malformed on the way; 401 says something about a token instead
    return capped(_CODES.get(code, reason_of_status(status)), status)


def _out_of_frame(start: str, expiry: str, current: str) -> Reason:
    """Of a SAS: past its end it is expired; before its start somebody's clock is wrong, and nothing was judged."""
    del start
    try:
        ended = parsedate_to_datetime(current) > parsedate_to_datetime(expiry)
    except ValueError:
        return Reason.AMBIGUOUS
    return Reason.EXPIRED if ended else Reason.CLOCK_SKEW


def _code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _told(error: HttpResponseError) -> str:
    headers = getattr(error.response, "headers", None) or {}
    return f"{_code(error) or error.status_code}, request {headers.get('x-ms-request-id', 'unknown')}"


_: type[ConnectorVerifier] = AzureBlobVerifier

KIND = Kind(
    name="azure_blob",
    family=Family.CONNECTOR,
    settings=AzureBlobSettings,
    summary="Azure Blob: a key, SAS, connection string or Entra identity has exactly the declared rights.",
)
