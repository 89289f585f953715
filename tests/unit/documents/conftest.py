"""How these tests write a spec and read what is said about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.documents.builder import load_spec
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Spec
from tests.unit.documents.toy_kinds import REGISTRY
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

Load = Callable[..., Spec]
Complain = Callable[..., list[str]]

SMALLEST = "version: 1\nenvironment: prod\nowner: me\nbackend: local\nsandbox: {servers: [aws]}\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Write files below the checkout's `environments` folder; gives the folder of `prod`."""

    def run(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "environments" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "environments" / "prod"

    return run


@pytest.fixture
def load(write: Callable[[dict[str, str]], Path], tmp_path: Path) -> Load:
    """Load the whole spec, or one made of files (`main` is appended to the smallest valid spec)."""

    def run(files: dict[str, str] | None = None, *, main: str | None = None) -> Spec:
        if main is not None:
            files = {"prod/main.yaml": SMALLEST + main}
        if files is None:
            files = {"_base/base.yaml": BASE, "prod/main.yaml": MAIN, "prod/more.yaml": MORE}
        shutil.rmtree(tmp_path / "environments", ignore_errors=True)
        return load_spec(write(files), REGISTRY, root=tmp_path)

    return run


@pytest.fixture
def complain(load: Load) -> Complain:
    """Load a spec that is wrong and give what is said about it, one text per problem."""

    def run(files: dict[str, str] | None = None, *, main: str | None = None) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            load(files, main=main)
        return [str(problem) for problem in caught.value.problems]

    return run
