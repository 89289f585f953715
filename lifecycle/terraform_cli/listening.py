"""What one command says while it runs, and what is recorded of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from lifecycle.terraform_cli.events import (
    ChangeDone,
    ChangePlanned,
    ChangeStarted,
    Diagnostic,
    DiagnosticShown,
    Event,
    Observer,
    parse_event,
)
from lifecycle.terraform_cli.locks import LockInfo
from lifecycle.terraform_cli.process import Finished
from lifecycle.terraform_cli.run_records import RunRecord, RunRecords

_UNDER_LOCK = (ChangePlanned, ChangeStarted, ChangeDone)


@dataclass(slots=True)
class Heard:
    """What one command said so far."""

    observer: Observer | None
    diagnostics: list[Diagnostic] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def line(self, line: bytes) -> Event | None:
        """Take in one line of output."""
        event = parse_event(line)
        match event:
            case DiagnosticShown(diagnostic=diagnostic) if diagnostic.severity == "error":
                self.diagnostics.append(diagnostic)
            case ChangePlanned(drift=False, action=action, address=address) if action not in {"noop", "read"}:
                self.planned.append(address)
            case ChangeStarted(address=address):
                self.started.append(address)
            case ChangeDone(address=address):
                self.done.append(address)
            case None if line.strip() and not line.startswith(b"{"):
                self.text.append(line.decode(errors="replace"))
            case _:
                pass
        if event is not None and self.observer is not None:
            self.observer(event)
        return event


@dataclass(slots=True)
class RecordedRun:
    """Keeps the run record of one command up to date; commands that take no lock have none."""

    records: RunRecords
    command: str
    run_id: str
    at: str
    lock_holder: Callable[[], LockInfo | None] | None
    record: RunRecord | None = None
    asked: bool = False

    def started(self, pid: int) -> None:
        """The process runs."""
        if self.run_id:
            self.record = self.records.open(run_id=self.run_id, command=self.command, pid=pid, started=self.at)

    def hearing(self, heard: Heard) -> Callable[[bytes], None]:
        """The line callback: the first event after `version` means that the lock is held, so its id is read then."""

        def line(text: bytes) -> None:
            event = heard.line(text)
            if event is not None and not self.asked and isinstance(event, _UNDER_LOCK):
                self.asked = True
                self._note_lock()

        return line

    def _note_lock(self) -> None:
        if self.record is None or self.lock_holder is None:
            return
        with contextlib.suppress(Exception):  # without the id the lock is reported instead of released: never worse
            lock = self.lock_holder()
            if lock is not None:
                self.record = self.records.locked(self.record, lock.id)

    def ended(self, finished: Finished) -> None:
        """The process has ended. The record stays when it was killed, as its lock may have stayed, too."""
        if self.record is not None and finished.returncode >= 0 and not finished.killed:
            self.records.close(self.record)
