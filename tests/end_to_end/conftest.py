"""Checkouts of tests, taken down whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout

NewCheckout = Callable[..., Checkout]


@pytest.fixture
def new_checkout(tmp_path: Path, terraform_binary: Path, provider_mirror: Path) -> Iterator[NewCheckout]:
    """Makes checkouts; each call gives another one."""
    made: list[Checkout] = []

    def make(env: str = "sandbox") -> Checkout:
        base = tmp_path / f"user-{len(made)}"
        base.mkdir()
        extra = {"LIFECYCLE_PROVIDER_MIRROR": str(provider_mirror), "LIFECYCLE_TERRAFORM": str(terraform_binary)}
        made.append(Checkout.make(base, env=env, extra=extra))
        return made[-1]

    yield make
    for checkout in made:
        checkout.close()


@pytest.fixture
def checkout(new_checkout: NewCheckout) -> Checkout:
    """A checkout whose environment is `sandbox`."""
    return new_checkout()
