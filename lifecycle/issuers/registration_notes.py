"""What only we know about the secrets of an OAuth client, kept with its registration access token in the secret store.

The server shows at most the current secret; which one it replaced, until when that one lives, and who asked for it are
written down before and after each update. Ids are keyed fingerprints: no client secret stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lifecycle.domain.credential import CredentialId
from lifecycle.domain.secret import SecretText, SecretValue, secret_value

NO_ID = CredentialId("")


class KeptRegistration(Protocol):
    """Where the registration access token and our notes lie."""

    def load(self) -> SecretValue:
        """Read them. Raises NotFoundError when nobody has stored a token yet."""
        ...

    def save(self, value: SecretValue) -> None:
        """Replace them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationNotes:
    """What is kept of one client.

    Attributes:
        token: the registration access token.
        uri: where the registration is managed.
        current: the secret that our last update gave; empty while the answer of an update is owed.
        previous: the one that it replaced, or that the owed update replaces.
        initial: the one that the client was registered with.
        previous_until: until when the replaced one lives.
        minted_at: when the current one was made.
        marker: of the operation that asked for the newest secret.
    """

    token: SecretText
    uri: str
    current: CredentialId = NO_ID
    previous: CredentialId = NO_ID
    initial: CredentialId = NO_ID
    previous_until: datetime | None = None
    minted_at: datetime | None = None
    marker: str = ""

    @classmethod
    def parse(cls, value: SecretValue) -> RegistrationNotes:
        """From the kept value."""
        plain = {name: text.get_secret_value() for name, text in value.items() if name != "registration_access_token"}
        return cls(
            token=value["registration_access_token"],
            uri=plain.get("registration_client_uri", ""),
            current=CredentialId(plain.get("current", "")),
            previous=CredentialId(plain.get("previous", "")),
            initial=CredentialId(plain.get("initial", "")),
            previous_until=_time(plain.get("previous_until", "")),
            minted_at=_time(plain.get("minted_at", "")),
            marker=plain.get("marker", ""),
        )

    def value(self) -> SecretValue:
        """As it is kept."""
        plain = {
            "registration_client_uri": self.uri,
            "current": self.current,
            "previous": self.previous,
            "initial": self.initial,
            "previous_until": self.previous_until.isoformat() if self.previous_until else "",
            "minted_at": self.minted_at.isoformat() if self.minted_at else "",
            "marker": self.marker,
        }
        kept = secret_value({name: text for name, text in plain.items() if text})
        return {**kept, "registration_access_token": self.token}


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
