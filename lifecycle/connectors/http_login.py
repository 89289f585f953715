"""What connectors of plain HTTP services share: a login from the value, and what a 401 says about it."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from lifecycle.clients.web import Answer, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Reason, VerificationResult


def login_headers(value: SecretValue) -> Mapping[str, str]:
    """`Authorization` from a token, else from `username` and `password`; none from an empty value."""
    for name in ("token", "access_token"):
        if name in value:
            return {"Authorization": f"Bearer {value[name].get_secret_value()}"}
    if {"username", "password"} <= value.keys():
        return {"Authorization": basic(value, "username", "password")}
    return {}


def basic(value: SecretValue, user: str, password: str) -> str:
    """The Basic form of two fields of a value."""
    pair = f"{value[user].get_secret_value()}:{value[password].get_secret_value()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def refused_login(probe: Probe, answer: Answer, *, sent: bool, step: str) -> VerificationResult:
    """End a probe with an answer that is no success.

    Args:
        probe: the probe under way.
        answer: what came instead.
        sent: whether a login went with the request.
        step: what was asked, for the detail.
    """
    told = f"{step}: HTTP {answer.status}"
    if answer.status == 401:
        if not answer.headers.get("www-authenticate"):
            # RFC 9110 obliges the service to say how to log in; what does not is something in between.
            return probe.result(Reason.AMBIGUOUS, f"{told} without WWW-Authenticate")
        return probe.result(Reason.WRONG_VALUE if sent else Reason.NOT_CONFIGURED, told)
    reason = Reason.NO_PERMISSION if answer.status == 403 else reason_of_status(answer.status)
    return probe.result(capped(reason, answer.status), told, retry_after=retry_after(answer.headers))
