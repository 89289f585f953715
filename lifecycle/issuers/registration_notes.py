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
_IDS = ("current", "previous", "initial", "unkept", "replacing")
_TIMES = ("minted_at", "previous_until")


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
        current: the secret that our last answered update gave.
        marker: of the operation that asked for it.
        minted_at: when it was made.
        previous: the one that it replaced.
        previous_until: until when that one lives.
        initial: the one that the client was registered with.
        unkept: the one that a retirement left, which nobody has.
        replacing: the one that an update replaces whose answer is owed; empty when none is.
        owed_marker: of the operation that sent that update.
    """

    token: SecretText
    uri: str
    current: CredentialId = NO_ID
    marker: str = ""
    minted_at: datetime | None = None
    previous: CredentialId = NO_ID
    previous_until: datetime | None = None
    initial: CredentialId = NO_ID
    unkept: CredentialId = NO_ID
    replacing: CredentialId = NO_ID
    owed_marker: str = ""

    @classmethod
    def parse(cls, value: SecretValue) -> RegistrationNotes:
        """From the kept value."""
        plain = {name: text.get_secret_value() for name, text in value.items() if name != "registration_access_token"}
        return cls(
            token=value["registration_access_token"],
            uri=plain.get("registration_client_uri", ""),
            minted_at=_time(plain.get("minted_at", "")),
            previous_until=_time(plain.get("previous_until", "")),
            marker=plain.get("marker", ""),
            owed_marker=plain.get("owed_marker", ""),
            **{name: CredentialId(plain.get(name, "")) for name in _IDS},
        )

    def value(self) -> SecretValue:
        """As it is kept."""
        plain = {name: str(getattr(self, name)) for name in (*_IDS, "marker", "owed_marker")}
        plain |= {name: moment.isoformat() for name in _TIMES if (moment := getattr(self, name)) is not None}
        plain["registration_client_uri"] = self.uri
        kept = secret_value({name: text for name, text in plain.items() if text})
        return {**kept, "registration_access_token": self.token}


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
