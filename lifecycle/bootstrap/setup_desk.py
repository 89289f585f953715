"""What comes before and beside an environment: a repository, what must exist, the local servers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.bootstrap.sandbox_servers import SandboxReport, sandbox_down, sandbox_status, start_sandbox
from lifecycle.bootstrap.surroundings import Surroundings

if TYPE_CHECKING:
    from lifecycle.operations.bootstrap_environment import BootstrapOutcome, Survey


class SetupDesk:
    """Setting up, for one environment or for none yet.

    Args:
        around: settings, paths, and the sandbox once it runs.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def sandbox_up(self) -> SandboxReport:
        """Start what is not running."""
        return start_sandbox(self._around)

    def sandbox_down(self) -> SandboxReport:
        """Stop every local server."""
        return sandbox_down(self._around)

    def sandbox_status(self) -> SandboxReport:
        """What runs where."""
        return sandbox_status(self._around)

    def bootstrap(self, confirm: Callable[[Survey], bool]) -> BootstrapOutcome:
        """Make what must exist before a first plan, after a yes."""
        from lifecycle.bootstrap.preparation import bootstrap

        return bootstrap(self._around, confirm=confirm)

    def ci_trust(self, repository: str) -> str:
        """How CI jobs of a repository log in without a stored key."""
        from lifecycle.bootstrap.preparation import ci_trust

        return ci_trust(self._around, repository)

    def init_repository(self, folder: Path) -> tuple[str, ...]:
        """A working repository from the installed package."""
        from lifecycle.bootstrap.template import write_repository

        return write_repository(folder)
