"""What `verify` shows while it runs: a table on a terminal, else a line for each result."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lifecycle.domain.verification import VerificationStatus

if TYPE_CHECKING:
    from lifecycle.cli.output import Output
    from lifecycle.operations.verify_connectors import ConnectorResult

_ROWS = 12
_STYLES = {
    VerificationStatus.VALID: "green",
    VerificationStatus.INVALID: "red",
    VerificationStatus.INDETERMINATE: "yellow",
}


class VerifyTable:
    """The last results and who is still awaited, as a table.

    Args:
        draw: shows a renderable of rich in place.
    """

    def __init__(self, draw: Callable[[Any], None]) -> None:
        self._draw = draw
        self._awaited: dict[str, None] = {}
        self._last: deque[ConnectorResult] = deque(maxlen=_ROWS)
        self._counts: Counter[VerificationStatus] = Counter()
        self._all = 0

    def begin(self, names: Sequence[str]) -> None:
        """Show that nothing is known yet."""
        self._awaited = dict.fromkeys(names)
        self._all = len(names)
        self._draw(self.render())

    def finished(self, item: ConnectorResult) -> None:
        """Show one more."""
        self._awaited.pop(item.name, None)
        self._last.append(item)
        self._counts[item.result.status] += 1
        self._draw(self.render())

    def render(self) -> Any:
        """The table as it stands."""
        from rich.table import Table

        counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
        table = Table(
            "connector",
            "result",
            "reason",
            "ms",
            box=None,
            title_justify="left",
            title=f"verify  {self._all - len(self._awaited)} of {self._all}  {counts}",
            caption_justify="left",
            caption=_names(list(self._awaited)),
        )
        for item in self._last:
            result = item.result
            spent = f"{result.latency.total_seconds() * 1000:.0f}"
            table.add_row(item.name, str(result.status), str(result.reason), spent, style=_STYLES[result.status])
        return table


class VerifyLines:
    """A line for each result.

    Args:
        say: prints it.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def begin(self, names: Sequence[str]) -> None:
        """Nothing is known yet, so nothing is said."""

    def finished(self, item: ConnectorResult) -> None:
        """Say one more."""
        reason = "" if item.result.status is VerificationStatus.VALID else f"  {item.result.reason}"
        self._say(f"{item.name}  {item.result.status}{reason}")


@contextmanager
def live_table(out: Output) -> Iterator[VerifyTable | VerifyLines]:
    """The table where it can be drawn, else the lines."""
    with out.picture() as draw:
        yield VerifyTable(draw) if draw is not None else VerifyLines(out.note)


def _names(awaited: Sequence[str]) -> str:
    if not awaited:
        return ""
    more = f" and {len(awaited) - 3} more" if len(awaited) > 3 else ""
    return f"awaited: {', '.join(awaited[:3])}{more}"
