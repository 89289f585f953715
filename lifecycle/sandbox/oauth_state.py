"""What the OAuth double remembers, in a 0600 file that survives its restart.

Client secrets stand there in clear, as RFC 7592 lets the client read them back; tokens only as SHA-256.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lifecycle.sandbox.private_file import read_json, write_json

Clock = Callable[[], float]


def digest(token: str) -> str:
    """Under which name a token is remembered."""
    return hashlib.sha256(token.encode()).hexdigest()


def draw(prefix: str) -> str:
    """A fresh token or secret."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


class OAuthState:
    """Clients, tokens and token families.

    `clients[id]`: metadata, client_secret, previous (secret, expires_at), registration (SHA-256 of the access token).
    `access[sha256]`, `refresh[sha256]`: client_id, scope, expires_at, family; refresh tokens also `used_at`.
    `dead_families`: a reused or revoked refresh token killed them.

    Args:
        path: the file.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self.clock = clock
        kept = read_json(path) or {}
        self.clients: dict[str, dict[str, Any]] = kept.get("clients", {})
        self.access: dict[str, dict[str, Any]] = kept.get("access", {})
        self.refresh: dict[str, dict[str, Any]] = kept.get("refresh", {})
        self.dead_families: list[str] = kept.get("dead_families", [])

    def save(self) -> None:
        """Write the file; called before an answer leaves, so that nothing granted is forgotten."""
        now = self.clock()
        self.access = {name: token for name, token in self.access.items() if token["expires_at"] > now}
        self.refresh = {name: token for name, token in self.refresh.items() if token["expires_at"] > now}
        document = {
            "clients": self.clients,
            "access": self.access,
            "refresh": self.refresh,
            "dead_families": self.dead_families,
        }
        write_json(self._path, document)

    def live(self, tokens: dict[str, dict[str, Any]], token: str) -> dict[str, Any] | None:
        """What is known of a token that is alive: neither expired nor revoked, and its client still exists."""
        found = tokens.get(digest(token))
        if found is None or found["expires_at"] <= self.clock() or found["client_id"] not in self.clients:
            return None
        return None if found["family"] in self.dead_families else found

    def kill_family(self, family: str) -> None:
        """Revoke every token of one family."""
        if family and family not in self.dead_families:
            self.dead_families.append(family)
