"""Taking any one rule from the driver makes this suite fail: otherwise the suite would prove nothing about the rule."""

from __future__ import annotations

import pytest

from tests.recovery.mutants import MUTANTS, Mutant, hunt, load


@pytest.mark.parametrize("name", MUTANTS)
def test_driver_without_one_rule_is_caught(name: str) -> None:
    caught = next((found for found in hunt(MUTANTS[name]) if found[1]), None)
    assert caught is not None, f"nobody noticed that this rule is gone: {MUTANTS[name].rule}"


def test_an_unchanged_copy_of_the_driver_is_not_caught() -> None:
    """The copies are faithful: with no rule removed, the same hunt finds nothing."""
    everywhere = Mutant(rule="none", shows=("B", "B-consumer-fails", "E-overlap", *_situations()))
    assert load(everywhere).rotate is not None
    assert [found for found in hunt(everywhere) if found[1]] == []


def _situations() -> tuple[str, ...]:
    return tuple(name for mutant in MUTANTS.values() for name in mutant.shows if name.islower() and "-" not in name)
