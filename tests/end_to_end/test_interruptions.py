"""Ctrl-C, SIGTERM and kill -9 at chosen moments: the next run says what was open, finishes it, and nothing is left."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable

import pytest

from tests.end_to_end.checkout import Checkout, Result
from tests.end_to_end.outside import Outside

CREDENTIALS = ("datarobot-agent-key", "feature-reader-key", "pipeline-oauth")
_INTERRUPTED = 130
_ACCOUNTS = 6


def _accounts(batch: int) -> str:
    """A spec file with several service accounts, so that an apply takes a while."""
    entries = "".join(
        f"  batch-{batch}-{number}:\n    platform: aws\n    principal: user\n    purpose: test of interruptions\n"
        '    permissions: [{actions: ["s3:GetObject"], resources: ["arn:aws:s3:::lifecycle-sandbox-features/*"]}]\n'
        for number in range(_ACCOUNTS)
    )
    return f"service_accounts:\n{entries}"


def _terraform(checkout: Checkout, command: str) -> Callable[[], bool]:
    """Terraform is at this command now."""
    return lambda: any(f"terraform {command} " in line for line in checkout.strangers().values())


def _lock_recorded(checkout: Checkout) -> bool:
    """The run has noted the id of the lock it holds."""
    records = [path.read_text() for path in (checkout.state / "runs").glob("*.run.json")]
    return any(json.loads(text)["lock_id"] for text in records)


def _user_exists(checkout: Checkout, prefix: str) -> Callable[[], bool]:
    """The apply has made the first of several users."""
    outside = Outside.of(checkout)

    def seen() -> bool:
        users = outside.aws("iam").list_users()["Users"]
        return any(user["UserName"].startswith(f"{checkout.env}-{prefix}") for user in users)

    return seen


def _at(checkout: Checkout, *states: str) -> Callable[[], bool]:
    """A credential is in one of these states on disk now."""
    return lambda: any(record["state"] in states for record in checkout.journal().values())


def _finishes(checkout: Checkout, *, said: str) -> Result:
    """The next run finishes what was open, and nothing is left over anywhere."""
    done = checkout.run("apply", ok=True)
    assert said in done.err, done.text
    outside = Outside.of(checkout)
    assert checkout.strangers() == {} and checkout.litter() == [] and not outside.state_is_locked()
    assert {name: r["state"] for name, r in checkout.journal().items()} == dict.fromkeys(CREDENTIALS, "CLOSED")
    current = {name: outside.current(name) for name in CREDENTIALS}
    assert {name: outside.works(name, value) for name, value in current.items()} == dict.fromkeys(CREDENTIALS, True)
    # Nothing was minted twice, and no orphan stays: the current key is the only one.
    assert outside.access_keys("sandbox-feature-reader") == {current["feature-reader-key"]["access_key_id"]}
    return done


@pytest.mark.timeout(1200)
def test_an_interrupted_apply_is_finished_by_the_next_one(checkout: Checkout) -> None:
    first = checkout.start("apply")
    first.until(_terraform(checkout, "plan"), "terraform plan")
    first.signal(signal.SIGINT)
    stopped = first.finish()
    assert stopped.code == _INTERRUPTED and "next: " in stopped.err, stopped.text
    assert "Traceback" not in stopped.text and checkout.strangers() == {}

    second = checkout.start("apply")
    second.until(_terraform(checkout, "apply"), "terraform apply")
    second.until(_user_exists(checkout, "feature-reader"), "the first resource")
    second.signal(signal.SIGINT)
    stopped = second.finish()
    assert stopped.code == _INTERRUPTED and checkout.strangers() == {}, stopped.text
    assert not Outside.of(checkout).state_is_locked()

    third = checkout.start("apply")
    third.until(_at(checkout, "MINTING", "STAGED", "VERIFYING"), "a rotation")
    third.signal(signal.SIGTERM)
    stopped = third.finish()
    assert stopped.code == _INTERRUPTED and checkout.strangers() == {}, stopped.text
    _finishes(checkout, said="")  # a first issuance waits for nothing: what had begun has ended in order

    checkout.add("batch.yaml", _accounts(1))
    killed = checkout.start("apply")
    killed.until(_terraform(checkout, "apply"), "terraform apply")
    killed.until(_user_exists(checkout, "batch-1"), "the first resource")
    killed.signal(signal.SIGKILL)
    assert killed.finish().code == -signal.SIGKILL
    checkout.settle()
    _finishes(checkout, said="was cut off; carrying on")
    assert checkout.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.timeout(1200)
def test_when_terraform_dies_too_its_lock_is_released_by_the_next_run(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    killed = checkout.start("plan")
    killed.until(_terraform(checkout, "plan"), "terraform plan")
    killed.until(lambda: _lock_recorded(checkout), "the lock")
    killed.signal(signal.SIGSTOP)  # it must not see its child end
    checkout.kill(lambda line: "terraform" in line)
    killed.signal(signal.SIGKILL)
    assert killed.finish().code == -signal.SIGKILL
    checkout.settle()
    assert Outside.of(checkout).state_is_locked()
    done = checkout.run("apply", ok=True)
    assert re.search("lock .* killed run|killed run .* lock", done.err), done.err
    assert checkout.litter() == [] and not Outside.of(checkout).state_is_locked()


def _made(checkout: Checkout, number: int) -> Callable[[], bool]:
    """The apply that runs has on record that so many objects are made."""

    def seen() -> bool:
        logs = [path.read_text() for path in (checkout.state / "runs").glob("*.created.jsonl")]
        return sum('"id":"",' not in line for text in logs for line in text.splitlines()) >= number

    return seen


def _users(checkout: Checkout) -> dict[str, str]:
    """Users of service accounts: name -> the id that AWS gave when it was made."""
    users = Outside.of(checkout).aws("iam").list_users()["Users"]
    return {user["UserName"]: user["UserId"] for user in users}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("both", [False, True], ids=["terraform alone", "lifecycle too"])
def test_what_a_killed_terraform_made_is_adopted_and_nothing_is_made_twice(checkout: Checkout, both: bool) -> None:
    checkout.run("apply", ok=True)
    checkout.add("batch.yaml", _accounts(1))
    killed = checkout.start("apply")
    killed.until(_made(checkout, 2), "two objects")
    if both:
        killed.signal(signal.SIGSTOP)  # it must not see its child end
    checkout.kill(lambda line: "terraform" in line)
    if both:
        killed.signal(signal.SIGKILL)
    assert killed.finish().code != 0
    checkout.settle()
    left = _users(checkout)
    if both:  # a plan in between makes nothing and forgets nothing
        assert "that a killed run made" in checkout.run("plan", ok=True).err
    done = _finishes(checkout, said="that a killed run made")
    assert "adopts " in done.err, done.text
    assert left.items() <= _users(checkout).items()
    assert sum("-batch-1-" in name for name in _users(checkout)) == _ACCOUNTS
    assert "import" not in json.loads(
        (checkout.root / f"terraform/environments/{checkout.env}/main.tf.json").read_text()
    )
    assert checkout.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.timeout(1200)
def test_an_interrupted_rotation_is_finished_by_the_next_run(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    for state, number in [
        ("MINTING", signal.SIGKILL),
        ("VERIFYING", signal.SIGINT),
        ("GRACE", signal.SIGINT),
        ("GRACE", signal.SIGKILL),
        ("REVOKING", signal.SIGTERM),
    ]:
        old = {name: Outside.of(checkout).current(name) for name in CREDENTIALS}
        rotating = checkout.start("rotate", "apply", "--all", "--wait")
        rotating.until(_at(checkout, state), state)
        rotating.signal(number)
        stopped = rotating.finish()
        expected = -number if number == signal.SIGKILL else _INTERRUPTED
        assert stopped.code == expected, stopped.text
        assert "Traceback" not in stopped.text
        checkout.settle()
        # Who is quick may have closed all of them between our look and the signal.
        left = any(record["state"] != "CLOSED" for record in checkout.journal().values())
        _finishes(checkout, said="unfinished: " if left else "nothing due")
        outside = Outside.of(checkout)
        refused = {name: not outside.works(name, value) for name, value in old.items()}
        moved = {name: outside.current(name) != value for name, value in old.items()}
        assert refused == moved, f"after {number.name} at {state}"
