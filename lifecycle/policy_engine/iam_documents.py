"""IAM policy documents as statements: lists normalised, actions in lower case, nothing guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lifecycle.policy_engine.iam_semantics_match import matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. Fields that the document does not have are empty."""

    sid: str = ""
    allow: bool = True
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    not_principal: bool = False
    conditions: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1024)
def parse_document(text: str) -> tuple[Statement, ...]:
    """The statements of a JSON document. Kept, as several rules read each one.

    Raises:
        ValueError: it is no policy document. The engine then does not pass.
    """
    document = json.loads(text)
    statements = document.get("Statement") if isinstance(document, dict) else None
    if statements is None:
        raise ValueError("the policy document has no Statement")
    return tuple(_statement(item) for item in (statements if isinstance(statements, list) else [statements]))


def _statement(item: Mapping[str, Any]) -> Statement:
    if item.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("a statement has no Effect")
    return Statement(
        sid=str(item.get("Sid", "")),
        allow=item["Effect"] == "Allow",
        actions=tuple(action.lower() for action in _texts(item.get("Action"))),
        not_actions=tuple(action.lower() for action in _texts(item.get("NotAction"))),
        resources=_texts(item.get("Resource")),
        not_resources=_texts(item.get("NotResource")),
        principals=_principals(item.get("Principal")),
        not_principal="NotPrincipal" in item,
        conditions=item.get("Condition") or {},
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _principals(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Mapping):
        return _texts(value)
    return tuple(text for kind in value.values() for text in _texts(kind))


def every_action(action: str) -> bool:
    """Whether an action is all of IAM or all of a service: `*`, `s3:*`, `*:*`."""
    return action.rpartition(":")[2].strip("*") == ""


def every_resource(resource: str) -> bool:
    """Whether a resource is everything, or everything of a service: `*`, `arn:aws:s3:::*`."""
    parts = resource.split(":", 5)
    return resource.strip("*") == "" or (len(parts) == 6 and parts[5].strip("*") == "")


def has_no_resource_level(action: str, table: Mapping[str, Any]) -> bool:
    """Whether AWS accepts only `*` as the resource of an action, by the dated table."""
    return _any_matches(action.lower(), tuple(table["actions"]))


@lru_cache(maxsize=4096)
def _any_matches(action: str, patterns: tuple[str, ...]) -> bool:
    """Kept, since thousands of documents use some dozens of actions."""
    return any(matches(pattern.lower(), action) for pattern in patterns)


def reaches(pattern: str, action: str) -> bool:
    """Whether an action pattern of a policy includes a concrete action. Brackets are no wildcards to IAM."""
    return matches(pattern.lower(), action.lower())
