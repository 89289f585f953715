"""Snowflake's official connector, for logins that the SQL API does not take: a user with a password.

It runs in a process of its own, which is killed with everything that it started when the deadline passes: the connector
retries on its own, and no option of it bounds a whole login.

Source: Snowflake Connector for Python, connect() parameters and errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.deadline import Deadline
from lifecycle.foundation.killable import run_killable

_PROGRAM = Path(__file__).with_name("snowflake_login.py")
_MISSING = "a Snowflake password needs Snowflake's connector, which is not installed: install lifecycle[snowflake]"


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
    """

    def __init__(self, python: str, endpoint: str, *, proxy: str = "") -> None:
        self._python = python
        self.endpoint = endpoint
        self._proxy = proxy

    def run(
        self,
        login: SnowflakePassword,
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
            "password": login.password.get_secret_value(),
            "host": parts.hostname,
            "port": parts.port or 443,
            "protocol": parts.scheme,
            "login_timeout": max(1, int(deadline.seconds_left)),
            "network_timeout": max(1, int(deadline.seconds_left)),
            **context,
        }
        given = json.dumps({"options": options, "statements": list(statements)}).encode()
        argv = [self._python, "-I", str(_PROGRAM)]
        said = run_killable(argv, given, env=self._proxies(), deadline=deadline, what="Snowflake's connector")
        return _outcome(said)

    def _proxies(self) -> dict[str, str]:
        return {"HTTP_PROXY": self._proxy, "HTTPS_PROXY": self._proxy} if self._proxy else {}


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
