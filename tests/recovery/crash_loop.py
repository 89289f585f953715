"""Real processes, real servers, `kill -9`: python -m tests.recovery.crash_loop --kills 1000 --seed 1

Each round starts `lifecycle rotate apply` in a sandbox of its own (OpenBao, emulator of AWS, DataRobot double), forked
from an interpreter that is loaded already, and kills the orchestrator, OpenBao, or both, at a moment that the seed
gives; what was not killed stays up. After some rounds everything is resumed and compared with the providers' own lists:
no key that is not the current one, and the stored value works.

A lost answer of IAM's CreateAccessKey leaves a key that nobody can prove to be ours: QUARANTINED, by design. The loop
then does what `docs/rotation.md` tells a person to do, and counts it. Any other quarantine is a failure.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.end_to_end.checkout import Checkout
from tests.end_to_end.outside import Outside
from tests.recovery.fork_server import ForkServer

IAM, DATAROBOT = "feature-reader-key", "datarobot-agent-key"
NAMES = (IAM, DATAROBOT)
ENV = "sandbox-vault"
_USER = "sandbox-vault-feature-reader"
_BY_DESIGN = "it cannot be told which new credential is ours"
_LONGEST = 2.2  # seconds; a rotation with its grace of one takes about this long
_ENDINGS = 12  # clean runs until everything must be closed; back-off after faults is seconds in a sandbox


@dataclass(kw_only=True)
class CrashLoop:
    """Kills and audits in one checkout.

    Attributes:
        checkout: private, its sandbox applied once by `begin`.
        seed: gives every moment; the same seed strikes at the same moments again.
        say: told one line per kill and per audit.
        counts: what happened, for the last line.
    """

    checkout: Checkout
    seed: str
    say: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    strangers: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    commands: ForkServer = field(init=False)

    def __post_init__(self) -> None:
        self.commands = ForkServer(checkout=self.checkout)

    def close(self) -> None:
        """End what was started."""
        self.commands.close()

    def begin(self) -> None:
        """Apply the environment, and see which DataRobot keys are not ours."""
        path = self.checkout.spec / "environment.yaml"
        path.write_text(path.read_text().replace("minimum: 2s", "minimum: 1s"))
        self.checkout.run("apply", ok=True)
        self.strangers = len(self._datarobot_keys()) - 1

    def run(self, kills: int, *, audit_every: int = 10) -> None:
        """Kill so often; raises AssertionError at the first violated invariant."""
        for number in range(1, kills + 1):
            if self.stop.is_set():
                return
            minting = self.kill_once(number)
            if minting or number % audit_every == 0 or number == kills:
                self.audit(number)
        self.checkout.run("audit", "verify", ok=True)

    def kill_once(self, number: int) -> bool:
        """Start a run, strike at a moment of the seed; tells whether the next run would first look for a lost key."""
        chance = random.Random(f"{self.seed}:{number}")
        moment, what = chance.uniform(0.05, _LONGEST), chance.choice(("run", "run", "run", "vault", "both"))
        running = self.commands.start("rotate", "apply", *NAMES)
        ends = time.monotonic() + moment
        while running.poll() is None and time.monotonic() < ends:
            time.sleep(0.01)
        states = {name: self.checkout.journal().get(name, {}).get("state", "-") for name in NAMES}
        if what != "run":
            self._kill_vault()
        if what != "vault":
            running.kill()
        done = running.finish()
        self.counts["kills" if done.code == -signal.SIGKILL or what != "run" else "came too late"] += 1
        shown = " ".join(f"{name}={state}" for name, state in states.items())
        self.say(f"kill {number} seed {self.seed}:{number} {what} at {moment:.2f} s: {shown} -> {done.code}")
        assert "Traceback" not in done.text, done.text
        return "MINTING" in states.values()

    def audit(self, number: int) -> None:
        """Finish everything, then compare store and providers."""
        for _ in range(_ENDINGS):
            done = self.commands.run("rotate", "resume", "--wait")
            open_now = {name: record for name, record in self.checkout.journal().items() if record["state"] != "CLOSED"}
            if done.code == 0 and not open_now:
                break
            for name, record in open_now.items():
                if record["state"] == "QUARANTINED":
                    self._as_a_person_would(name, record)
            time.sleep(1)
        else:
            raise AssertionError(f"seed {self.seed}:{number}: not closed: {open_now}\n{done.text}")
        outside = Outside.of(self.checkout)
        current = {name: outside.current(name) for name in NAMES}
        for name, value in current.items():
            assert outside.works(name, value), f"seed {self.seed}:{number}: the stored {name} does not work"
        keys = outside.access_keys(_USER)
        assert keys == {current[IAM]["access_key_id"]}, f"seed {self.seed}:{number}: IAM lists {sorted(keys)}"
        listed = self._datarobot_keys()
        assert len(listed) == self.strangers + 1, f"seed {self.seed}:{number}: DataRobot lists {listed}"
        assert self.checkout.strangers() == {}
        self.counts["audits"] += 1
        self.say(f"audit after {number}: both closed, both work, no other key")

    def _as_a_person_would(self, name: str, record: dict[str, Any]) -> None:
        """Delete the key that nobody can prove to be ours and that no store holds; then release."""
        assert record["reason"].startswith(_BY_DESIGN) and name == IAM, f"seed {self.seed}: {name}: {record['reason']}"
        outside = Outside.of(self.checkout)
        known = {outside.current(IAM)["access_key_id"]}
        for key in outside.access_keys(_USER) - known:
            outside.aws("iam").delete_access_key(UserName=_USER, AccessKeyId=key)
        self.commands.run("rotate", "release", name, "--reason", "the unexplained key was deleted")
        self.counts["quarantined by design"] += 1

    def _kill_vault(self) -> None:
        server = self.checkout.servers().get("vault")
        if server is not None and server["pid"] in self.checkout.processes():
            os.kill(server["pid"], signal.SIGKILL)

    def _datarobot_keys(self) -> list[str]:
        outside = Outside.of(self.checkout)
        token = outside.current(DATAROBOT)["api_token"]
        answer = httpx.get(
            f"{outside.urls['datarobot']}/api/v2/account/apiKeys/",
            headers={"Authorization": f"Bearer {token}"},
            params={"limit": 100},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return [f"{key['id']} {key['name']}" for key in answer.json()["data"]]


def main(argv: list[str]) -> int:
    """Run the loop in temporary checkouts, several at once: a rotation that was killed while minting waits a while."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lanes", type=int, default=6, help="checkouts at once, each with servers of its own")
    parser.add_argument("--mirror", type=Path, help="filesystem mirror of the AWS provider")
    options = parser.parse_args(argv)
    extra = {"LIFECYCLE_PROVIDER_MIRROR": str(options.mirror)} if options.mirror else {}
    lanes = min(options.lanes, options.kills)
    shares = [options.kills // lanes + (number < options.kills % lanes) for number in range(lanes)]
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="crash-") as folder, contextlib.ExitStack() as running:
        loops = [
            running.enter_context(lane(Path(folder) / str(number), f"{options.seed}/{number}", extra, _say))
            for number in range(lanes)
        ]
        begun = time.monotonic()
        try:
            with ThreadPoolExecutor(max_workers=lanes) as pool:
                for done in [pool.submit(loop.run, kills) for loop, kills in zip(loops, shares, strict=True)]:
                    _result(done, loops)
        finally:
            for loop in loops:
                counts += loop.counts
            told = ", ".join(f"{number} {what}" for what, number in counts.items())
            _say(f"seed {options.seed}, {lanes} lanes, {time.monotonic() - begun:.0f} s: {told}")
    _say("0 lost, 0 orphaned")
    return 0


def _result(done: Future[None], loops: list[CrashLoop]) -> None:
    try:
        done.result()
    except BaseException:  # one lane failed, or somebody interrupts: the others end after their present kill
        for loop in loops:
            loop.stop.set()
        raise


@contextlib.contextmanager
def lane(base: Path, seed: str, extra: Mapping[str, str], say: Callable[[str], None]) -> Iterator[CrashLoop]:
    """One checkout, applied; everything it started is ended."""
    base.mkdir()
    checkout = Checkout.make(base, env=ENV, extra=extra)
    loop = CrashLoop(checkout=checkout, seed=seed, say=say)
    try:
        loop.begin()
        yield loop
    finally:
        loop.close()
        checkout.close()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
