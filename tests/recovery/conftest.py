"""Adds the proof's table to the end of the test report: class x cut x how it ended, and the count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.recovery.cuts import Report

_PROPERTY = "recovery"


@pytest.fixture
def prove(record_property: Callable[[str, object], None]) -> Callable[[str, str, list[Report]], None]:
    """Count what cuts came to, and fail with each violated invariant and the first cut that shows it."""

    def count(scenario: str, boundary: str, reports: list[Report]) -> None:
        for ended, number in Counter(report.ended for report in reports).items():
            record_property(_PROPERTY, [scenario, boundary, ended, number])
        found: dict[str, Report] = {}
        for report in reports:
            for violation in report.violations:
                found.setdefault(violation, report)
        assert not found, "\n".join(
            f"{why}: {report.cut} ({report.where}), ended {report.ended}" for why, report in found.items()
        )

    return count


class _Table:
    """Collects the counts of all workers."""

    def __init__(self) -> None:
        self.cells: Counter[tuple[str, str, str]] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, list | tuple):
                scenario, boundary, ended, number = value
                self.cells[str(scenario), str(boundary), str(ended)] += int(number)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.cells:
            return
        terminalreporter.section("rotation: crash points")
        for (scenario, boundary), ended in sorted(self._rows().items()):
            told = ", ".join(f"{number} {how}" for how, number in sorted(ended.items()))
            terminalreporter.write_line(f"{scenario:18} {boundary:52} {told}")
        failed = len(terminalreporter.stats.get("failed", []))
        verdict = "0 lost, 0 orphaned, 0 revoked in use" if not failed else f"{failed} tests FAILED"
        terminalreporter.write_line(f"{sum(self.cells.values())} crash points, {verdict}")

    def _rows(self) -> dict[tuple[str, str], Counter[str]]:
        rows: dict[tuple[str, str], Counter[str]] = {}
        for (scenario, boundary, ended), number in self.cells.items():
            rows.setdefault((scenario, boundary), Counter())[ended] += number
        return rows


def pytest_configure(config: pytest.Config) -> None:
    """One table, in the process that writes the report."""
    if not hasattr(config, "workerinput") and not config.pluginmanager.has_plugin("recovery-table"):
        config.pluginmanager.register(_Table(), "recovery-table")
