"""A Vault (or OpenBao) client that logs in by itself, renews its token, and raises errors of ours only.

Sources: Vault API documentation (status codes, KV version 2, auth methods); OpenBao `path_login.go` for "invalid role
or secret ID", which comes with 400.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lifecycle.clients.endpoints import checked_endpoint, is_loopback
from lifecycle.clients.web import exchange_error
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    LostRaceError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Monotonic

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")
_RENEW_AT = 2 / 3  # of the token's life


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """A token that somebody else made and renews."""

    token: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRoleLogin:
    """Role id and secret id of an AppRole."""

    role_id: str
    secret_id: SecretText = field(repr=False)
    mount: str = "approle"


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtLogin:
    """A signed token of an identity provider or of Kubernetes, read anew for each login because it is renewed there.

    Attributes:
        role: the role at the auth method.
        jwt_file: where the platform puts the token.
        mount: `jwt`, or `kubernetes` for that method.
        kubernetes: whether the mount is Kubernetes authentication.
    """

    role: str
    jwt_file: Path
    mount: str = "jwt"
    kubernetes: bool = False


VaultLogin = TokenLogin | AppRoleLogin | JwtLogin


class VaultClient:
    """One identity at one server. Safe to share between threads.

    Args:
        address: base URL.
        login: how to get a token.
        namespace: enterprise or OpenBao namespace.
        ca_file: trust only this authority.
        timeout: of one call.
        proxy: an http proxy URL; empty = the environment's, or none for this machine.
        monotonic: decides when the token is renewed.
    """

    def __init__(
        self,
        address: str,
        login: VaultLogin,
        *,
        namespace: str = "",
        ca_file: str = "",
        timeout: timedelta = timedelta(seconds=30),
        proxy: str = "",
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.address = checked_endpoint(address, what="the Vault address")
        self._login = login
        self._namespace = namespace
        self._ca_file = ca_file
        self._timeout = timeout
        self._proxy = proxy
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._client: hvac.Client | None = None
        self._renew_at = float("inf")

    @property
    def secret_id(self) -> SecretText | None:
        """The secret id with which this process logs in; None = it logs in otherwise."""
        return self._login.secret_id if isinstance(self._login, AppRoleLogin) else None

    def read(self, call: Callable[[hvac.Client], Any], *, what: str) -> Any:
        """Run a call that changes nothing. After a refused token it logs in once more and repeats it.

        Args:
            call: receives the hvac client.
            what: says in messages what was attempted, without values.
        """
        return self._run(call, what=what, writes=False)

    def write(self, call: Callable[[hvac.Client], Any], *, what: str) -> Any:
        """Run a call that changes something. A refusal of the token comes before any effect, so it is repeated too."""
        return self._run(call, what=what, writes=True)

    def exchange(self, call: Callable[[hvac.Client], Any]) -> Any:
        """Run a call after a fresh login and let the errors of hvac and requests through: for verification."""
        return call(self._log_in())

    def _run(self, call: Callable[[hvac.Client], Any], *, what: str, writes: bool) -> Any:
        client = self._ready()
        try:
            return self._guarded(lambda: call(client), what=what, writes=writes)
        except AuthenticationError:
            if isinstance(self._login, TokenLogin) or self._token_lives(client):
                raise
        with self._lock:
            self._client = None
        fresh = self._ready()
        return self._guarded(lambda: call(fresh), what=what, writes=writes)

    def _token_lives(self, client: hvac.Client) -> bool:
        """Whether the refusal was about rights, not about the token (facts: lookup-self decides)."""
        try:
            self._guarded(client.auth.token.lookup_self, what="looking up the token", writes=False)
        except AuthenticationError:
            return False
        except LifecycleError:
            return True
        return True

    def _guarded(self, call: Callable[[], T], *, what: str, writes: bool) -> T:
        import hvac.exceptions
        import requests

        try:
            return call()
        except hvac.exceptions.VaultError as error:
            raise vault_error(error, what=f"{what} at {self.address}", writes=writes) from None
        except requests.exceptions.RequestException as error:
            raise exchange_error(error, what=f"{what} at {self.address}", writes=writes) from None

    def _ready(self) -> hvac.Client:
        with self._lock:
            if self._client is None:
                self._client = self._guarded(self._log_in, what="logging in", writes=False)
            elif self._monotonic() >= self._renew_at:
                self._client = self._renewed(self._client)
            return self._client

    def with_limits(self, *, timeout: timedelta, proxy: str) -> VaultClient:
        """The same identity with another time limit and network position; logs in on its own."""
        return VaultClient(
            self.address,
            self._login,
            namespace=self._namespace,
            ca_file=self._ca_file,
            timeout=timeout,
            proxy=proxy,
            monotonic=self._monotonic,
        )

    def _new_client(self, token: str) -> hvac.Client:
        import hvac
        import requests

        session = requests.Session()
        # hvac would read VAULT_TOKEN, ~/.vault-token and VAULT_CACERT; requests would read .netrc and proxies.
        session.trust_env = not is_loopback(self.address) and not self._proxy
        if self._proxy:
            session.proxies = {"http": self._proxy, "https": self._proxy}
        session.verify = self._ca_file or True
        session.hooks["response"].append(_stay_here)
        return hvac.Client(
            url=self.address,
            token=token,
            namespace=self._namespace or None,
            session=session,
            verify=self._ca_file or True,
            timeout=self._timeout.total_seconds(),  # type: ignore[arg-type]  # requests takes fractions too
            allow_redirects=False,  # a redirect would carry the token where nobody reviewed it
        )

    def _log_in(self) -> hvac.Client:
        if isinstance(self._login, TokenLogin):
            return self._new_client(self._login.token.get_secret_value())
        client = self._new_client("")
        answer = self._login_call()(client)
        client.token = answer["auth"]["client_token"]
        self._schedule(answer["auth"])
        return client

    def _login_call(self) -> Callable[[hvac.Client], Any]:
        login = self._login
        if isinstance(login, AppRoleLogin):
            return lambda c: c.auth.approle.login(
                role_id=login.role_id,
                secret_id=login.secret_id.get_secret_value(),
                mount_point=login.mount,
                use_token=False,
            )
        assert isinstance(login, JwtLogin)  # noqa: S101 - narrows for mypy; the third kind has no login call
        jwt = _read_jwt(login.jwt_file)
        if login.kubernetes:
            return lambda c: c.auth.kubernetes.login(
                role=login.role, jwt=jwt.get_secret_value(), mount_point=login.mount, use_token=False
            )
        return lambda c: c.auth.jwt.jwt_login(
            role=login.role, jwt=jwt.get_secret_value(), path=login.mount, use_token=False
        )

    def _schedule(self, auth: Any) -> None:
        life = int(auth.get("lease_duration") or 0)
        self._renew_at = self._monotonic() + life * _RENEW_AT if life else float("inf")

    def _renewed(self, client: hvac.Client) -> hvac.Client:
        """Renew the token, else log in anew: renewal ends at the token's maximum life."""
        try:
            answer = self._guarded(client.auth.token.renew_self, what="renewing the token", writes=False)
        except (AuthenticationError, RemoteServiceError):
            return self._guarded(self._log_in, what="logging in", writes=False)
        self._schedule(answer["auth"])
        return client


def _stay_here(response: Any, *_args: Any, **_options: Any) -> None:
    """A standby may point to the active node; hvac would hand such an answer on as if it were data."""
    if response.is_redirect:
        raise RemoteServiceError(
            "Vault answered with a redirect, which is never followed with a token",
            remedy="write the address of the active node, or of a load balancer that finds it, as `address`",
            retryable=True,  # nothing was done; a standby may be the active node soon
        )


def _read_jwt(path: Path) -> SecretText:
    try:
        return SecretText(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise ConfigurationError(
            f"the login token {path} could not be read: {error.strerror}",
            remedy="check that the platform mounts it and that this user may read it",
        ) from None


def vault_error(error: Any, *, what: str, writes: bool) -> LifecycleError:
    """Translate an answer of Vault. Only texts that are known to be fixed are looked at.

    Args:
        error: an `hvac.exceptions.VaultError`.
        what: what was attempted.
        writes: whether the call changes something.
    """
    name, texts = type(error).__name__, " ".join(str(item) for item in error.errors or ()).lower()
    if "check-and-set" in texts:
        return LostRaceError(f"{what}: somebody else wrote it first", remedy="run again: it is read anew")
    if name in ("Forbidden", "Unauthorized") and not texts:
        return RemoteServiceError(f"{what}: something in between refused it", remedy="look at proxies and firewalls")
    if name in ("Forbidden", "Unauthorized") or any(text in texts for text in _REFUSED_LOGINS):
        return AuthenticationError(f"{what}: Vault refused us ({name})", remedy="check login and policy for this path")
    if name == "InvalidPath":
        return NotFoundError(f"{what}: nothing is there", remedy="check mount, prefix and name")
    if name in _WAITING:
        return RemoteServiceError(f"{what}: {_WAITING[name]}", remedy="make it ready and run again", retryable=True)
    return _failed(name, what, writes=writes)


_REFUSED_LOGINS = ("invalid role or secret id", "invalid secret id", "invalid role id")
# Answers that come before any effect: nothing was written, the same call may be sent again.
_WAITING = {
    "VaultDown": "Vault is sealed",
    "VaultNotInitialized": "Vault is not initialised",
    "RateLimitExceeded": "a quota of Vault is spent",
    "PreconditionFailed": "this replica of Vault is behind",
}


def _failed(name: str, what: str, *, writes: bool) -> LifecycleError:
    if name == "InvalidRequest":
        return RemoteServiceError(f"{what}: Vault refused the request", remedy="look into its audit log for the reason")
    if writes:
        return AmbiguousEffectError(
            f"{what}: Vault failed ({name})", remedy="run again: the effect is looked up before anything is repeated"
        )
    return RemoteServiceError(f"{what}: Vault failed ({name})", remedy="run again", retryable=True)
