"""Rules over agents: a known image, evidence that is kept, a spool that survives, a network of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from lifecycle.policy_engine.rule import Observation, RuleContext, SpecRule


def _setting(settings: Any, name: str) -> Any:
    return settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)


def _image(context: RuleContext) -> Iterator[Observation]:
    for name, agent in context.spec.agents.items():
        image = _setting(agent.runtime.settings, "image")
        last = image.rpartition("/")[2] if isinstance(image, str) else ""
        if last and "@sha256:" not in last and (":" not in last or last.endswith(":latest")):
            text = f"agents.{name} runs whatever image is newest ({image})"
            yield Observation(message=text, key_path=f"agents.{name}.runtime", evidence=str(image))


def _image_by_tag(context: RuleContext) -> Iterator[Observation]:
    for name, agent in context.spec.agents.items():
        image = _setting(agent.runtime.settings, "image")
        if isinstance(image, str) and "@sha256:" not in image:
            text = f"agents.{name} names its image by tag, which can be moved"
            yield Observation(message=text, key_path=f"agents.{name}.runtime", evidence=image)


def _logs(context: RuleContext) -> Iterator[Observation]:
    least = timedelta(days=context.parameters["least_days"])
    for name, agent in context.spec.agents.items():
        if agent.log_retention < least:
            text = f"agents.{name} keeps its logs for {agent.log_retention.days} days, {least.days} are needed"
            yield Observation(
                message=text, key_path=f"agents.{name}.log_retention", evidence=f"{agent.log_retention.days}d"
            )


def _spooler(context: RuleContext) -> Iterator[Observation]:
    for name, agent in context.spec.agents.items():
        if agent.spooler.kind == "filesystem" and agent.runtime.kind == "ecs_fargate":
            text = f"agents.{name} spools to a disk that is gone when its task is replaced"
            yield Observation(message=text, key_path=f"agents.{name}.spooler", evidence=agent.spooler.kind)


def _shared_role(context: RuleContext) -> Iterator[Observation]:
    users: dict[str, str] = {}
    for name, agent in context.spec.agents.items():
        first = users.setdefault(agent.service_account, name)
        if first != name:
            text = f"agents.{name} and agents.{first} share the identity {agent.service_account}"
            yield Observation(message=text, key_path=f"agents.{name}.service_account", evidence=agent.service_account)


RULES = (
    SpecRule(id="LC-AGT-001", check=_image),
    SpecRule(id="LC-AGT-002", check=_image_by_tag),
    SpecRule(id="LC-AGT-003", check=_logs, parameters={"least_days": int}),
    SpecRule(id="LC-AGT-004", check=_spooler),
    SpecRule(id="LC-AGT-005", check=_shared_role),
)
