"""Snowflake's official connector: for a user with a password, whom the SQL API does not take, and for key pairs.

It runs in a process of its own, which is killed with everything that it started when the deadline passes: the connector
retries on its own, and no option of it bounds a whole login.

Source: Snowflake Connector for Python, connect() parameters and errors.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lifecycle.clients.snowflake import SnowflakeLogin
from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.killable import run_killable

_PROGRAM = Path(__file__).with_name("snowflake_login.py")
_MISSING = "Snowflake's connector is needed here and not installed: install lifecycle[snowflake]"


def has_connector(python: str) -> bool:
    """Whether to try: told without starting it for our own interpreter; another one was chosen for having it."""
    if python != sys.executable:
        return True
    try:
        return importlib.util.find_spec("snowflake.connector") is not None
    except ModuleNotFoundError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakePassword:
    """A user with a password.

    Attributes:
        account: account identifier.
        user: its login name.
        password: the password.
    """

    account: str
    user: str
    password: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverOutcome:
    """What Snowflake said, as numbers.

    Attributes:
        login: code of the refused login; empty = logged in.
        statements: per statement its code; empty = it ran.
        mfa: whether the login was refused for want of a second factor.
    """

    login: str = ""
    statements: tuple[str, ...] = ()
    mfa: bool = False


class SnowflakeDriver:
    """Runs the connector.

    Args:
        python: an interpreter that has the connector.
        endpoint: base URL of the account.
        proxy: an http proxy URL without a login; empty = none.
        ca_file: trust only this authority; empty = those that the connector brings.
    """

    def __init__(self, python: str, endpoint: str, *, proxy: str = "", ca_file: str = "") -> None:
        self._python = python
        self.endpoint = endpoint
        self.ca_file = ca_file
        self._proxy = proxy

    def run(
        self,
        login: SnowflakePassword | SnowflakeLogin,
        statements: Sequence[str],
        *,
        context: Mapping[str, str],
        deadline: Deadline,
    ) -> DriverOutcome:
        """Log in and run statements.

        Args:
            login: who.
            statements: SQL without secrets.
            context: `warehouse` and `role`, where they matter.
            deadline: of the whole.

        Raises:
            ConfigurationError: the connector is not installed.
            TimeoutError: the deadline passed; the process is dead.
            RemoteServiceError: the connector failed in a way of its own.
        """
        parts = urlsplit(self.endpoint)
        options = {
            "account": login.account,
            "user": login.user,
            "host": parts.hostname,
            "port": parts.port or 443,
            "protocol": parts.scheme,
            "login_timeout": max(1, int(deadline.seconds_left)),
            "network_timeout": max(1, int(deadline.seconds_left)),
            **({"disable_ocsp_checks": True} if self.ca_file else {}),  # a private authority answers none
            **_proof(login),
            **context,
        }
        given = json.dumps({"options": options, "statements": list(statements)}).encode()
        argv = [self._python, "-I", str(_PROGRAM)]
        said = run_killable(argv, given, env=self._surroundings(), deadline=deadline, what="Snowflake's connector")
        return _outcome(said)

    def _surroundings(self) -> dict[str, str]:
        proxies = {"HTTP_PROXY": self._proxy, "HTTPS_PROXY": self._proxy} if self._proxy else {}
        return proxies | ({"REQUESTS_CA_BUNDLE": self.ca_file} if self.ca_file else {})


def _proof(login: SnowflakePassword | SnowflakeLogin) -> dict[str, str]:
    """What proves who it is, as the connector takes it."""
    if isinstance(login, SnowflakePassword):
        return {"password": login.password.get_secret_value()}
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    der = login.key().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {"authenticator": "SNOWFLAKE_JWT", "private_key": base64.b64encode(der).decode()}


def _outcome(said: bytes) -> DriverOutcome:
    try:
        document = json.loads(said)
    except ValueError:
        raise RemoteServiceError(
            "Snowflake's connector ended without an answer", remedy="run again; reinstall lifecycle[snowflake]"
        ) from None
    if document.get("missing"):
        raise ConfigurationError(_MISSING, remedy="install the extra, or use a key pair or a token")
    return DriverOutcome(
        login=str(document.get("login", "")),
        statements=tuple(map(str, document.get("statements", ()))),
        mfa=bool(document.get("mfa")),
    )
