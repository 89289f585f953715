"""Starts, stops and describes the local servers of a sandbox environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.bootstrap.surroundings import RunningSandbox, Surroundings, new_id
from lifecycle.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReport:
    """What runs where, or what was stopped."""

    instance_id: str
    servers: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {"instance_id": self.instance_id, "servers": dict(self.servers)}

    def lines(self) -> list[str]:
        """For people."""
        head = f"instance {self.instance_id[:12]}" if self.instance_id else "no sandbox"
        return [head, *(f"  {name:<10} {text}" for name, text in sorted(self.servers.items()))]


def start_sandbox(around: Surroundings) -> SandboxReport:
    """Make sure that the servers run, and tell the surroundings where."""
    from lifecycle.sandbox import instance
    from lifecycle.sandbox.bootstrap_file import read_bootstrap
    from lifecycle.settings import cache_home

    wanted = _servers(around)
    state = around.paths.state
    state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    running = instance.up(state, wanted, new_id, cache_dir=cache_home())
    around.sandbox = RunningSandbox(
        instance_id=running.instance_id, endpoints=running.endpoints, bootstrap=read_bootstrap(state)
    )
    names = ", ".join(sorted(running.endpoints))
    what = "new instance" if running.started else "instance"
    around.step("sandbox", f"{what} {running.instance_id[:12]}: {names}")
    if running.archived:
        around.note(f"the former instance was gone; its folder is {running.archived.name}")
    return SandboxReport(instance_id=running.instance_id, servers=running.endpoints)


def sandbox_down(around: Surroundings) -> SandboxReport:
    """Stop every server of this environment's sandbox."""
    from lifecycle.sandbox import instance

    _servers(around)
    stopped = instance.down(around.paths.state)
    return SandboxReport(instance_id="", servers=dict.fromkeys(stopped, "stopped"))


def sandbox_status(around: Surroundings) -> SandboxReport:
    """What runs where; changes nothing."""
    from lifecycle.sandbox import instance

    _servers(around)
    status = instance.status(around.paths.state)
    servers = {
        item.name: f"{item.endpoint} pid {item.pid} {'healthy' if item.healthy else 'NOT healthy'}"
        for item in status.servers
    }
    return SandboxReport(instance_id=status.instance_id, servers=servers)


def _servers(around: Surroundings) -> tuple[str, ...]:
    sandbox = around.spec.sandbox
    if sandbox is None:
        raise ConfigurationError(
            f"environment {around.spec.environment} is not a sandbox", remedy="sandboxes declare `sandbox.servers`"
        )
    return sandbox.servers
