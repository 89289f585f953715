"""What the forward proxies of the tests have in common: an address, an allowlist, and perhaps a password."""

import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import httpx

from tests.servers.https_target import HttpsTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """What a client must present to a proxy."""

    user: str
    password: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class ForwardProxy:
    """A running proxy.

    Attributes:
        port: Its port on 127.0.0.1.
        log: Its log; for squid the access log.
        replace_allowlist: Makes other names the only ones allowed, and returns once that is in force.
        auth: What it asks for.
    """

    port: int
    log: Path
    replace_allowlist: Callable[[Sequence[str]], None]
    auth: BasicAuth | None = None

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_with_password(self) -> str:
        """Its address as HTTPS_PROXY has it."""
        if self.auth is None:
            return self.url
        return f"http://{quote(self.auth.user)}:{quote(self.auth.password)}@127.0.0.1:{self.port}"

    def get(self, target: HttpsTarget, name: str) -> httpx.Response:
        """Fetch `/` of `target` under `name` through this proxy; a refused CONNECT raises `httpx.ProxyError`."""
        with httpx.Client(proxy=self.url_with_password, verify=_trust(target), trust_env=False) as client:
            return client.get(target.url(name))


class StartForwardProxy(Protocol):
    """Starts a proxy that ends with the test."""

    def __call__(self, *, allow: Sequence[str], ports: Iterable[int], auth: BasicAuth | None = None) -> ForwardProxy:
        """Start it.

        Args:
            allow: Host names; squid and Envoy also take their notation for subdomains.
            ports: What CONNECT may ask for; not 443, as listening there needs root.
            auth: Ask for this user and password.
        """


def _trust(target: HttpsTarget) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(target.ca_file))
