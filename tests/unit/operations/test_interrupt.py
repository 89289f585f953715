"""A rotation that only waits ends at once when the run is interrupted, and says nothing wrong in the journal."""

from __future__ import annotations

import dataclasses
import threading
from datetime import timedelta

import pytest

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import InterruptedRunError
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import VerificationResult
from lifecycle.operations.resume_rotations import rotate_all
from lifecycle.operations.rotate_credential import resume
from lifecycle.operations.rotation_context import Standing
from tests.fakes.house import House


def test_an_interrupt_ends_a_rotation_that_waits_for_its_grace() -> None:
    waiting, interrupted = House(kind=CredentialClass.B), House(kind=CredentialClass.B)
    reached, stopping = threading.Event(), threading.Event()

    def wait_for_ever(_length: timedelta) -> None:
        reached.set()
        stopping.wait()
        raise InterruptedRunError("interrupted while waiting", remedy="run it again")

    def interrupt(_value: SecretValue) -> VerificationResult:
        reached.wait()
        raise KeyboardInterrupt

    contexts = [
        dataclasses.replace(waiting.context("p1"), sleep=wait_for_ever),
        dataclasses.replace(interrupted.context("p2"), verify=interrupt),
    ]
    with pytest.raises(InterruptedRunError):
        rotate_all(contexts[::-1], wait=True, stop=stopping.set)
    record = waiting.record
    assert record is not None and record.open and record.state in (State.GRACE, State.PROPAGATING)
    assert record.faults == 0, "an interrupt is no failure of the surroundings"
    waiting.world.pass_time(timedelta(hours=3))
    assert resume(waiting.context("p3"), wait=True).standing is Standing.DONE
