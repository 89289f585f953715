"""Causes at one deployment: absent, shared, inactive, awaiting approval, not served, slow, unwatched, quiet.

Sources: DataRobot REST API reference (deployments, projects, change requests, service statistics, health settings);
the official client's models of the same. Who may review a request is read from its `suggestedReviewers/`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Seen, Unknown, moment, plain
from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Installation

QUIET_FOR = timedelta(days=7)
SLOW = timedelta(seconds=2)  # from which DataRobot itself counts a request as slow, unless told otherwise
SLOW_SHARE, FAILED_SHARE = 0.1, 0.05
_OPEN = frozenset({"pending", "approved", "changesRequested", "resolving"})
_PERIOD = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment of an installation.

    Attributes:
        installation: where it is.
        deployment: its id.
        others: which other pipelines name the same id, for people.
        now: aware UTC time.
    """

    installation: Installation
    deployment: str
    others: Sequence[str]
    now: datetime

    def ask(self, below: str = "") -> Seen:
        """Ask about the deployment."""
        return self.installation.ask(f"/deployments/{quote(self.deployment, safe='')}/{below}")


def absent(view: DeploymentView) -> Finding:
    """The deployment does not exist, or is hidden from this user."""
    seen = view.ask()
    if seen.good:
        return Fine(evidence=f"{view.deployment}, {plain(seen.document.get('label', ''))}")
    if seen.status in (403, 404):
        remedy = "check the id; have the deployment shared with the user of the key"
        return Cause(message=f"deployment {view.deployment} is not seen", evidence=seen.in_words(), remedy=remedy)
    return Unknown(why=seen.in_words())


def project_absent(view: DeploymentView) -> Finding:
    """The project of the deployed model is gone, or hidden from this user."""
    model = view.ask().part("model")
    project = str(model.get("projectId") or "")
    if not project:
        return NotAsked(why="the deployed model belongs to no project")
    seen = view.installation.ask(f"/projects/{quote(project, safe='')}/")
    if seen.good:
        return Fine(evidence=project)
    if seen.status in (403, 404):
        remedy = "have the project shared with the user of the key, or restored; replacing the model needs it"
        return Cause(message=f"project {plain(project)} is not seen", evidence=seen.in_words(), remedy=remedy)
    return Unknown(why=seen.in_words())


def used_elsewhere(view: DeploymentView) -> Finding:
    """Another environment of this repository names the same deployment."""
    if view.others:
        remedy = "give each pipeline a deployment of its own: they share statistics, limits and replacements"
        message = f"deployment {view.deployment} is used by another pipeline"
        return Cause(message=message, evidence=", ".join(view.others), remedy=remedy)
    return Fine(evidence="no other environment of this repository names it")


def inactive(view: DeploymentView) -> Finding:
    """The deployment does not serve; where a request waits, that is the cause, and the next check names it."""
    status = plain(view.ask().document.get("status", "unknown"))
    if status == "active":
        return Fine(evidence=status)
    if _waiting(view):
        return NotAsked(why=f"{status}, while a change request waits")
    remedy = "activate it in DataRobot's console; errored: look at its activity log"
    return Cause(message=f"deployment {view.deployment} does not serve", evidence=status, remedy=remedy)


def approval_pending(view: DeploymentView) -> Finding:
    """A change of the deployment waits for somebody's review."""
    asked = view.installation.ask_all(_requests(view))
    if asked.status in (403, 404):
        return NotAsked(why="change requests are not shown to this user, or not licensed")
    if not asked.good:
        return Unknown(why=asked.in_words())
    waiting = _waiting(view)
    if not waiting:
        return Fine(evidence="nothing waits")
    first = min(waiting, key=lambda item: str(item.get("createdAt", "")))
    identity, since = plain(first.get("id", "")), moment(first.get("createdAt"))
    told = f"{plain(first.get('action', 'change'))} by {plain(first.get('userName') or 'unknown')}"
    age = f", since {since:%Y-%m-%d %H:%M}Z" if since else ""
    who = ", ".join(_reviewers(view, identity)) or "nobody is suggested: ask an MLOps administrator"
    return Cause(
        message=f"change request {identity} waits for approval",
        evidence=f"{told}{age}",
        remedy=f"have it reviewed; who can approve: {who}",
    )


def server_unreached(view: DeploymentView) -> Finding:
    """The prediction server does not answer from here, or not soon."""
    url = str(view.ask().part("defaultPredictionServer").get("url") or "")
    if not url:
        return NotAsked(why="serverless: the API itself predicts")
    seen, where = view.installation.knock(url), plain(url)
    if seen.reason is not Reason.WORKS:
        remedy = "add the host to the allowlist, or check route, proxy and TLS from this position"
        message = f"prediction server {where} is not reached"
        return Cause(message=message, evidence=str(seen.reason), remedy=remedy, exit_code=ExitCode.CONNECT)
    if seen.status >= 500:
        message = f"prediction server {where} fails"
        remedy = "look at the installation's status page, and run again"
        return Cause(message=message, evidence=f"HTTP {seen.status}", remedy=remedy, exit_code=ExitCode.REMOTE)
    took = f"answered in {seen.took.total_seconds() * 1000:.0f} ms"
    if seen.took >= SLOW:
        remedy = "look for a proxy, inspection or a long route in between"
        return Cause(message=f"prediction server {where} is slow to reach", evidence=took, remedy=remedy)
    return Fine(evidence=f"{where} {took}")


def server_struggles(view: DeploymentView) -> Finding:
    """Predictions are slow or fail, as DataRobot itself counts them."""
    seen = view.ask("serviceStats/")
    if seen.status in (403, 404):
        return NotAsked(why="service statistics are not shown to this user")
    if not seen.good:
        return Unknown(why=seen.in_words())
    metrics = seen.part("metrics")
    requests = _number(metrics.get("totalRequests"))
    if not requests:
        return Fine(evidence="no requests in the last week")
    slow, failed = _number(metrics.get("slowRequests")) / requests, _number(metrics.get("serverErrorRate"))
    told = f"{requests:.0f} requests, {slow:.0%} slow, {failed:.0%} failed"
    if failed > FAILED_SHARE:
        remedy = "look at the deployment's service health and the custom model's log"
        return Cause(message="predictions fail on the server", evidence=told, remedy=remedy)
    if slow > SLOW_SHARE:
        remedy = "send smaller requests, use batch predictions, or raise the deployment's resources"
        return Cause(message="predictions are slow", evidence=told, remedy=remedy)
    return Fine(evidence=told)


def drift_off(view: DeploymentView) -> Finding:
    """Nobody watches what the model is given and gives."""
    seen = view.ask("settings/")
    if seen.status in (403, 404):
        return NotAsked(why="settings are not shown to this user")
    if not seen.good:
        return Unknown(why=seen.in_words())
    off = [name for name in ("targetDrift", "featureDrift") if seen.part(name).get("enabled") is not True]
    if not off:
        return Fine(evidence="target and feature drift are tracked")
    remedy = "enable it: drift_tracking_settings of datarobot_deployment, or the deployment's settings"
    return Cause(message="drift tracking is off", evidence=", ".join(off), remedy=remedy)


def quiet(view: DeploymentView) -> Finding:
    """No prediction was reported for longer than its owner expects. Asked after the agents, which may explain it."""
    usage = view.ask().part("predictionUsage")
    last = moment(usage.get("lastTimestamp"))
    expected = _expected(view)
    told = f"last {last:%Y-%m-%d %H:%M}Z" if last else "never one"
    if last and view.now - last <= expected:
        return Fine(evidence=told)
    message = f"no prediction of {view.deployment} was reported for {_days(expected)}"
    remedy = "see whether the pipeline ran, and reports to this deployment; no agent of the spec explains it"
    return Cause(message=message, evidence=told, remedy=remedy)


def _expected(view: DeploymentView) -> timedelta:
    timeliness = view.ask("healthSettings/").part("predictionsTimeliness")
    found = _PERIOD.fullmatch(str(timeliness.get("expectedFrequency") or ""))
    if timeliness.get("enabled") is not True or found is None:
        return QUIET_FOR
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes) or QUIET_FOR


def _days(period: timedelta) -> str:
    return f"{period.days} days" if period.days > 1 else f"{period.total_seconds() / 3600:.0f} hours"


def _requests(view: DeploymentView) -> str:
    return f"/changeRequests/?{urlencode({'entityType': 'deployment', 'entityId': view.deployment})}"


def _waiting(view: DeploymentView) -> list[dict[str, object]]:
    listed = view.installation.ask_all(_requests(view)).items()
    return [dict(item) for item in listed if item.get("status") in _OPEN and item.get("entityId") == view.deployment]


def _reviewers(view: DeploymentView, request: str) -> list[str]:
    seen = view.installation.ask_all(f"/changeRequests/{quote(request, safe='')}/suggestedReviewers/")
    return [plain(item.get("username") or item.get("email") or item.get("id")) for item in seen.items()][:5]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
