import io
from typing import Any

from rich.console import Console

from lifecycle.cli.output import Output
from lifecycle.cli.verify_live import VerifyTable, live_table
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.operations.verify_connectors import ConnectorResult


def _item(name: str, reason: Reason) -> ConnectorResult:
    return ConnectorResult(name=name, result=VerificationResult(status=outcome(reason), reason=reason))


def test_table_shows_results_counts_and_who_is_awaited() -> None:
    drawn: list[Any] = []
    table = VerifyTable(drawn.append)
    table.begin(["a", "b", "c", "d", "e", "f"])
    table.finished(_item("b", Reason.WRONG_VALUE))
    console = Console(file=io.StringIO(), width=100)
    console.print(drawn[-1])
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO of the line above
    assert "verify  1 of 6  1 invalid" in text
    assert "wrong value" in text
    assert "awaited: a, c, d and 2 more" in text


def test_without_a_terminal_each_result_is_a_line() -> None:
    told = io.StringIO()
    with live_table(Output(stdout=io.StringIO(), stderr=told)) as watch:
        watch.begin(["a", "b"])
        watch.finished(_item("b", Reason.CONNECTION_REFUSED))
        watch.finished(_item("a", Reason.WORKS))
    assert [line.strip() for line in told.getvalue().splitlines()] == [
        "b  indeterminate  connection refused",
        "a  valid",
    ]
