"""What every destination does. A test module subclasses `DestinationContract` and gives it a `bench`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import FenceError
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import OperationId, SecretValue, fingerprint, secret_value

FINGERPRINT = partial(fingerprint, key=b"k" * 32, key_id="test")
ONE = secret_value({"id": "1", "token": "value-one"})
TWO = secret_value({"id": "2", "token": "value-two"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationBench:
    """A destination with one consumer.

    Attributes:
        destination: under test.
        again: the same destination as another process sees it.
        holds: whether the consumer can use this value now, seen from the outside.
        effects: counts what a delivery did to the consumer.
    """

    destination: CredentialDestination
    again: CredentialDestination
    holds: Callable[[SecretValue], bool]
    effects: Callable[[], int]

    def deliver(self, value: SecretValue, fence: int, destination: CredentialDestination | None = None) -> None:
        """Deliver under a fence."""
        target = destination or self.destination
        target.deliver("agent", value, FINGERPRINT(value), OperationId("op"), fence)

    def acknowledged(self) -> object:
        """The acknowledged fingerprint, or why there is none."""
        said = self.again.acknowledged("agent")
        return said.fingerprint if isinstance(said, Acknowledgement) else said


class DestinationContract:
    """The suite."""

    def test_nothing_is_acknowledged_before_the_first_delivery(self, bench: DestinationBench) -> None:
        """Nothing is acknowledged before the first delivery."""
        assert bench.acknowledged() is NotKnown.NOT_YET

    def test_delivered_value_is_held_and_acknowledged(self, bench: DestinationBench) -> None:
        """Delivered value is held and acknowledged."""
        for fence, value in enumerate((ONE, TWO), start=1):
            bench.deliver(value, fence)
            assert bench.acknowledged() == FINGERPRINT(value)
            assert bench.holds(value)

    def test_second_delivery_has_no_further_effect(self, bench: DestinationBench) -> None:
        """Second delivery has no further effect."""
        bench.deliver(ONE, 1)
        before = bench.effects()
        bench.deliver(ONE, 1)
        bench.deliver(ONE, 2, bench.again)
        assert bench.effects() == before
        assert bench.acknowledged() == FINGERPRINT(ONE)

    def test_lower_fence_is_refused(self, bench: DestinationBench) -> None:
        """Lower fence is refused."""
        bench.deliver(ONE, 1)
        bench.deliver(ONE, 5, bench.again)
        with pytest.raises(FenceError):
            bench.deliver(TWO, 4)
        with pytest.raises(FenceError):
            bench.destination.withdraw("agent", OperationId("op"), 4)
        assert bench.acknowledged() == FINGERPRINT(ONE)

    def test_withdrawn_copy_is_gone_and_the_fence_stays(self, bench: DestinationBench) -> None:
        """Withdrawn copy is gone and the fence stays."""
        bench.deliver(ONE, 3)
        for _ in range(2):
            bench.destination.withdraw("agent", OperationId("op"), 3)
        assert bench.acknowledged() is NotKnown.NOT_YET
        assert not bench.holds(ONE)
        with pytest.raises(FenceError):
            bench.deliver(TWO, 2)
        bench.deliver(TWO, 4)
        assert bench.holds(TWO)

    def test_withdrawal_before_any_delivery_is_fine(self, bench: DestinationBench) -> None:
        """Withdrawal before any delivery is fine."""
        bench.destination.withdraw("agent", OperationId("op"), 1)
        assert bench.acknowledged() is NotKnown.NOT_YET
