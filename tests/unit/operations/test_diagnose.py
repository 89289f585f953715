from collections.abc import Callable

import pytest

from lifecycle.domain.diagnosis import (
    Cause,
    Examined,
    Finding,
    Fine,
    NotAsked,
    Seen,
    Unknown,
    moment,
    outcome_of,
    plain,
)
from lifecycle.domain.errors import ExitCode, UnreachableError
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Check, diagnose
from tests.unit.operations.diagnosis import NOW, refused, unmet

_CAUSE = Cause(message="it is broken", evidence="seen", remedy="mend it")


def _check(name: str, finding: Finding, seen: list[str] | None = None) -> Check:
    def look() -> Finding:
        if seen is not None:
            seen.append(name)
        return finding

    return Check(name=name, look=look)


def test_walk_stops_at_the_first_cause_and_tells_what_it_did_not_reach() -> None:
    seen: list[str] = []
    checks = [
        _check("a", Fine(), seen),
        _check("b", _CAUSE, seen),
        _check("c", _CAUSE, seen),
        _check("d", Fine(), seen),
    ]
    found = diagnose(checks, subject="s", now=NOW)
    assert (found.cause, found.ahead, seen) == (_CAUSE, ("c", "d"), ["a", "b"])
    assert found.exit_code() is ExitCode.REFUSED


@pytest.mark.parametrize(
    ("finding", "code"),
    [
        (Fine(), ExitCode.DONE),
        (NotAsked(why="no right"), ExitCode.DONE),
        (Unknown(why="HTTP 500"), ExitCode.REMOTE),
        (_CAUSE, ExitCode.REFUSED),
        (Cause(message="m", evidence="e", remedy="r", exit_code=ExitCode.CONNECT), ExitCode.CONNECT),
    ],
)
def test_exit_code_follows_the_finding(finding: Finding, code: ExitCode) -> None:
    assert diagnose([_check("a", Fine()), _check("b", finding)], subject="s", now=NOW).exit_code() is code


def test_walk_without_checks_has_no_cause() -> None:
    found = diagnose([], subject="s", now=NOW)
    assert (found.cause, found.exit_code()) == (None, ExitCode.DONE)


def test_cause_outweighs_what_could_not_be_found_out() -> None:
    assert diagnose([_check("a", Unknown(why="?")), _check("b", _CAUSE)], subject="s", now=NOW).exit_code() == 5


def test_error_of_a_store_judges_nothing_and_the_walk_goes_on() -> None:
    def broken() -> Finding:
        raise UnreachableError("the store was not met", remedy="r")

    found = diagnose([Check(name="a", look=broken), _check("b", _CAUSE)], subject="s", now=NOW)
    assert found.examined[0] == Examined(check="a", finding=Unknown(why="the store was not met"))
    assert found.cause == _CAUSE


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Fine(evidence=text),
        lambda text: NotAsked(why=text),
        lambda text: Unknown(why=text),
        lambda text: Cause(message=text, evidence=text, remedy=text),
    ],
)
def test_no_known_secret_passes_in_any_finding(make: Callable[[str], Finding]) -> None:
    check = _check("a", make("it says canary-7f3a here"))
    found = diagnose([check], subject="s", now=NOW, scrub=lambda text: text.replace("canary-7f3a", "***"))
    assert "canary-7f3a" not in str(found) and "***" in str(found)


def test_somebody_who_watches_hears_each_check() -> None:
    heard: list[str] = []
    diagnose([_check("a", Fine()), _check("b", Fine())], subject="s", now=NOW, watch=heard.append)
    assert heard == ["a", "b"]


def test_outcomes_have_words() -> None:
    findings: list[Finding] = [Fine(evidence="e"), NotAsked(why="w"), Unknown(why="u"), _CAUSE]
    assert [outcome_of(item)[0] for item in findings] == ["ok", "not asked", "unknown", "cause"]


def test_answers_are_told_without_their_text() -> None:
    assert unmet(Reason.TLS_EXPIRED).in_words() == "TLS: certificate expired"
    assert refused(503).in_words() == "HTTP 503"
    assert refused(403, native=False).in_words() == "HTTP 403, not in DataRobot's form"
    assert Seen(reason=Reason.WORKS, status=200, document={"data": [1, {"a": 1}], "part": 3}).items() == ({"a": 1},)
    assert Seen(reason=Reason.WORKS, document={"part": 3}).part("part") == {}


def test_times_and_names_of_services_are_read_with_care() -> None:
    assert moment("2026-11-24T12:00:00Z") == NOW
    assert moment("2026-11-24T12:00:00") == NOW
    assert moment(None) is None
    assert plain("a\nb\x1b[31m") == "a b [31m"
    assert len(plain("x" * 500)) == 80
