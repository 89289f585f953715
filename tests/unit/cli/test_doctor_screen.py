import json
from datetime import UTC, datetime

from lifecycle.cli.app import build_parser
from lifecycle.cli.doctor import screen
from lifecycle.domain.diagnosis import Cause, Diagnosis, Examined, Finding, Fine, NotAsked, Unknown
from lifecycle.domain.errors import ExitCode

_AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_CAUSE = Cause(message="the key is refused", evidence="HTTP 401", remedy="rotate it", exit_code=ExitCode.CONNECT)


def _found(*findings: Finding, ahead: tuple[str, ...] = ()) -> Diagnosis:
    examined = tuple(Examined(check=f"check {number}", finding=item) for number, item in enumerate(findings))
    return Diagnosis(subject="DataRobot default at h", checked_at=_AT, examined=examined, ahead=ahead)


def test_people_see_a_line_for_each_check_and_the_cause_with_what_to_do() -> None:
    _, lines = screen(_found(Fine(evidence="h"), NotAsked(why="no file"), _CAUSE, ahead=("user",)))
    assert list(lines) == [
        "DataRobot default at h",
        "  ok         check 0  h",
        "  not asked  check 1  no file",
        "  cause      check 2  HTTP 401",
        "cause: the key is refused: HTTP 401 (1 checks not reached)",
        "  next: rotate it",
    ]


def test_people_see_how_much_was_asked_where_nothing_is_wrong() -> None:
    _, lines = screen(_found(Fine(), Fine(), Unknown(why="HTTP 500")))
    assert list(lines)[-1] == "no known cause holds: 2 ok, 1 unknown"


def test_programs_get_the_same_with_the_exit_code() -> None:
    document = json.loads(json.dumps(screen(_found(Fine(evidence="h"), _CAUSE, ahead=("user",)))[0]))
    assert document["cause"] == {
        "check": "check 1",
        "message": "the key is refused",
        "evidence": "HTTP 401",
        "remedy": "rotate it",
    }
    assert (document["exit_code"], document["not_reached"]) == (3, ["user"])
    assert document["checks"][0] == {"check": "check 0", "outcome": "ok", "seen": "h"}
    assert screen(_found(Fine()))[0]["cause"] is None


def test_every_question_can_be_asked_on_the_command_line() -> None:
    args = build_parser().parse_args(["doctor", "--deployment", "d", "--data", "f.csv", "--datarobot", "eu"])
    assert (args.deployment, args.data.name, args.datarobot) == ("d", "f.csv", "eu")
