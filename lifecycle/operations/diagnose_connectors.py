"""Causes around DataRobot: connectors' credentials, refresh tokens near their end, features that no longer exist.

Sources: `verify_connectors`; DataRobot REST API reference (external OAuth: `refreshTokenExpiresAt`, 410 = expired).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Unknown, moment, plain
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Installation
from lifecycle.operations.verify_connectors import ConnectorResult, exit_code

ENDS_WITHIN = timedelta(days=14)
# These say that somebody should look again, not that something around DataRobot is broken.
_PASSING = frozenset(
    {
        Reason.AMBIGUOUS,
        Reason.SERVICE_FAULT,
        Reason.THROTTLED,
        Reason.TIMEOUT_READ,
        Reason.TIMEOUT_TOTAL,
    }
)


def connector_refused(verified: Callable[[], Sequence[ConnectorResult]], unasked: Sequence[str]) -> Finding:
    """A connector of the spec does not work.

    Args:
        verified: verifies them, once.
        unasked: names of those whose verification would leave something behind, or start something.
    """
    results = verified()
    broken = [item for item in results if item.result.reason not in {*_PASSING, Reason.WORKS}]
    unclear = [item for item in results if item.result.reason in _PASSING]
    left = f"; by lifecycle verify only: {', '.join(unasked)}" if unasked else ""
    if broken:
        result = broken[0].result
        detail = f" ({result.detail})" if result.detail else ""
        return Cause(
            message=f"connector {broken[0].name} does not work",
            evidence=f"{result.reason}{detail}",
            remedy=f"{result.remedy}; all of them: lifecycle verify",
            exit_code=exit_code(broken[:1]),
        )
    if unclear:
        return Unknown(why=f"{', '.join(item.name for item in unclear)}: {unclear[0].result.reason}")
    if not results:
        return NotAsked(why=f"the spec has none that is only read{left}")
    return Fine(evidence=f"{len(results)} valid{left}")


def refresh_token_ends(view: Installation, now: datetime) -> Finding:
    """An authorization that DataRobot holds has ended, or ends soon; a person must then authorize again."""
    seen = view.ask_all("/externalOAuth/authorizedProviders/")
    if seen.status in (403, 404):
        return NotAsked(why="authorizations are not shown to this user, or not licensed")
    if not seen.good:
        return Unknown(why=seen.in_words())
    held = seen.items()
    for item in held:
        name = plain(item.get("name") or item.get("id"))
        ends = moment(item.get("refreshTokenExpiresAt"))
        if item.get("status") in ("expired", "revoked") or (ends is not None and ends - now <= ENDS_WITHIN):
            told = f"{plain(item.get('status', 'unknown'))}{f', ends {ends:%Y-%m-%d %H:%M}Z' if ends else ''}"
            remedy = "a person must authorize it again in DataRobot; a key pair or a service principal needs nobody"
            return Cause(message=f"the refresh token of {name} ends", evidence=told, remedy=remedy)
    return Fine(evidence=f"{len(held)} held")
