from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.errors import ExitCode, NotFoundError
from lifecycle.domain.verification import Reason
from lifecycle.operations import diagnose_agents as watched
from tests.unit.operations.diagnosis import DAY, NOW, Table, cause, fine, not_asked, ok, refused, rows, unknown, unmet

_OWNER = "svc-mlops@acme.example"
_FAILED = "/eventLogs/?event=MLOps%20Spooler%20Channel%20Failed&order=desc&limit=20"
_LIMITED = "/eventLogs/?event=Rate%20limit%20was%20enforced&order=desc&limit=20"
_RUNNING, _ACCEPTED, _MET = watched.Tasks(wanted=1, running=1), ok(email=_OWNER), refused(401)


@dataclass
class Agent:
    """An agent in memory."""

    running: watched.Tasks | None = _RUNNING
    token: Seen | None = _ACCEPTED
    position: Seen = _MET
    closed: str = ""
    depths: Sequence[int | None] = (0,)
    environment: str = "e1"
    principal: str = _OWNER
    name: str = "a"

    def tasks(self) -> watched.Tasks | None:
        if self.running and self.running.wanted < 0:
            raise NotFoundError("there is no service", remedy="apply")
        return self.running

    def login(self) -> Seen:
        if self.token is None:
            raise NotFoundError("there is no value", remedy="apply")
        return self.token

    def reach(self) -> Seen:
        return self.position

    def not_admitted(self) -> str:
        return self.closed

    def waiting(self) -> int | None:
        depth, *rest = self.depths
        self.depths = rest or self.depths
        return depth


_: type[watched.AgentView] = Agent


@pytest.mark.parametrize(("wanted", "running"), [(1, 0), (2, 1), (0, 0), (-1, 0)])
def test_agent_that_does_not_run(wanted: int, running: int) -> None:
    cause(watched.not_running([Agent(), Agent(running=watched.Tasks(wanted=wanted, running=running))]))


def test_agent_that_runs_or_is_not_seen() -> None:
    assert fine(watched.not_running([Agent()])) == "a 1 of 1 tasks"
    not_asked(watched.not_running([Agent(running=None)]))


@pytest.mark.parametrize("status", ["failing", "unavailable"])
def test_environment_that_is_ill(status: str) -> None:
    health = {"status": status, "timestamp": "2026-11-24T11:00:00Z", "message": "never shown"}
    found = cause(watched.environment_ill(Table({"/predictionEnvironments/e1/": ok(health=health)}), [Agent()]))
    assert found.evidence == f"{status}, since 2026-11-24 11:00Z" and "never shown" not in str(found)


def test_environment_that_is_well_or_not_named() -> None:
    fine(watched.environment_ill(Table({"/predictionEnvironments/e1/": ok(health={"status": "passing"})}), [Agent()]))
    not_asked(watched.environment_ill(Table(), [Agent(environment="")]))
    unknown(watched.environment_ill(Table(), [Agent()]))


@pytest.mark.parametrize("path", [_FAILED, _LIMITED])
def test_channel_that_fails_now(path: str) -> None:
    event = watched.CHANNEL_FAILED if path == _FAILED else watched.RATE_LIMITED
    log = {_FAILED: rows(), _LIMITED: rows()} | {path: rows({"event": event, "timestamp": NOW.isoformat()})}
    assert event in cause(watched.channel_failing(Table(log), NOW)).message


def test_channel_that_is_well_or_was_mended() -> None:
    old = rows({"event": watched.CHANNEL_FAILED, "timestamp": (NOW - DAY).isoformat()})
    fine(watched.channel_failing(Table({_FAILED: old, _LIMITED: rows()}), NOW))
    not_asked(watched.channel_failing(Table({_FAILED: refused(403)}), NOW))
    unknown(watched.channel_failing(Table({_FAILED: refused(500)}), NOW))


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (refused(401), ExitCode.CONNECT),
        (ok(email="other@acme.example"), ExitCode.REFUSED),
        (None, ExitCode.REFUSED),
    ],
)
def test_token_that_does_not_do(token: Seen | None, code: ExitCode) -> None:
    assert cause(watched.token_refused([Agent(), Agent(token=token)])).exit_code is code


def test_token_that_is_accepted_or_not_judged() -> None:
    assert fine(watched.token_refused([Agent()])) == "1 accepted"
    fine(watched.token_refused([Agent(principal="", token=ok(email="x"))]))
    not_asked(watched.token_refused([]))
    unknown(watched.token_refused([Agent(token=unmet(Reason.PROXY_REFUSED))]))


def test_network_that_is_closed() -> None:
    assert cause(watched.network_closed([Agent(closed="h:443 is not on egress")])).evidence == "h:443 is not on egress"
    found = cause(watched.network_closed([Agent(position=unmet(Reason.PROXY_REFUSED))]))
    assert found.exit_code is ExitCode.CONNECT


def test_network_that_is_open() -> None:
    assert fine(watched.network_closed([Agent()])) == "1 admitted"
    not_asked(watched.network_closed([]))


def test_spool_that_grows() -> None:
    pauses: list[int] = []
    agent = Agent(depths=(2000, 2100))
    assert cause(watched.spool_grows([agent], lambda: pauses.append(1))).evidence == "2000 waited, then 2100"
    assert pauses == [1]


def test_spool_that_is_emptied_or_not_seen() -> None:
    pauses: list[int] = []
    assert fine(watched.spool_grows([Agent(depths=(999,))], lambda: pauses.append(1))) == "a 999 waiting"
    assert pauses == []
    assert fine(watched.spool_grows([Agent(depths=(5000, 3000))], lambda: None)) == "a 3000 waiting"
    not_asked(watched.spool_grows([Agent(depths=(None,))], lambda: None))
