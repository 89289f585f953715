"""Snowflake's SQL API, logged in to with a key pair or a token: one statement per request, no driver.

A login is a JWT that the private key signs: RS256, `iss` = ACCOUNT.USER.SHA256:fingerprint, `sub` = ACCOUNT.USER. It
counts for 60 seconds, so each request carries a fresh one. OAuth and programmatic access tokens are sent as they are.

Sources: Snowflake documentation, "Authenticating to the server" and "Submitting a request" of the SQL API.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode
from uuid import uuid4

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.ports import Clock
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.signed_jwt import load_key, public_jwk, signed_jwt

if TYPE_CHECKING:
    from lifecycle.foundation.signed_jwt import SigningKey

_LIFETIME = timedelta(seconds=60)
_POLL_SECONDS = 0.5
_RUNNING = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeLogin:
    """A user with its private key.

    Attributes:
        account: account identifier: locator, or organisation and account name.
        user: its login name.
        private_key: PEM, PKCS 8.
        passphrase: of an encrypted key.
    """

    account: str
    user: str
    private_key: SecretText = field(repr=False)
    passphrase: SecretText = field(default=SecretText(""), repr=False)

    @classmethod
    def parse(cls, value: SecretValue) -> SnowflakeLogin:
        """From a stored value. Raises ConfigurationError when it is none of a key pair."""
        if not {"account", "user", "private_key"} <= value.keys():
            raise ConfigurationError(
                "the value has no account, user and private_key", remedy="store the value of a Snowflake key pair"
            )
        return cls(
            account=value["account"].get_secret_value(),
            user=value["user"].get_secret_value(),
            private_key=value["private_key"],
            passphrase=value.get("private_key_passphrase", SecretText("")),
        )

    def key(self) -> SigningKey:
        """The loaded private key. Raises ConfigurationError when it cannot be read."""
        key = load_key(self.private_key, of=f"Snowflake user {self.user}", passphrase=self.passphrase)
        if public_jwk(key)["kty"] != "RSA":
            raise ConfigurationError(
                f"the private key of Snowflake user {self.user} is not an RSA key", remedy="store an RSA key"
            )
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeToken:
    """A token that stands for its user.

    Attributes:
        account: account identifier.
        token: the token.
        kind: as `X-Snowflake-Authorization-Token-Type` names it.
    """

    account: str
    token: SecretText = field(repr=False)
    kind: Literal["OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"]


_TOKEN_FIELDS: Mapping[str, Literal["OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"]] = {
    "oauth_token": "OAUTH",
    "programmatic_access_token": "PROGRAMMATIC_ACCESS_TOKEN",
}


def login_of(value: SecretValue) -> SnowflakeLogin | SnowflakeToken:
    """From a stored value, by its fields. Raises ConfigurationError when it is none of these."""
    kept = next((name for name in _TOKEN_FIELDS if name in value), "")
    if not kept:
        return SnowflakeLogin.parse(value)
    if "account" not in value:
        raise ConfigurationError(f"the value has {kept} but no account", remedy="store the account beside it")
    return SnowflakeToken(account=value["account"].get_secret_value(), token=value[kept], kind=_TOKEN_FIELDS[kept])


def default_endpoint(account: str) -> str:
    """Where an account is served unless told otherwise."""
    return f"https://{account.lower().replace('_', '-')}.snowflakecomputing.com"


def public_der(login: SnowflakeLogin) -> bytes:
    """The public half of a login's key, DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return login.key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_fingerprint(login: SnowflakeLogin) -> str:
    """As DESC USER shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_der(login)).digest()).decode()


def account_of_token(account: str) -> str:
    """The account as a JWT names it: upper case, a locator without its region."""
    return account.partition(".")[0].upper()


def signed_token(login: SnowflakeLogin, clock: Clock) -> SecretText:
    """A JWT that logs in once or a few times within a minute."""
    subject, now = f"{account_of_token(login.account)}.{login.user.upper()}", int(clock().timestamp())
    claims = {
        "iss": f"{subject}.{key_fingerprint(login)}",
        "sub": subject,
        "iat": now,
        "exp": now + int(_LIFETIME.total_seconds()),
    }
    return signed_jwt(claims, login.key())


def quoted(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class SnowflakeClient:
    """Sends statements.

    Args:
        endpoint: base URL of the account.
        clock: signs logins.
        web: sends requests; its timeout bounds each statement.
    """

    def __init__(self, endpoint: str, *, clock: Clock, web: WebClient | None = None) -> None:
        self.endpoint = checked_endpoint(endpoint, what="the Snowflake endpoint")
        self._clock = clock
        self._web = web or WebClient()

    def request(
        self,
        login: SnowflakeLogin | SnowflakeToken,
        statement: str,
        *,
        context: Mapping[str, str] | None = None,
        deadline: Deadline | None = None,
    ) -> Answer:
        """Send one statement and wait for its end; returns whatever was answered.

        Args:
            login: who.
            statement: SQL; may hold a public key, never a secret.
            context: `warehouse`, `role`, `database`, `schema`, where they matter.
            deadline: of the whole; the client's timeout unless told.

        Raises:
            httpx.HTTPError, OSError, AnswerTooSlowError: see `transport_reason`; callers translate.
        """
        deadline = deadline or Deadline.after(self._web.timeout)
        seconds = max(1, int(deadline.seconds_left))
        body: dict[str, Any] = {"statement": statement, "timeout": seconds, **(context or {})}
        url = f"{self.endpoint}/api/v2/statements?{urlencode({'requestId': str(uuid4())})}"
        answer = self._exchange("POST", url, login, json.dumps(body).encode(), deadline)
        while answer.status == _RUNNING and not deadline.passed:
            handle = answer.text_field("statementHandle")
            if not handle:
                return answer
            time.sleep(deadline.cap(_POLL_SECONDS))
            url = f"{self.endpoint}/api/v2/statements/{handle}"
            answer = self._exchange("GET", url, login, None, deadline)
        return answer

    def _exchange(
        self,
        method: str,
        url: str,
        login: SnowflakeLogin | SnowflakeToken,
        content: bytes | None,
        deadline: Deadline,
    ) -> Answer:
        if isinstance(login, SnowflakeToken):
            token, kind = login.token, str(login.kind)
        else:
            token, kind = signed_token(login, self._clock), "KEYPAIR_JWT"
        headers = {
            "Authorization": f"Bearer {token.get_secret_value()}",
            "X-Snowflake-Authorization-Token-Type": kind,
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        return self._web.exchange(method, url, headers=headers, content=content, deadline=deadline)


def rows_of(answer: Answer) -> list[dict[str, str]] | None:
    """The rows of a finished statement by column name, null as the empty text; None when it has none."""
    document = answer.document()
    if answer.status != 200 or not isinstance(document, dict) or not document.get("statementHandle"):
        return None
    try:
        names = [str(column["name"]) for column in document["resultSetMetaData"]["rowType"]]
        return [
            {n: str(v) if v is not None else "" for n, v in zip(names, row, strict=True)} for row in document["data"]
        ]
    except (KeyError, TypeError, ValueError):
        return None
