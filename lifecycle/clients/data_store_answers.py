"""What the answer to a DataRobot connection test says: the texts of the drivers behind it, in lower case."""

from __future__ import annotations

from lifecycle.domain.verification import Reason

DRIVER_TEXTS = (
    ("password authentication failed", Reason.WRONG_VALUE),
    ("incorrect username or password", Reason.WRONG_VALUE),
    ("invalid credentials", Reason.WRONG_VALUE),
    ("login failed for user", Reason.WRONG_VALUE),
    ("access denied for user", Reason.WRONG_VALUE),
    ("invalid username/password", Reason.WRONG_VALUE),
    ("password has expired", Reason.EXPIRED),
    ("temporarily locked", Reason.LOCKED),
    ("unknownhostexception", Reason.NAME_NOT_RESOLVED),
    ("connection refused", Reason.CONNECTION_REFUSED),
    ("timed out", Reason.TIMEOUT_CONNECT),
    ("no pg_hba.conf entry", Reason.NETWORK_POLICY),
    ("not allowed to access", Reason.NETWORK_POLICY),
    ("permission denied", Reason.NO_PERMISSION),
)


def driver_reason(message: str) -> Reason:
    """What a driver's message means; AMBIGUOUS when it is not known."""
    lower = message.lower()
    return next((reason for text, reason in DRIVER_TEXTS if text in lower), Reason.AMBIGUOUS)
