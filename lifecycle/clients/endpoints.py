"""Which addresses a client may speak to: https always verified, plain http on this machine only."""

from __future__ import annotations

from urllib.parse import urlsplit

from lifecycle.domain.errors import ConfigurationError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine; no proxy is ever used for it."""
    return urlsplit(url).hostname in _LOOPBACK


def checked_endpoint(url: str, *, what: str) -> str:
    """Refuse an address over which a secret would travel unencrypted.

    Args:
        url: base URL.
        what: names the setting in the message.

    Returns:
        The URL without a trailing slash.

    Raises:
        ConfigurationError: it is no http(s) URL, is plain http elsewhere, or carries a login.
    """
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigurationError(
            f"{what} carries a login in its address", remedy="take it out and store it as a secret"
        )
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    if not secure or not parts.hostname:
        shown = f"{parts.scheme}://{parts.hostname}" if parts.hostname else "not a URL"
        raise ConfigurationError(
            f"{what} is not a safe address ({shown})", remedy="use https://; plain http is for 127.0.0.1 only"
        )
    return url.rstrip("/")
