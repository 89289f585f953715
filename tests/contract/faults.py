"""Faults that a double injects into its next answers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.contract.http_doubles import Reply, Request


@dataclass(kw_only=True)
class Faults:
    """Answers `real`, unless the next fault for this method says otherwise.

    Attributes:
        real: the double.
        waiting: (method, reply, after): `after` = the request takes effect first; no reply = as usual.
        seen: methods and paths, for counting.
    """

    real: Callable[[Request], Reply]
    waiting: list[tuple[str, Reply | None, bool]] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)

    def next(self, method: str, reply: Reply, *, after: bool = False, times: int = 1) -> None:
        """Answer the next requests of this method so."""
        self.waiting += [(method, reply, after)] * times

    def after_next(self, method: str, reply: Reply, *, after: bool = False) -> None:
        """Answer the next request of this method as usual, and the one after it so."""
        self.waiting += [(method, None, False), (method, reply, after)]

    def lose_next(self, method: str) -> None:
        """The next request of this method lands, and its answer is lost."""
        self.next(method, Reply(hang_up=True), after=True)

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        self.seen.append((request.method, request.path))
        fault = next((item for item in self.waiting if item[0] == request.method), None)
        if fault is None:
            return self.real(request)
        self.waiting.remove(fault)
        reply = self.real(request) if fault[2] or fault[1] is None else None
        return fault[1] or reply or Reply(status=500)
