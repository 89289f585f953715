"""How a value lies in a store: its fields at the top, and beside them one reserved key with who staged it as what.

    {"access_key_id": "…", "secret_access_key": "…", "_lifecycle": {"operation": "…", "candidate": "…"}}

Consumers read the top-level fields (an ECS `valueFrom` names one of them) and ignore the reserved key. A document that
somebody else wrote is read too: without the reserved key its operation and candidate are empty, members that are not
text become their JSON, and a value that is no JSON object becomes the one field `value`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import CandidateId, OperationId, SecretText, SecretValue

RESERVED = "_lifecycle"
MARKER: Mapping[str, Any] = {RESERVED: {"marker": True}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A stored document taken apart. `notes` is the content of the reserved key."""

    value: SecretValue = field(repr=False)
    notes: Mapping[str, Any] = field(repr=False)

    @property
    def operation(self) -> OperationId:
        """The operation that staged it; empty when it was not us."""
        return OperationId(str(self.notes.get("operation", "")))

    @property
    def candidate(self) -> CandidateId:
        """The candidate it is; empty when it was not us."""
        return CandidateId(str(self.notes.get("candidate", "")))

    @property
    def is_marker(self) -> bool:
        """Whether it is the empty version that first issuance writes."""
        return bool(self.notes.get("marker"))


def enclose(value: SecretValue, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Put a value and its notes into one document.

    Raises:
        ConfigurationError: the value has a field with the reserved name.
    """
    if RESERVED in value:
        raise ConfigurationError(f"a secret value has a field {RESERVED!r}", remedy=f"{RESERVED} is ours: rename it")
    return {**_plain(value), RESERVED: dict(notes)}


def open_document(document: Mapping[str, Any]) -> Opened:
    """Take a document apart."""
    notes = document.get(RESERVED)
    fields = {name: _text(item) for name, item in document.items() if name != RESERVED}
    return Opened(value=fields, notes=notes if isinstance(notes, dict) else {})


def open_text(text: str) -> Opened:
    """Take a stored string apart."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    return open_document(document if isinstance(document, dict) else {"value": text})


def as_text(document: Mapping[str, Any]) -> str:
    """The document as canonical JSON, so that the same value always gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def same_value(one: SecretValue, other: SecretValue) -> bool:
    """Whether two values have the same fields with the same content."""
    return dict(one) == dict(other)


def _plain(value: SecretValue) -> dict[str, str]:
    return {name: text.get_secret_value() for name, text in value.items()}


def _text(item: Any) -> SecretText:
    return SecretText(item if isinstance(item, str) else json.dumps(item, sort_keys=True))
