"""Rules that keep values out of Terraform: it owns existence, rotation owns values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lifecycle.domain.plan import ResourceChange
from lifecycle.policy_engine.rule import ChangeRule, Observation, RuleContext, known, unknown

_TELLING = re.compile(r"(?i)(^|[_-])(password|passwd|secret|token|api_?key|private_?key|credential)s?$")
_REFERENCE = re.compile(r"(?i)(arn|id|name|path|ref|version|wo)$")

_VERSION = "_wo_version"


def _set_attributes(change: ResourceChange, names: Mapping[str, str]) -> list[str]:
    """Which of these attributes are written. An attribute that the plan does not show at all counts as written."""
    written = []
    for name in names:
        absent = name not in change.after and not unknown(change, name)
        if name in change.sensitive or unknown(change, name) or absent or change.after.get(name) is not None:
            written.append(name)
    return written


def _value_written(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    table: Mapping[str, Mapping[str, str]] = context.tables["value_attributes"]["attributes"]
    names = table.get(change.type)
    if names is None:
        return
    for name in _set_attributes(change, names):
        text = f"{change.address}: the plan writes a value into {name}, and so into state and plan file"
        yield Observation(message=text, change=change, evidence=f"instead: {names[name]}")


def _parameter_value(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    if known(change, "type") == "SecureString" and _set_attributes(change, {"value": ""}):
        text = f"{change.address}: the plan writes the value of a SecureString into state and plan file"
        yield Observation(message=text, change=change, evidence="instead: value_wo with value_wo_version, or rotation")


def _value_making_type(context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    table = context.tables["value_attributes"]["forbidden_types"]
    if change.type in table:
        text = f"{change.address}: {change.type} keeps the value it makes in the state"
        yield Observation(message=text, change=change, evidence=f"instead: {table[change.type]}")


def _container_environment(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    # Not known at plan time when it embeds the ARN of something new. It then comes from the pinned module, which takes
    # tokens by reference only; its digest stands in the manifest. What the document says is judged on the next plan.
    if unknown(change, "container_definitions"):
        return
    for container in _json_list(change.after.get("container_definitions")):
        for variable in container.get("environment") or ():
            name = str(variable.get("name", ""))
            if _TELLING.search(name) and not _REFERENCE.search(name) and variable.get("value"):
                text = f"{change.address}: the container variable {name} holds its value in the task definition"
                yield Observation(message=text, change=change, evidence=name)


def _telling_attribute(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    for name, value in change.after.items():
        if isinstance(value, str) and value and _TELLING.search(name) and not _REFERENCE.search(name):
            text = f"{change.address}: the attribute {name} looks like a secret and stands in the plan in clear"
            yield Observation(message=text, change=change, evidence=name)


def _older_value(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    """The version of a write-only value comes from the journal, which only counts up."""
    for name in sorted({*change.before, *change.after, *change.unknown}):
        if not name.endswith(_VERSION):
            continue
        before, after = change.before.get(name), known(change, name)
        if isinstance(before, int) and (not isinstance(after, int) or after < before):
            text = f"{change.address}: the plan would write an older value back: {name} goes from {before} to {after}"
            yield Observation(message=text, change=change, evidence=f"{name}: {before} -> {after}")


def _json_list(text: Any) -> list[dict[str, Any]]:
    parsed = json.loads(text) if isinstance(text, str) and text else []
    return [item for item in parsed if isinstance(item, dict)] if isinstance(parsed, list) else []


RULES = (
    ChangeRule(id="LC-VAL-001", check=_value_written),
    ChangeRule(id="LC-VAL-002", check=_parameter_value, types=("aws_ssm_parameter",)),
    ChangeRule(id="LC-VAL-003", check=_value_making_type),
    ChangeRule(id="LC-VAL-004", check=_container_environment, types=("aws_ecs_task_definition",)),
    ChangeRule(id="LC-VAL-005", check=_telling_attribute),
    ChangeRule(id="LC-VAL-006", check=_older_value),
)
