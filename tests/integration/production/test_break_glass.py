"""An emergency as people meet it: a request, two signatures with SSH keys, all in scope rotated once, on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from lifecycle.domain.errors import ExitCode
from tests.contract.sandbox_server import Double, running_double
from tests.end_to_end.checkout import Checkout, Result
from tests.integration.production.environment import Approver, closed, pin_policies, production

_ASK = ("rotate", "all", "--scope", "kind=aws_*", "--break-glass", "--reason", "laptop stolen")


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("break-glass-aws")) as one:
        yield one


@pytest.fixture
def checkout(tmp_path: Path, double: Double, terraform_binary: Path, provider_mirror: Path) -> Iterator[Checkout]:
    tools = {"LIFECYCLE_PROVIDER_MIRROR": str(provider_mirror), "LIFECYCLE_TERRAFORM": str(terraform_binary)}
    yield from closed(production(tmp_path, double, name=f"acme-{uuid4().hex[:8]}", extra=tools))


def _key(checkout: Checkout) -> str:
    return str(json.loads((checkout.state / "delivered" / "feature-reader.json").read_text())["access_key_id"])


def test_two_people_sign_and_everything_is_rotated_once_on_record(checkout: Checkout, tmp_path: Path) -> None:
    bea, cyd, ann = (Approver.hire(tmp_path, f"{name}@acme.example") for name in ("bea", "cyd", "deploy"))
    pinned = pin_policies(checkout, bea, cyd, ann)

    def run(*args: str, ok: bool = False) -> Result:
        return checkout.run(*args, env=pinned, ok=ok)

    def sign(who: Approver, folder: Path) -> None:
        run("approve", str(folder), "--key", str(who.key), ok=True)

    checkout.run("bootstrap", "--yes", ok=True)
    plan = tmp_path / "plan"
    run("plan", "--out", str(plan), ok=True)
    sign(bea, plan)
    run("apply", "--plan", str(plan), ok=True)
    before = _key(checkout)

    asked = run(*_ASK)
    assert asked.code == ExitCode.REFUSED and "needs 2 people beside deploy@ci; signed: nobody" in asked.err, asked.text
    request = checkout.state / "plans" / "break-glass"
    assert str(request) in asked.err
    sign(bea, request)
    sign(ann, request)  # who acts counts for nothing, whatever key he holds
    one = run(*_ASK)
    assert one.code == ExitCode.REFUSED and "needs 2 people beside deploy@ci; signed: bea\n" in one.err, one.text
    assert _key(checkout) == before
    sign(cyd, request)

    done = run(*_ASK)
    assert done.code == 0 and "feature-reader-key" in done.out, done.text
    after = _key(checkout)
    assert after != before
    again = run(*_ASK)
    assert again.code == 0 and _key(checkout) == after, again.text

    shown = run("audit", "show", ok=True).out
    assert shown.count("credentials.break_glass.approve") == 3 and shown.count("plan.approve") == 1, shown
