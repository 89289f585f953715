"""A Terraform plan in Terraform's words, the manifest of digests, and the reviewed effect. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lifecycle.domain.audit import Digest, canonical, digest_bytes


class Action(StrEnum):
    """What a plan does to one object. `UNKNOWN` refuses: a future Terraform word is not ours to guess."""

    NO_OP = "no-op"
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    FORGET = "forget"
    UNKNOWN = "unknown"


CHANGING = frozenset({Action.CREATE, Action.UPDATE, Action.DELETE, Action.REPLACE, Action.FORGET, Action.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceChange:
    """One object of a plan. `before` and `after` are as Terraform shows them; sensitive attributes are left out.

    `sensitive` names the top-level attributes that were left out of `after` although they are set (not null): the gate
    must know that a value is written without seeing it. An attribute that is marked sensitive but null stays, as None.
    """

    address: str
    type: str
    action: Action
    entry: str = ""
    before: Mapping[str, Any] = field(default_factory=dict, repr=False)
    after: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unknown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    provider: str = ""
    previous_address: str = ""
    mode: str = "managed"
    action_reason: str = ""
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A decoded plan: what changes, in which Terraform version and format."""

    format_version: str
    terraform_version: str
    changes: tuple[ResourceChange, ...]
    drift: tuple[ResourceChange, ...] = ()
    output_changes: Mapping[str, Action] = field(default_factory=dict)

    def changing(self) -> tuple[ResourceChange, ...]:
        """The changes that do something."""
        return tuple(c for c in self.changes if c.action in CHANGING)

    @property
    def empty(self) -> bool:
        """Whether applying would change nothing."""
        return not self.changing() and all(a is Action.NO_OP for a in self.output_changes.values())

    @property
    def removes_all(self) -> bool:
        """Whether nothing that is managed would be left: what a destroy plan does."""
        managed = [change.action for change in self.changes if change.mode == "managed"]
        return bool(managed) and all(action is Action.DELETE for action in managed)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateIdentity:
    """Which state, in which revision. An environment that was never applied has an empty lineage and serial 0."""

    lineage: str = ""
    serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolIdentity:
    """Which program plans and applies: its product name, version and the platform it runs on."""

    name: str
    version: str
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedChanges:
    """What an apply finished: the addresses in the order in which they completed."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a plan may be applied, and nowhere else."""

    environment: str
    account_id: str
    region: str
    endpoint: str
    backend: str
    lineage: str
    serial: int
    sandbox_instance: str = ""

    def as_document(self) -> dict[str, Any]:
        """The target as it stands in manifest and review."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The named digests of one plan. `plan_digest` is the SHA-256 of its canonical JSON."""

    digests: Mapping[str, str]
    target: Target
    tool_version: str
    schema_version: int = 1

    def as_document(self) -> dict[str, Any]:
        """Canonical form."""
        return {
            "schema_version": self.schema_version,
            "tool_version": self.tool_version,
            "digests": dict(self.digests),
            "target": self.target.as_document(),
        }

    @property
    def plan_digest(self) -> Digest:
        """What a receipt and an apply refer to."""
        return digest_bytes(canonical(self.as_document()))

    def moved(self, other: Manifest) -> tuple[str, ...]:
        """Names of the digests and target fields that differ, for the message that refuses."""
        names = [
            f"digest of {name}"
            for name in sorted({*self.digests, *other.digests})
            if self.digests.get(name) != other.digests.get(name)
        ]
        mine, theirs = self.target.as_document(), other.target.as_document()
        names += [f"target {name}" for name in mine if mine[name] != theirs[name]]
        if (self.tool_version, self.schema_version) != (other.tool_version, other.schema_version):
            names.append("tool version")
        return tuple(names)
