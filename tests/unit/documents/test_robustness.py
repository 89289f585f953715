"""Whatever is written: a spec or a configuration error with problems, never another exception, never a leak."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.documents.builder import load_spec
from lifecycle.documents.constructor import Constructor
from lifecycle.documents.findings import Findings
from lifecycle.documents.positions import Positions
from lifecycle.documents.show import show
from lifecycle.domain.errors import ConfigurationError
from tests.unit.documents.toy_kinds import REGISTRY
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

_ODD: list[Any] = [
    None,
    True,
    7,
    0.5,
    "",
    "x",
    "${var.x}",
    "${var.",
    [],
    [[]],
    ["a", 1],
    {},
    {"a": {}},
    {"a": None, "b": []},
]
_TEXTS = {"_base/base.yaml": BASE, "prod/main.yaml": MAIN, "prod/more.yaml": MORE}


def _tree(text: str) -> Any:
    return Constructor(Findings(Positions()), {}).construct(text, "x")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for step, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(item, (*path, step))


def _changed(tree: Any, path: tuple[Any, ...], odd: Any, *, rename: bool) -> Any:
    holder = tree
    for step in path[:-1]:
        holder = holder[step]
    if rename and isinstance(holder, dict):
        holder["odd"] = holder.pop(path[-1])
    else:
        holder[path[-1]] = odd
    return tree


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data())
def test_any_odd_value_anywhere_gives_a_spec_or_problems(data: st.DataObject, tmp_path: Path) -> None:
    trees = {name: _tree(text) for name, text in _TEXTS.items()}
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(sorted(trees)))
        path = data.draw(st.sampled_from(list(_paths(trees[name]))))
        odd = json.loads(json.dumps(data.draw(st.sampled_from(_ODD))))
        _changed(trees[name], path, odd, rename=data.draw(st.booleans()))
    for name, tree in trees.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(tree, indent=1), encoding="utf-8")
    try:
        spec = load_spec(tmp_path / "prod", REGISTRY, root=tmp_path)
    except ConfigurationError as error:
        assert error.problems
        for problem in error.problems:
            lines = (tmp_path / problem.place.file).read_text(encoding="utf-8").split("\n")
            assert problem.place.line <= len(lines)
            assert problem.message
            assert problem.remedy
    else:
        assert all(value.origin is None or value.origin.line > 0 for value in show(spec))


@pytest.mark.parametrize("seed", range(40))
def test_any_broken_text_gives_a_spec_or_problems(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for name, text in _TEXTS.items():
        characters = list(text)
        for _ in range(chance.randint(0, 3)):
            characters[chance.randrange(len(characters))] = chance.choice("{}[]:,&*!#|>'\"%@`\t\n-? \u2028é")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("".join(characters), encoding="utf-8")
    try:
        load_spec(tmp_path / "prod", REGISTRY, root=tmp_path)
    except ConfigurationError as error:
        assert error.problems
