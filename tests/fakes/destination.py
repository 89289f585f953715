"""One consumer behind a fencing destination: it picks up when time passes, acknowledges, fails, or never moves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import FenceError
from lifecycle.domain.ports import CredentialDestination
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue
from lifecycle.testing.world import Port, World
from tests.fakes.provider import Provider


class Mood(StrEnum):
    """How a consumer takes a new value."""

    WILLING = "picks up and works"
    FAILS = "picks up and fails on it"
    STUCK = "never picks up"


@dataclass(kw_only=True)
class MemoryConsumer:
    """What lies at the destination (`box`), what the consumer works with (`holds`)."""

    world: World
    provider: Provider
    fingerprint: Fingerprinter
    box: SecretValue | None = None
    holds: SecretValue | None = None
    fence: int = 0
    mood: Mood = Mood.WILLING
    original: SecretValue | None = None
    withdrawn: bool = False

    def tick(self) -> None:
        """Time passes: pick up what lies there."""
        if self.mood is not Mood.STUCK or self.box == self.original:
            self.holds = self.box

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        if fence < self.fence and "fenced-deliver" not in self.world.removed:
            raise FenceError("a newer run has delivered", remedy="stop")
        self.box, self.fence = value, max(fence, self.fence)

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        if self.holds is None:
            return NotKnown.NOT_YET
        bad = self.mood is Mood.FAILS and self.holds != self.original
        failing = "refused by its target" if bad or not self.provider.accepts(self.holds) else ""
        return Acknowledgement(fingerprint=self.fingerprint(self.holds), failing=failing)

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        self.box = self.holds = None
        self.withdrawn = True


@dataclass(frozen=True, kw_only=True)
class DestinationPort(Port):
    """One process's way to the consumer."""

    consumer: MemoryConsumer

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        def effect() -> None:
            return self.consumer.deliver(consumer, value, fingerprint, operation, fence)

        return self.call("destination.deliver", effect, write=True)

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        return self.call("destination.acknowledged", lambda: self.consumer.acknowledged(consumer), write=False)

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        def effect() -> None:
            return self.consumer.withdraw(consumer, operation, fence)

        return self.call("destination.withdraw", effect, write=True)


_: type[CredentialDestination] = MemoryConsumer
__: type[CredentialDestination] = DestinationPort
