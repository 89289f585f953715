import pytest

from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.operations import diagnose_connectors as around
from lifecycle.operations.verify_connectors import ConnectorResult
from tests.unit.operations.diagnosis import DAY, NOW, Table, cause, fine, not_asked, refused, rows, unknown

_PROVIDERS = "/externalOAuth/authorizedProviders/"


def _result(name: str, reason: Reason) -> ConnectorResult:
    result = VerificationResult(status=outcome(reason), reason=reason, detail="HTTP 401", remedy="rotate it")
    return ConnectorResult(name=name, result=result)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.WRONG_VALUE, ExitCode.REFUSED),
        (Reason.NO_PERMISSION, ExitCode.REMOTE),
        (Reason.CONNECTION_REFUSED, ExitCode.CONNECT),
    ],
)
def test_connector_that_does_not_work(reason: Reason, code: ExitCode) -> None:
    results = [_result("a", Reason.WORKS), _result("b", reason)]
    found = cause(around.connector_refused(lambda: results, ()))
    assert (found.message, found.evidence) == ("connector b does not work", f"{reason} (HTTP 401)")
    assert found.exit_code is code


def test_connectors_that_work_or_are_not_judged() -> None:
    works = [_result("a", Reason.WORKS)]
    assert fine(around.connector_refused(lambda: works, ("score",))) == "1 valid; by lifecycle verify only: score"
    assert "throttled" in unknown(around.connector_refused(lambda: [_result("a", Reason.THROTTLED)], ()))
    not_asked(around.connector_refused(lambda: [], ()))


@pytest.mark.parametrize(
    "item",
    [
        {"name": "box", "status": "expired"},
        {"name": "box", "status": "active", "refreshTokenExpiresAt": (NOW + 3 * DAY).isoformat()},
    ],
)
def test_refresh_token_that_ends(item: dict[str, object]) -> None:
    found = cause(around.refresh_token_ends(Table({_PROVIDERS: rows(item)}), NOW))
    assert found.message == "the refresh token of box ends"


def test_refresh_token_that_lasts() -> None:
    lasting = {"id": "p1", "status": "active", "refreshTokenExpiresAt": (NOW + 60 * DAY).isoformat()}
    assert fine(around.refresh_token_ends(Table({_PROVIDERS: rows(lasting, {"id": "p2"})}), NOW)) == "2 held"
    not_asked(around.refresh_token_ends(Table({_PROVIDERS: refused(403)}), NOW))
    unknown(around.refresh_token_ends(Table({_PROVIDERS: refused(500)}), NOW))
