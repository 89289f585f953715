"""What every allowlist target offers, and what it answers for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowlistTarget:
    """One product that enforces an allowlist.

    Attributes:
        kind: its name in the spec.
        takes_names: whether it can enforce host names.
        takes_addresses: whether it can enforce networks.
        knows_ports: whether an entry's port is enforced too; else every port of an admitted name is.
        render: the allowlist in the target's form. Refuses what the form cannot say exactly.
        admits: whether the target, given that form, lets a connection to a host and port pass: its matching rules as
            the vendor documents them, written down a second time, so that a test can compare all targets.
    """

    kind: Kind
    takes_names: bool
    takes_addresses: bool
    knows_ports: bool
    render: Callable[[ResolvedAllowlist], RenderedAllowlist]
    admits: Callable[[RenderedAllowlist, str, int], bool]


def target_kind(name: str, summary: str) -> Kind:
    """The kind of a target; none has settings of its own."""
    return Kind(name=name, family=Family.ALLOWLIST_TARGET, settings=KindSettings, summary=summary)


def cannot_say(allowlist: ResolvedAllowlist, target: str, message: str, remedy: str) -> ConfigurationError:
    """The refusal when a target's form would admit more, or less, than the allowlist says."""
    return ConfigurationError(f"allowlists.{allowlist.name}: {target} {message}", remedy=remedy)
