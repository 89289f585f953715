"""Who may log in to the Snowflake of the tests: passwords, two public keys, OAuth tokens, access tokens.

Codes and texts follow Snowflake's; a lost detail (such as 394304 for an unknown key) is lost there too.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import uuid4

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

KEY_SLOTS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")
_JWT_MAX_AGE = 60.0  # Source: 394302, "JWT older than 60 s".
_MINIMUM_BITS = 2048


class SnowflakeError(Exception):
    """Snowflake says no; `code` and the text are what it answers."""

    def __init__(self, code: str, text: str, *, sql_state: str = "08001") -> None:
        super().__init__(text)
        self.code, self.text, self.sql_state = code, text, sql_state


@dataclass(slots=True, kw_only=True)
class NamedKey:
    """A key pair that has a name: its public half as base64 of the DER form, when it was added, whether it is off."""

    value: str
    added: float
    disabled: bool = False


@dataclass(slots=True, kw_only=True)
class User:
    """One user; its name is upper case, as unquoted identifiers are.

    Attributes:
        name: Also its login name.
        password: None when it has none.
        keys: Public keys by slot, as base64 of their DER form.
        keys_set_at: When each slot was set, seconds since 1970.
        named_keys: Key pairs by name, beside the two slots.
        oauth_tokens: Expiry by token, seconds since 1970.
        access_tokens: The same for programmatic access tokens.
        disabled: Whether every login is refused.
        refusal: Code and text with which every login is refused although its credential is right: for what the gate
            does not model, such as a network policy (390422) or a locked user (390102).
        administers: The users that it may alter and describe; `*` for all.
    """

    name: str
    password: str | None = field(default=None, repr=False)
    keys: dict[str, str] = field(default_factory=dict)
    keys_set_at: dict[str, float] = field(default_factory=dict)
    named_keys: dict[str, NamedKey] = field(default_factory=dict)
    oauth_tokens: dict[str, float] = field(default_factory=dict, repr=False)
    access_tokens: dict[str, float] = field(default_factory=dict, repr=False)
    disabled: bool = False
    refusal: list[str] = field(default_factory=list)
    administers: list[str] = field(default_factory=list)

    def set_key(self, slot: str, value: str, now: float) -> None:
        """Put a public key into a slot.

        Args:
            slot: One of `KEY_SLOTS`.
            value: Base64 of the DER form, without the lines that begin and end a PEM file.
            now: Seconds since 1970.

        Raises:
            SnowflakeError: It is no RSA key of 2048 bits or more.
        """
        load_public_key(value)
        self.keys[slot], self.keys_set_at[slot] = "".join(value.split()), now

    def unset_key(self, slot: str) -> None:
        """Empty a slot; an empty one stays so."""
        self.keys.pop(slot, None)
        self.keys_set_at.pop(slot, None)

    def accepted(self) -> list[str]:
        """The public keys that log it in."""
        return [*self.keys.values(), *(key.value for key in self.named_keys.values() if not key.disabled)]


def load_public_key(value: str) -> RSAPublicKey:
    """Read a public key as ALTER USER takes it, or refuse it."""
    try:
        key = load_der_public_key(base64.b64decode("".join(value.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MINIMUM_BITS:
        # The text is Snowflake's, the number is not known.
        text = "New public key rejected by current policy. Reason: 'Invalid public key'"
        raise SnowflakeError("001008", text, sql_state="22023")
    return key


def fingerprint(value: str) -> str:
    """The fingerprint of a public key, as DESC USER shows it and the issuer of a JWT names it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(value)).digest()).decode()


@dataclass(slots=True, kw_only=True)
class Directory:
    """The users of one account.

    Attributes:
        account: Its identifier, upper case.
        clock: Seconds since 1970.
        users: By name.
    """

    account: str
    clock: Callable[[], float] = time.time
    users: dict[str, User] = field(default_factory=dict)

    def update(self, name: str, changes: dict[str, Any]) -> None:
        """Add a user or change fields of one; public keys are checked as ALTER USER would."""
        user = self.users.setdefault(name.upper(), User(name=name.upper()))
        for slot, value in changes.pop("keys", {}).items():
            user.set_key(slot, value, self.clock())
        known = {entry.name for entry in fields(User)}
        for field_name, value in changes.items():
            if field_name not in known:
                raise KeyError(field_name)
            setattr(user, field_name, value)

    def log_in(self, data: dict[str, Any]) -> User:
        """Check the body of a login request.

        Args:
            data: Its `data` object.

        Returns:
            Who logged in.

        Raises:
            SnowflakeError: Nobody did.
        """
        authenticator = str(data.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
        token, name = str(data.get("TOKEN", "")), str(data.get("LOGIN_NAME", "")).upper()
        if authenticator == "SNOWFLAKE":
            return self._by_password(name, str(data.get("PASSWORD", "")))
        user = self.by_token(authenticator, token)
        if name and user.name != name:
            raise SnowflakeError(
                "390309", "The user you were trying to authenticate as differs from the user tied to it."
            )
        return user

    def by_token(self, kind: str, token: str) -> User:
        """Find whom a token stands for; `kind` as AUTHENTICATOR, or as the token type of the SQL API, names it."""
        if kind in ("SNOWFLAKE_JWT", "KEYPAIR_JWT"):
            return self._by_jwt(token)
        if kind == "OAUTH":
            return self._by_opaque(token, "oauth_tokens", invalid="390303", expired="390318", what="OAuth access token")
        if kind == "PROGRAMMATIC_ACCESS_TOKEN":
            what = "Programmatic access token"
            return self._by_opaque(token, "access_tokens", invalid="394400", expired="394401", what=what)
        raise SnowflakeError("390103", f"Authenticator {kind} is not known.")

    @staticmethod
    def kind_of(token: str) -> str:
        """Tell a key pair's JWT from an OAuth token, as the SQL API does when no header names the type."""
        try:
            issuer = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        except jwt.InvalidTokenError:
            return "OAUTH"
        return "KEYPAIR_JWT" if ".SHA256:" in issuer else "OAUTH"

    def _by_password(self, name: str, password: str) -> User:
        user = self.users.get(name)
        if user is None or user.password is None or not hmac.compare_digest(user.password, password):
            raise SnowflakeError("390100", "Incorrect username or password was specified.")
        return self._enabled(user)

    def _by_opaque(self, token: str, kind: str, *, invalid: str, expired: str, what: str) -> User:
        for user in self.users.values():
            expiry = getattr(user, kind).get(token)
            if expiry is not None and expiry <= self.clock():
                raise SnowflakeError(expired, f"{what} expired. [{uuid4()}]")
            if expiry is not None:
                return self._enabled(user)
        raise SnowflakeError(invalid, f"Invalid {what}. [{uuid4()}]")

    def _by_jwt(self, token: str) -> User:
        refused = SnowflakeError("390144", f"JWT token is invalid. [{uuid4()}]")
        try:
            claimed = jwt.decode(token, options={"verify_signature": False})
            account, name, presented = str(claimed["iss"]).split(".", 2)
            user = self.users[name]
            value = next(key for key in user.accepted() if fingerprint(key) == presented)
            claims = jwt.decode(token, load_public_key(value), algorithms=["RS256"], options={"verify_iat": False})
            age = self.clock() - float(claims["iat"])
        except (jwt.InvalidTokenError, KeyError, ValueError, StopIteration):
            raise refused from None
        if account != self.account or claims.get("sub") != f"{account}.{name}" or abs(age) > _JWT_MAX_AGE:
            raise refused
        return self._enabled(user)

    @staticmethod
    def _enabled(user: User) -> User:
        if user.disabled:
            raise SnowflakeError("390101", "User access disabled. Contact your local system administrator.")
        if user.refusal:
            code, text = user.refusal
            raise SnowflakeError(code, text)
        return user
