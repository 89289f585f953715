"""`terraform show -json` of a saved plan -> the domain's Plan. Values Terraform calls sensitive are dropped here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from lifecycle.domain.errors import UnsafePlanError
from lifecycle.domain.plan import Action, Plan, ResourceChange
from lifecycle.terraform_cli.addresses import entry_of

FORMAT_MAJOR = "1"
# Ten thousand changes take 9 MiB. A larger document is no plan that somebody reviewed, and would fill the memory.
LARGEST = 64 * 1024 * 1024
# Source: developer.hashicorp.com/terraform/internals/json-format#change-representation
_ACTIONS: Mapping[tuple[str, ...], Action] = {
    ("no-op",): Action.NO_OP,
    ("create",): Action.CREATE,
    ("read",): Action.READ,
    ("update",): Action.UPDATE,
    ("delete",): Action.DELETE,
    ("delete", "create"): Action.REPLACE,
    ("create", "delete"): Action.REPLACE,
    ("forget",): Action.FORGET,
}
_REMEDY = "Plan again with a Terraform release that this version of lifecycle knows, or update lifecycle."


def read_plan(shown: bytes) -> Plan:
    """Decode a plan.

    Args:
        shown: output of `show -json PLAN`.

    Raises:
        UnsafePlanError: it is no plan, is too large, was not finished, or has another major format version.
    """
    refuse_too_large(len(shown))
    document = _document(shown)
    try:
        return _plan(document)
    except (AttributeError, KeyError, TypeError):
        raise UnsafePlanError(
            "the plan cannot be read: a change in it is not written as `show -json` writes one", remedy=_REMEDY
        ) from None


def refuse_too_large(size: int) -> None:
    """Refuse a plan document by its size, before it is read.

    Raises:
        UnsafePlanError: it has more bytes than `LARGEST`.
    """
    if size > LARGEST:
        raise UnsafePlanError(
            f"the plan has {size // 1024**2} MiB as JSON, and at most {LARGEST // 1024**2} MiB are read",
            remedy="Split the environment, or apply it in parts.",
        )


def _plan(document: Mapping[str, Any]) -> Plan:
    return Plan(
        format_version=str(document["format_version"]),
        terraform_version=str(document.get("terraform_version", "")),
        changes=tuple(_change(item) for item in document.get("resource_changes") or ()),
        drift=tuple(_change(item) for item in document.get("resource_drift") or ()),
        output_changes={name: _action(item) for name, item in (document.get("output_changes") or {}).items()},
    )


def _document(shown: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(shown)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("format_version"), str):
        raise UnsafePlanError("the plan cannot be read: `show -json` did not give a plan document", remedy=_REMEDY)
    version = document["format_version"]
    if version.partition(".")[0] != FORMAT_MAJOR:
        raise UnsafePlanError(
            f"the plan has format version {version}, and only {FORMAT_MAJOR}.x is known", remedy=_REMEDY
        )
    if document.get("errored") or document.get("complete") is False:
        raise UnsafePlanError(
            "the plan is incomplete: planning failed halfway or was narrowed", remedy="Plan everything again."
        )
    return document


def _action(change: Mapping[str, Any]) -> Action:
    return _ACTIONS.get(tuple(change.get("actions", ())), Action.UNKNOWN)


def _change(item: Mapping[str, Any]) -> ResourceChange:
    change = item["change"]
    action, reason = _action(change), item.get("action_reason", "")
    # Terraform calls these no-op, as the object stays as it is; but applying them changes the state.
    if action is Action.NO_OP and (change.get("importing") or item.get("previous_address")):
        action, reason = Action.UPDATE, "moved"
    if action is Action.UPDATE and change.get("importing"):
        reason = "imported"
    return ResourceChange(
        address=item["address"],
        type=item.get("type", ""),
        action=action,
        entry=entry_of(item["address"]),
        before=_visible(change.get("before"), change.get("before_sensitive")),
        after=_visible(change.get("after"), change.get("after_sensitive")),
        unknown=_mapping(change.get("after_unknown")),
        provider=item.get("provider_name", ""),
        previous_address=item.get("previous_address", ""),
        mode=item.get("mode", "managed"),
        action_reason=reason,
        sensitive=_left_out(change.get("after"), change.get("after_sensitive")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _visible(value: Any, sensitive: Any) -> Mapping[str, Any]:
    """The attributes without those marked sensitive, at any depth; nothing when the whole object is."""
    if not isinstance(value, dict) or sensitive is True:
        return {}
    kept = _without(value, sensitive) if sensitive else value
    return _mapping(kept)


def _left_out(value: Any, sensitive: Any) -> tuple[str, ...]:
    """Names of the attributes that are set and wholly sensitive: the gate must know of them without seeing them."""
    if not isinstance(value, dict) or not sensitive:
        return ()
    marks = sensitive if isinstance(sensitive, dict) else dict.fromkeys(value, True)
    return tuple(sorted(name for name, item in value.items() if marks.get(name) is True and item is not None))


def _without(value: Any, sensitive: Any) -> Any:
    if not sensitive:
        return value
    if isinstance(value, dict) and isinstance(sensitive, dict):
        # A null stays: it tells the gate that no value is written there, and reveals nothing.
        return {k: _without(v, sensitive.get(k)) for k, v in value.items() if v is None or sensitive.get(k) is not True}
    if isinstance(value, list) and isinstance(sensitive, list):
        marks = [*sensitive, *([False] * (len(value) - len(sensitive)))]
        return [_without(item, mark) for item, mark in zip(value, marks, strict=False) if mark is not True]
    return None
