"""Objects that a killed run made and its state does not hold: which of them the next plan imports, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lifecycle.terraform_cli.created_log import Created

_INDEX = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|\d+)\]')
# Made anew without harm: an object is overwritten, a task definition gets one more revision.
_MADE_ANEW = frozenset({"aws_s3_object", "aws_ecs_task_definition"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What is to be done about the objects on record.

    Attributes:
        adopted: to import: address -> import id.
        plans: the plan files that were being applied. More may exist of what they were to create: what had begun, or
            whose end the machine did not live to record.
        held: addresses in the state.
        settled: addresses that need nothing: the state holds them, or making them anew does no harm.
        replaced: the state holds an older object of this address, which a killed replacement had followed up: address
            -> id of the newer one.
    """

    adopted: Mapping[str, str]
    plans: frozenset[str]
    held: frozenset[str]
    settled: frozenset[str]
    replaced: Mapping[str, str]


def adoption(left: Mapping[str, Created], state: bytes) -> Adoption:
    """Compare what dead runs have on record with the state.

    Args:
        left: from `CreatedLogs.left`.
        state: as `state pull` gives it; empty when there is none.
    """
    held = ids_in_state(state)
    adopted: dict[str, str] = {}
    settled: set[str] = set()
    replaced: dict[str, str] = {}
    for address, created in sorted(left.items()):
        if type_of(address) in _MADE_ANEW or (address in held and created.id in ("", held[address])):
            settled.add(address)
        elif address in held:
            replaced[address] = created.id
        elif created.id:
            adopted[address] = import_id(address, created.id)
    return Adoption(
        adopted=adopted,
        plans=frozenset(created.plan for created in left.values() if created.plan),
        held=frozenset(held),
        settled=frozenset(settled),
        replaced=replaced,
    )


def import_id(address: str, id: str) -> str:
    """What an `import` block calls an object whose id is known."""
    if type_of(address) == "aws_ecs_service" and id.startswith("arn:"):
        return id.rpartition(":service/")[2]  # cluster/service
    return id


def type_of(address: str) -> str:
    """The resource type in an address."""
    parts = _INDEX.sub("", address).split(".")
    return parts[-2] if len(parts) > 1 else ""


def ids_in_state(state: bytes) -> Mapping[str, str]:
    """Every managed object of a state: address -> id."""
    if not state:
        return {}
    found = {}
    for resource in orjson.loads(state).get("resources", ()):
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", ()):
            if "deposed" not in instance:
                found[_address(resource, instance)] = str((instance.get("attributes") or {}).get("id", ""))
    return found


def _address(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> str:
    module = f"{resource['module']}." if resource.get("module") else ""
    key = instance.get("index_key")
    index = "" if key is None else f"[{orjson.dumps(key).decode()}]"
    return f"{module}{resource['type']}.{resource['name']}{index}"
