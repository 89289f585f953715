"""What is asked of a spec alone, offline: judge it, show it, its schema, and what is rendered from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from lifecycle.operations.check_spec import CheckedSpec


class DocumentDesk:
    """The spec of one environment.

    Args:
        around: settings, paths, spec.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def check(self) -> CheckedSpec:
        """The spec and the rules over it, offline."""
        from lifecycle.bootstrap.gate import gate
        from lifecycle.bootstrap.policy_files import with_documents
        from lifecycle.operations.check_spec import check_spec

        return check_spec(lambda: self._around.spec, gate(self._around), subject=with_documents(self._around))

    def show(self) -> tuple[Any, ...]:
        """Every resolved value with its place."""
        from lifecycle.documents.show import show

        return show(self._around.spec)

    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the spec."""
        from lifecycle.bootstrap.kinds import registry
        from lifecycle.documents.schema import json_schema

        return json_schema(registry())

    def render_allowlist(self, name: str, target: str) -> str:
        """The configuration of one target of an allowlist.

        Raises:
            ConfigurationError: there is no such allowlist, or it has no such target.
        """
        from lifecycle.bootstrap.rendered import allowlist_text

        return allowlist_text(self._around, name, target)

    def render_agent(self, name: str) -> str:
        """An agent's configuration file.

        Raises:
            ConfigurationError: there is no such agent.
        """
        from lifecycle.renderers.mlops_agent_config import render_agent_config

        agent = self._around.spec.agents.get(name)
        if agent is None:
            known = ", ".join(sorted(self._around.spec.agents)) or "none"
            raise ConfigurationError(f"the spec has no agent {name!r}", remedy=f"known are: {known}")
        return render_agent_config(self._around.spec, agent)
