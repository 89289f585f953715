"""What runs Snowflake's own connector in a process of its own: `python -I snowflake_login.py`.

It needs nothing of lifecycle, as the interpreter may be another one. The request comes as JSON on standard input, never
as arguments; out go numbers only, since the connector's texts may repeat what was sent.
"""

import contextlib
import json
import logging
import re
import sys
from typing import Any

_INNER = re.compile(r"\b(39\d{4}|00\d{4})\b")


def main() -> None:
    """Log in, run each statement, write the outcome."""
    logging.disable(logging.CRITICAL)
    request = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        outcome = _outcome(request["options"], request["statements"])
    json.dump(outcome, sys.stdout)


def _outcome(options: dict[str, Any], statements: list[str]) -> dict[str, Any]:
    try:
        import snowflake.connector  # type: ignore[import-not-found]  # an optional extra
    except ImportError:
        return {"missing": True}
    codes: list[str] = []
    try:
        with snowflake.connector.connect(**options) as connection:
            for statement in statements:
                codes.append(_run(connection, statement))
    except snowflake.connector.errors.Error as error:
        if not codes:
            return {"login": _code(error), "mfa": "MFA authentication is required" in str(error)}
    return {"login": "", "statements": codes}


def _run(connection: Any, statement: str) -> str:
    import snowflake.connector

    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except snowflake.connector.errors.Error as error:
        return _code(error)
    return ""


def _code(error: Any) -> str:
    """The number of an error; 250001 and 250003 only wrap another one."""
    number = f"{int(error.errno or 0):06d}"
    inner = _INNER.search(str(error.msg or "").partition("[")[0]) if number.startswith("25") else None
    return inner.group(1) if inner else number


if __name__ == "__main__":
    main()
