"""What a spec entry can be: one `Kind` per product file, gathered into a registry by bootstrap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Family(StrEnum):
    """Where in the spec a kind may stand."""

    ISSUER = "credentials.*.kind"
    CONNECTOR = "connectors.*.kind"
    SECRET_STORE = "secret_stores.*"  # noqa: S105 - a key path of the spec, not a secret
    JOURNAL = "journal"
    DESTINATION = "credentials.*.deliver_to"
    ALLOWLIST_TARGET = "allowlists.*.targets"
    AGENT_RUNTIME = "agents.*.runtime"
    SPOOLER = "agents.*.spooler"
    BACKEND = "backend"


class KindSettings(BaseModel):
    """Base of every kind's settings: strict and frozen; errors never show input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One product: its name in the spec, its settings model and what it can do.

    Attributes:
        name: as written in the spec, e.g. `aws_iam_access_key`.
        family: where it may stand.
        settings: validates the entry's own fields (those that are not common to the family).
        summary: one line for `schema` and the documentation.
        traits: family-specific; issuers put their `Traits` here.
        references: settings fields that name another entry: field -> spec section, checked by documents.
    """

    name: str
    family: Family
    settings: type[BaseModel]
    summary: str = ""
    traits: Any = None
    references: Mapping[str, str] = field(default_factory=dict)


class KindRegistry:
    """All kinds, by family and name. Built once by bootstrap; read-only afterwards."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds: dict[tuple[Family, str], Kind] = {}
        for kind in kinds:
            key = (kind.family, kind.name)
            if key in self._kinds:
                raise ValueError(f"kind {kind.name!r} is registered twice for {kind.family}")
            self._kinds[key] = kind

    def names(self, family: Family) -> tuple[str, ...]:
        """Known names of a family, sorted."""
        return tuple(sorted(name for fam, name in self._kinds if fam is family))

    def find(self, family: Family, name: str) -> Kind | None:
        """The kind, or None when the registry has no such name."""
        return self._kinds.get((family, name))

    def all(self) -> tuple[Kind, ...]:
        """Every kind, sorted by family and name."""
        return tuple(self._kinds[key] for key in sorted(self._kinds))
