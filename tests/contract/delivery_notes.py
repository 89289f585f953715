"""Where a destination under test keeps its notes, shared by two processes, and how each is built the same way twice."""

from dataclasses import dataclass, field

from lifecycle.destinations.noted_copy import CopyTarget, NotedCopy
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.secret import OperationId, SecretValue
from lifecycle.testing.destination_contract import FINGERPRINT

OPERATION = OperationId("op")


@dataclass
class Kept:
    """Notes in memory. `fails_at` makes that save (counted from 1) fail, as in a crash."""

    value: SecretValue = field(default_factory=dict)
    saves: int = 0
    fails_at: int = 0

    def load(self) -> SecretValue:
        if not self.value:
            raise NotFoundError("nothing kept", remedy="none")
        return self.value

    def save(self, value: SecretValue) -> None:
        self.saves += 1
        if self.saves == self.fails_at:
            raise KilledError
        self.value = value

    def words(self) -> str:
        """Everything that was kept, in clear."""
        return " ".join(text.get_secret_value() for text in self.value.values())


class KilledError(Exception):
    """Stands for SIGKILL at this point."""


def deliver(target: CopyTarget, kept: Kept, value: SecretValue, fence: int = 1) -> NotedCopy:
    """Deliver through fresh objects, as a process that has just started."""
    destination = NotedCopy(target, kept)
    destination.deliver("agent", value, FINGERPRINT(value), OPERATION, fence)
    return destination
