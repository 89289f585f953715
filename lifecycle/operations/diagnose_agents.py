"""Causes at the monitoring agents of the spec: not running, channel failing, token, network, spool growing.

DataRobot has no call that shows an agent's heartbeat. What shows its life: the tasks of its service, the health of its
prediction environment, the events that it reports, and that its spool is emptied.

Sources: DataRobot documentation of MLOps agents (agent events, prediction environment health); REST API reference
(prediction environments, event log); Amazon ECS `DescribeServices`, Amazon SQS `GetQueueAttributes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import quote

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Seen, Unknown, moment, plain
from lifecycle.domain.errors import ExitCode, NotFoundError
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Installation

CHANNEL_FAILED, RATE_LIMITED = "MLOps Spooler Channel Failed", "Rate limit was enforced"
RECENT = timedelta(hours=1)
MANY_WAITING = 1000
_ILL = frozenset({"failing", "unavailable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """How many tasks of an agent there should be, and how many run."""

    wanted: int
    running: int


class AgentView(Protocol):
    """What can be seen of one agent from here."""

    @property
    def name(self) -> str:
        """In the spec."""
        ...

    @property
    def environment(self) -> str:
        """Id of its prediction environment; empty when the spec names none."""
        ...

    @property
    def principal(self) -> str:
        """The user whose key it must have; empty = any."""
        ...

    def tasks(self) -> Tasks | None:
        """Its tasks; None where its runtime does not show any."""
        ...

    def login(self) -> Seen:
        """`GET /account/info/` with its own token, from its own position. Raises LifecycleError without a token."""
        ...

    def reach(self) -> Seen:
        """What comes from DataRobot's host when it is asked from the agent's position, without a token."""
        ...

    def not_admitted(self) -> str:
        """The host of DataRobot that its egress does not admit; empty = it does."""
        ...

    def waiting(self) -> int | None:
        """How many records wait in its spool; None where that cannot be seen from here."""
        ...


def not_running(agents: Sequence[AgentView]) -> Finding:
    """An agent has fewer tasks than it should have, or none."""
    told: list[str] = []
    for agent in agents:
        try:
            tasks = agent.tasks()
        except NotFoundError as error:
            return Cause(message=f"agent {agent.name} does not exist", evidence=error.message, remedy=error.remedy)
        if tasks is None:
            continue
        counts = f"{agent.name} {tasks.running} of {tasks.wanted} tasks"
        if not tasks.wanted or tasks.running < tasks.wanted:
            remedy = "a service at 0 waits for its token: lifecycle rotate status; else see its stopped tasks and log"
            return Cause(message=f"agent {agent.name} is not running", evidence=counts, remedy=remedy)
        told.append(counts)
    if not told:
        return NotAsked(why="no agent whose tasks are seen from here")
    return Fine(evidence=", ".join(told))


def environment_ill(view: Installation, agents: Sequence[AgentView]) -> Finding:
    """DataRobot itself tells that an agent's prediction environment fails."""
    named = [agent for agent in agents if agent.environment]
    for agent in named:
        seen = view.ask(f"/predictionEnvironments/{quote(agent.environment, safe='')}/")
        if not seen.good:
            return Unknown(why=f"prediction environment of {agent.name}: {seen.in_words()}")
        health = seen.part("health")
        if health.get("status") in _ILL:
            since = moment(health.get("timestamp"))
            told = f"{plain(health['status'])}{f', since {since:%Y-%m-%d %H:%M}Z' if since else ''}"
            remedy = "read its message in DataRobot's console, and the agent's log"
            message = f"the prediction environment of agent {agent.name} is not healthy"
            return Cause(message=message, evidence=told, remedy=remedy)
    if not named:
        return NotAsked(why="no agent names its prediction_environment_id")
    return Fine(evidence=f"{len(named)} healthy")


def channel_failing(view: Installation, now: datetime) -> Finding:
    """An agent reported that its spooler channel fails, or that it is held back."""
    for event, remedy in (
        (CHANNEL_FAILED, "check the agent's spooler settings, its right to receive, and its log"),
        (RATE_LIMITED, "aggregate records in the library, or ask for a higher limit"),
    ):
        seen = view.ask(f"/eventLogs/?event={quote(event)}&order=desc&limit=20")
        if seen.status in (403, 404):
            return NotAsked(why="only an administrator of the organisation sees the events")
        if not seen.good:
            return Unknown(why=seen.in_words())
        times = (moment(item.get("timestamp")) for item in seen.items() if item.get("event") == event)
        last = max((time for time in times if time is not None), default=None)
        if last is not None and now - last <= RECENT:
            message = f"an agent reports: {event}"
            return Cause(message=message, evidence=f"last {last:%Y-%m-%d %H:%M}Z", remedy=remedy)
    return Fine(evidence="no event in the last hour")


def token_refused(agents: Sequence[AgentView]) -> Finding:
    """An agent's token is refused, or is of another user than the spec says."""
    unknown = ""
    for agent in agents:
        try:
            seen = agent.login()
        except NotFoundError as error:
            remedy = "have its first value issued: lifecycle rotate status, then lifecycle apply"
            return Cause(message=f"agent {agent.name} has no token", evidence=error.message, remedy=remedy)
        owner = plain(seen.document.get("email", ""))
        if seen.status in (401, 403) and seen.native:
            remedy = "rotate it: lifecycle rotate apply, with the name of the agent's api_token"
            message = f"the token of agent {agent.name} is refused"
            return Cause(message=message, evidence=seen.in_words(), remedy=remedy, exit_code=ExitCode.CONNECT)
        if seen.good and agent.principal and owner.lower() != agent.principal.lower():
            remedy = "give the agent a key of that user: lifecycle rotate apply"
            message = f"the token of agent {agent.name} is not of {agent.principal}"
            return Cause(message=message, evidence=f"it is of {owner}", remedy=remedy)
        if not seen.good:
            unknown = f"{agent.name}: {seen.in_words()}"
    if not agents:
        return NotAsked(why="the spec has no agents at this installation")
    return Unknown(why=unknown) if unknown else Fine(evidence=f"{len(agents)} accepted")


def network_closed(agents: Sequence[AgentView]) -> Finding:
    """An agent cannot reach DataRobot: its egress does not admit the host, or what stands in between refuses."""
    for agent in agents:
        host = agent.not_admitted()
        if host:
            remedy = "add the host to the allowlist that is its egress, then lifecycle apply"
            return Cause(message=f"the egress of agent {agent.name} is closed", evidence=host, remedy=remedy)
        seen = agent.reach()
        if seen.reason is not Reason.WORKS:
            remedy = "check proxy, route and TLS from the position of the agent"
            message = f"agent {agent.name} does not reach DataRobot from its position"
            return Cause(message=message, evidence=str(seen.reason), remedy=remedy, exit_code=ExitCode.CONNECT)
    return Fine(evidence=f"{len(agents)} admitted") if agents else NotAsked(why="no agents")


def spool_grows(agents: Sequence[AgentView], pause: Callable[[], None]) -> Finding:
    """Records wait and do not become fewer: nobody empties the spool."""
    told: list[str] = []
    for agent in agents:
        before = agent.waiting()
        if before is None:
            continue
        after = before
        if before >= MANY_WAITING:
            pause()
            after = agent.waiting() or 0
        if after >= MANY_WAITING and after >= before:
            evidence = f"{before} waited, then {after}"
            remedy = "the agent lives but does not keep up, or cannot receive: see its log; add threads or tasks"
            return Cause(message=f"the spool of agent {agent.name} grows", evidence=evidence, remedy=remedy)
        told.append(f"{agent.name} {after} waiting")
    if not told:
        return NotAsked(why="no spool that is seen from here; a folder is verified by a filesystem_spooler connector")
    return Fine(evidence=", ".join(told))
