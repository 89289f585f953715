"""boto3 clients from plain values, and the translation of what AWS answers into errors of ours.

Sources: AWS common errors, S3 error responses, Secrets Manager and STS API references; botocore `retries/standard.py`
for the throttling codes (they come with 400, 429 or 503).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lifecycle.clients.endpoints import checked_endpoint, is_loopback
from lifecycle.clients.web import exchange_error
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import SecretText

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

REFUSED_IDENTITY = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation", "AuthorizationError"}
)
ABSENT = frozenset(
    {"NoSuchEntity", "NoSuchBucket", "NoSuchKey", "NotFound", "NotFoundException", "ResourceNotFoundException", "404"}
)
THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)

_LOG_IN = "log in with the AWS CLI or set AWS_PROFILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsConnection:
    """Where and as whom.

    Attributes:
        region: region of every client.
        endpoint: one base URL for all services; empty = AWS.
        access_key_id, secret_access_key, session_token: a login; all None = boto3's own chain (role, profile).
        role: ARN of a role to assume with that login.
        connect_timeout, read_timeout: of one attempt.
        proxy: http proxy URL; empty = the environment's, or none for this machine.
    """

    region: str
    endpoint: str = ""
    access_key_id: SecretText | None = None
    secret_access_key: SecretText | None = None
    session_token: SecretText | None = None
    role: str = ""
    connect_timeout: timedelta = timedelta(seconds=6)
    read_timeout: timedelta = timedelta(seconds=30)
    proxy: str = ""


class AwsClients:
    """Makes boto3 clients and keeps them; clients may be shared between threads, making them may not.

    Args:
        connection: where and as whom.
    """

    def __init__(self, connection: AwsConnection) -> None:
        if connection.endpoint:
            checked_endpoint(connection.endpoint, what="the AWS endpoint")
        self.connection = connection
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, int], Any] = {}

    def reader(self, service: str) -> Any:
        """A client for calls that change nothing; botocore repeats them after throttling and lost connections."""
        return self._client(service, attempts=4)

    def writer(self, service: str) -> Any:
        """A client that sends each call exactly once: a repeated mint would be a second credential."""
        return self._client(service, attempts=1)

    def login_key_id(self) -> str:
        """Access key id of the login that this process has, before any role is assumed; empty = none was found."""
        with self._lock:
            found = _session(replace(self.connection, role="")).get_credentials()
        return str(found.access_key or "") if found is not None else ""

    def _client(self, service: str, *, attempts: int) -> Any:
        with self._lock:
            if (service, attempts) not in self._clients:
                self._session = self._session or _session(self.connection)
                # Typed Any: the service is chosen at run time, the callers know its methods.
                make: Any = self._session.client
                self._clients[service, attempts] = make(
                    service,
                    endpoint_url=self.connection.endpoint or None,
                    config=_config(self.connection, attempts),
                )
            return self._clients[service, attempts]


def _session(connection: AwsConnection) -> boto3.Session:
    import boto3

    session = boto3.Session(
        aws_access_key_id=_plain(connection.access_key_id),
        aws_secret_access_key=_plain(connection.secret_access_key),
        aws_session_token=_plain(connection.session_token),
        region_name=connection.region,
    )
    return _assumed(session, connection) if connection.role else session


def _plain(secret: SecretText | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _assumed(session: boto3.Session, connection: AwsConnection) -> boto3.Session:
    """A session whose role credentials are fetched on first use and renewed before they lapse."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import get_session

    def sts(_service: str, **_options: Any) -> Any:
        return session.client("sts", endpoint_url=connection.endpoint or None, config=_config(connection, 4))

    source = session.get_credentials()
    if source is None:
        raise ConfigurationError(f"no AWS login was found to assume {connection.role}", remedy=_LOG_IN)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=source,
        role_arn=connection.role,
        extra_args={"RoleSessionName": "lifecycle"},
    )
    inner = get_session()
    inner.set_config_variable("region", connection.region)
    # botocore has no public setter for refreshable credentials; aws-cli and boto3's own tests do the same.
    inner._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]  # absent from the stubs
        refresh_using=fetcher.fetch_credentials, method="assume-role"
    )
    return boto3.Session(botocore_session=inner, region_name=connection.region)


def _config(connection: AwsConnection, attempts: int) -> Config:
    from botocore.config import Config

    proxies = {"http": connection.proxy, "https": connection.proxy} if connection.proxy else None
    if proxies is None and connection.endpoint and is_loopback(connection.endpoint):
        proxies = {}  # an empty mapping, unlike None, keeps botocore from reading the environment's proxy
    return Config(
        connect_timeout=connection.connect_timeout.total_seconds(),
        read_timeout=connection.read_timeout.total_seconds(),
        retries={"total_max_attempts": attempts, "mode": "standard"},
        proxies=proxies,
        s3={"addressing_style": "path"} if connection.endpoint else None,
        max_pool_connections=50,
    )


@contextmanager
def aws_errors(what: str, *, writes: bool = False) -> Iterator[None]:
    """Translate everything botocore raises inside the block.

    Args:
        what: says in messages what was attempted, without values.
        writes: whether the call changes something, so that a lost answer is ambiguous.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _answered(error, what, writes=writes) from None
    except BotoCoreError as error:
        raise _unanswered(error, what, writes=writes) from None


def error_code(error: ClientError) -> str:
    """AWS's code of an error answer."""
    return str(error.response.get("Error", {}).get("Code", ""))


def error_status(error: ClientError) -> int:
    """The HTTP status of an error answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def request_id(error: ClientError) -> str:
    """AWS's id of the request: what its support asks for."""
    return str(error.response.get("ResponseMetadata", {}).get("RequestId", ""))


def _answered(error: ClientError, what: str, *, writes: bool) -> LifecycleError:
    code, status = error_code(error), error_status(error)
    told = f"{what}: AWS answered {code or status} (request {request_id(error) or 'unknown'})"
    if code in THROTTLED or status == 429:
        return RemoteServiceError(told, remedy="run again later", retryable=True)
    if code in REFUSED_IDENTITY or status == 401:
        return AuthenticationError(told, remedy="check the AWS login, its expiry and this machine's clock")
    if code in DENIED or status == 403:
        return AuthenticationError(told, remedy="grant this identity the action, or look for a denying policy")
    if code in ABSENT or status == 404:
        return NotFoundError(told, remedy="check the name; run `lifecycle apply` when it should exist")
    return _failed(told, status, writes=writes)


def _failed(told: str, status: int, *, writes: bool) -> LifecycleError:
    if status < 500:
        return RemoteServiceError(told, remedy="look the code up in the API reference of the service")
    if writes:
        return AmbiguousEffectError(told, remedy="run again: the effect is looked up before anything is repeated")
    return RemoteServiceError(told, remedy="run again", retryable=True)


def _placed(error: Exception, what: str) -> str:
    """What was attempted, with the server that did not answer; its path may name objects and is left out."""
    parts = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    server = f"{parts.scheme}://{parts.netloc}"
    return f"{what} ({server})" if parts.netloc and server not in what else what


def _unanswered(error: Exception, what: str, *, writes: bool) -> LifecycleError:
    from botocore.exceptions import HTTPClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return AuthenticationError(
            f"{what}: no AWS login was found", remedy="log in with the AWS CLI or set AWS_PROFILE"
        )
    if isinstance(error, HTTPClientError) or type(error).__name__ == "EndpointConnectionError":
        return exchange_error(error, what=_placed(error, what), writes=writes)
    # Parameter validation and the like: raised before anything is sent. The text may repeat the parameters.
    return RemoteServiceError(
        f"{what}: the AWS SDK refused the call ({type(error).__name__})", remedy="report this message"
    )
