"""The configuration file of an MLOps agent. It never holds the token: that reaches the agent as `MLOPS_API_TOKEN`.

Source: docs.datarobot.com, MLOps agents: `mlops.agent.conf.yaml` and `mlops.bosun.conf.yaml`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.domain.errors import ConfigurationError, Problem
from lifecycle.domain.spec import Agent, Spec

_API_SUFFIX = "/api/v2"
_STATS_PATH = "/tmp/tracking-agent-stats.json"  # noqa: S108 - inside the container, and no secret
_MONITORING: Mapping[str, Any] = {
    "runOnce": False,
    "dryRun": False,
    "verifySSL": True,
    "statsPath": _STATS_PATH,
    "httpRetry": 3,
    "httpTimeout": 30000,
    "httpConcurrentRequest": 10,
    "numMLOpsConnections": 1,
    "agentThreadPoolSize": 4,
    "agentMaxRecordsTask": 100,
    "agentMaxAggregatedRecords": 500,
    "agentPendingRecordsTimeoutMs": 5000,
}
_MANAGEMENT: Mapping[str, Any] = {
    "verifySSL": True,
    "isCoordinator": True,
    "isWorker": True,
    "statsPath": _STATS_PATH,
    "httpRetry": 3,
    "httpTimeout": 30000,
    "actionWorkerTimeoutSec": 300,
    "statusWorkerTimeoutSec": 300,
    "statusUpdateIntervalSec": 120,
    "mlopsPollIntervalSec": 60,
}


def render_agent_config(spec: Spec, agent: Agent) -> str:
    """The YAML text of an agent's configuration.

    Args:
        spec: names the DataRobot installation. A sandbox address stays as written: it is resolved where the agent
            runs, so that the text does not depend on a port.
        agent: the agent.

    Raises:
        ConfigurationError: the spooler or the installation is not known here.
    """
    installation = spec.datarobot.get(agent.datarobot)
    if installation is None:
        raise _refused(agent, "datarobot", f"no DataRobot installation {agent.datarobot!r}", "Declare it in datarobot.")
    settings: dict[str, Any] = {"mlopsUrl": installation.endpoint.rstrip("/").removesuffix(_API_SUFFIX)}
    if agent.prediction_environment_id:
        settings["predictionEnvironmentId"] = agent.prediction_environment_id
    settings |= _MONITORING if agent.kind == "monitoring" else _MANAGEMENT
    lines = ["# Generated from the spec: change the spec, not this file. The token is given as MLOPS_API_TOKEN."]
    lines += [f"{name}: {json.dumps(settings[name])}" for name in sorted(settings)]
    if agent.kind == "monitoring":
        lines += _channel(agent)
    return "\n".join(lines) + "\n"


def _channel(agent: Agent) -> Iterator[str]:
    kind, details = _spooler(agent)
    yield "channelConfigs:"
    yield f"  - type: {json.dumps(kind)}"
    yield "    details:"
    for name in sorted(details):
        yield f"      {name}: {json.dumps(details[name])}"


def _spooler(agent: Agent) -> tuple[str, Mapping[str, str]]:
    settings = agent.spooler.settings
    match agent.spooler.kind:
        case "sqs":
            return "SQS_SPOOL", {"name": "sqs", "queueName": settings.queue}
        case "filesystem":
            return "FS_SPOOL", {"name": "filesystem", "directory": settings.directory}
        case other:
            raise _refused(agent, "spooler", f"spooler {other!r} has no configuration here", "Use sqs or filesystem.")


def _refused(agent: Agent, field: str, message: str, remedy: str) -> ConfigurationError:
    key_path = f"agents.{agent.name}.{field}"
    problem = Problem(place=agent.place, key_path=key_path, message=message, remedy=remedy)
    return ConfigurationError(f"{key_path}: {message}", remedy=remedy, problems=(problem,))
