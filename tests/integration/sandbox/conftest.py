"""A sandbox of this test's worker, and sandboxes of single tests."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from lifecycle.sandbox import instance
from lifecycle.sandbox.bootstrap_file import SandboxBootstrap, read_bootstrap
from tests.servers.environment import cache_home


def new_id() -> str:
    """An instance id."""
    return uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A state directory with what runs in it."""

    state_dir: Path

    def up(self, *names: str) -> instance.SandboxInstance:
        """Start or find."""
        return instance.up(self.state_dir, names, new_id, cache_dir=cache_home())

    @property
    def bootstrap(self) -> SandboxBootstrap:
        """Its values."""
        return read_bootstrap(self.state_dir)

    def pid(self, name: str) -> int:
        """The process of one server."""
        return next(server.pid for server in instance.status(self.state_dir).servers if server.name == name)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox of this test alone; nothing of it outlives the test."""
    made = Sandbox(state_dir=tmp_path / "state" / "sandbox")
    yield made
    instance.down(made.state_dir)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sequence[str]], Sandbox]]:
    """A sandbox that the tests of one module share; the servers start when they are first asked for."""
    made = Sandbox(state_dir=tmp_path_factory.mktemp("shared") / "sandbox")

    def start(names: Sequence[str]) -> Sandbox:
        made.up(*names)
        return made

    yield start
    instance.down(made.state_dir)
