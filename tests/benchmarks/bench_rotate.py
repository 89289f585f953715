"""G10: writing at a quota without being throttled. G11, G12: what engine, journal and audit log add to the SDK's calls.

For G11 and G12 the engine rotates on ports in memory with the real SQLite journal and the real audit log, and makes the
six calls of a rotation (four to the store, two to the issuer) with boto3; the reference makes the same six calls alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.journals.audit_file import FileAuditLog
from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.operations.rotate_credential import rotate
from lifecycle.secret_stores.aws_secret_calls import AwsSecretCalls, token
from lifecycle.testing.world import World
from tests.benchmarks.measuring import Effort, Goal, Result, compare
from tests.fakes.house import House

QUOTA, LATENCY_MS, BURST, WRITERS = 50, 20, 10, 8
_ROOT = Path(__file__).resolve().parents[2]


def run(effort: Effort, scratch: Path) -> list[Result]:
    """All three goals."""
    results = quota(effort.pick(5, 3), effort.pick(4, 2))
    with stub(rate=0, latency_ms=0) as endpoint:
        results += overhead(endpoint, scratch, effort.pick(11, 5), effort.pick(20, 10))
    return results


def quota(rounds: int, length: int) -> list[Result]:
    """G10: eight threads write through one budget; the server's bucket has the same rate."""
    rates, throttles = [], []
    for _ in range(rounds):
        with stub(rate=QUOTA, latency_ms=LATENCY_MS) as endpoint:
            calls = AwsSecretCalls(clients(endpoint), RateBudget(QUOTA, burst=BURST))
            taken = write_for(calls, length)
            with urllib.request.urlopen(endpoint, timeout=10) as answer:
                seen = json.load(answer)
        rates.append(seen["passed"] / taken)
        throttles.append(seen["throttled"] / max(1, seen["passed"] + seen["throttled"]))
    what = f"writes C={WRITERS} {length}s"
    return [
        Goal(
            name="G10", what=what, ours=sorted(rates)[rounds // 2], reference=QUOTA, unit="/s", against="quota",
            ratios=tuple(rate / QUOTA for rate in rates), limit=0.95, at_least=True,
        ),
        Goal(
            name="G10", what=f"{what} throttled", ours=sorted(throttles)[rounds // 2], reference=1, unit="",
            against="all", ratios=tuple(throttles), limit=0.01, exact=True,
        ),
    ]  # fmt: skip


def write_for(calls: AwsSecretCalls, length: int) -> float:
    """Write from all threads for so many seconds; the seconds it really took."""
    calls.put("warm", {"a": 1}, token("warm"))  # makes the client
    start = time.monotonic()
    end = start + length

    def write(number: int) -> None:
        count = 0
        while time.monotonic() < end:
            count += 1
            try:
                calls.put(f"secret-{number}", {"a": count}, token(str(number), str(count)))
            except LifecycleError:
                continue  # throttled: the server has counted it

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - start


def overhead(endpoint: str, scratch: Path, rounds: int, rotations: int) -> list[Result]:
    """G11 by processor time, G12 by wall time."""
    aws = clients(endpoint)
    six_calls(aws)
    world = World()
    journal = SqliteJournal(scratch / "journal.sqlite", clock=lambda: world.now)
    house = House(kind=CredentialClass.B, world=world, book=journal, log=FileAuditLog(scratch / "audit"))
    # The referee of the simulations is not part of the engine.
    world.instant.clear()
    world.state_of = str
    house.provider.before_mint, house.provider.before_delete = _unwatched, _unwatched
    house.store.before_promote = _unwatched

    def engine() -> None:
        for _ in range(rotations):
            world.calls.clear()
            outcome = rotate(house.context("p1"), force=True, wait=True)
            if outcome.standing != "done":
                raise RuntimeError(f"the rotation ended {outcome.standing}: {outcome.text}")
            six_calls(aws)

    def bare() -> None:
        for _ in range(rotations):
            six_calls(aws)

    results = []
    for name, clock, limits, at_least in (
        ("G11", time.process_time, {"bare-sdk": 1.25}, False),
        ("G12", time.perf_counter, {"bare-sdk": 0.9}, True),
    ):
        sides = {"ours": _measured(engine, clock, rotations), "bare-sdk": _measured(bare, clock, rotations)}
        what = "cpu per rotation" if name == "G11" else "wall per rotation"
        results += compare(name, what, sides=sides, rounds=rounds, limits=limits, at_least=at_least, unit="ms")
    journal.close()
    return results


def _unwatched(*_: object) -> None:
    """In place of the referee."""


def _measured(work: Callable[[], None], clock: Callable[[], float], rotations: int) -> Callable[[], float]:
    def side() -> float:
        start = clock()
        work()
        return (clock() - start) / rotations * 1000

    return side


def six_calls(aws: AwsClients) -> None:
    """What a rotation cannot do without: mint, stage, verify by reading, promote in two moves' worth, revoke."""
    store, issuer = aws.writer("secretsmanager"), aws.writer("iam")
    issuer.create_access_key(UserName="bench")
    store.put_secret_value(SecretId="bench", SecretString="{}", VersionStages=["pending"])
    store.get_secret_value(SecretId="bench", VersionStage="AWSCURRENT")
    store.update_secret_version_stage(SecretId="bench", VersionStage="AWSCURRENT", MoveToVersionId="1" * 32)
    store.list_secret_version_ids(SecretId="bench")
    issuer.delete_access_key(UserName="bench", AccessKeyId="AKIAIOSFODNN7EXAMPLE")


def clients(endpoint: str) -> AwsClients:
    """boto3 clients of the stub."""
    key = SecretText("unused")
    return AwsClients(AwsConnection(region="eu-west-1", endpoint=endpoint, access_key_id=key, secret_access_key=key))


@contextmanager
def stub(*, rate: int, latency_ms: int) -> Iterator[str]:
    """A running stub server: its endpoint."""
    command = [sys.executable, "-m", "tests.benchmarks.stub_server", str(rate), str(latency_ms)]
    # A pipe that is not read would block it: its only output is its port.
    process: subprocess.Popen[Any] = subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
