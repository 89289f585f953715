"""What one command says while it runs, and what is recorded of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lifecycle.domain.ports import Clock
from lifecycle.terraform_cli.created_log import Created
from lifecycle.terraform_cli.events import (
    ChangeDone,
    ChangeFailed,
    ChangePlanned,
    ChangeStarted,
    Diagnostic,
    DiagnosticShown,
    Event,
    Observer,
    Refreshing,
    parse_event,
)
from lifecycle.terraform_cli.lock_holders import LockHolder
from lifecycle.terraform_cli.process import Finished
from lifecycle.terraform_cli.run_records import RunRecord, RunRecords

# What is only said while the state lock is held.
_UNDER_LOCK = (Refreshing, ChangePlanned, ChangeStarted, ChangeDone)
_LOCK_ATTEMPTS = 3
_STATE_NOT_SAVED = re.compile(r"(saving|save|persist|write|writing)\s+(the\s+)?state", re.IGNORECASE)


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


@dataclass(slots=True, kw_only=True)
class RecordedRun:
    """Keeps the run record of one command up to date; commands that take no lock have none.

    Attributes:
        records: where it is kept.
        command: the subcommand.
        run_id: name of the record; empty for none.
        clock: the time.
        lock_holder: reads the state lock; answers within seconds, as it is asked between two events.
        plan_file: of an apply, whose creations are logged.
    """

    records: RunRecords
    command: str
    run_id: str
    clock: Clock
    lock_holder: LockHolder | None
    plan_file: str = ""
    record: RunRecord | None = None
    _begun: datetime | None = None
    _attempts: int = 0
    _failed: list[str] = field(default_factory=list)

    def started(self, pid: int) -> None:
        """The process runs."""
        if self.run_id:
            self._begun = self.clock()
            self.record = self.records.open(
                run_id=self.run_id, command=self.command, pid=pid, started=self._begun.isoformat()
            )

    def hearing(self, heard: Heard) -> Callable[[bytes], None]:
        """The line callback: events about objects say that the lock is held, so its id is read then."""

        def line(text: bytes) -> None:
            event = heard.line(text)
            self._note_created(event)
            if isinstance(event, _UNDER_LOCK) and self._attempts < _LOCK_ATTEMPTS:
                self._attempts += 1
                self._note_lock()

        return line

    def _note_created(self, event: Event | None) -> None:
        """Log what is being made, before anything else happens: the next event may never come."""
        if self.record is None or not self.plan_file:
            return
        created = None
        match event:
            case ChangeStarted(address=address, action="create"):
                created = Created(address=address, plan=self.plan_file)
            case ChangeDone(address=address, action="create", id=id) if id:
                created = Created(address=address, id=id, plan=self.plan_file)
            case ChangeFailed(address=address, action="create"):
                created = Created(address=address, failed=True)
                self._failed.append(address)
            case _:
                pass
        if created is not None:
            self.records.created.note(self.record.run_id, created)

    def _note_lock(self) -> None:
        """Record the lock's id if it is provably ours.

        It was made on this machine, by its clock, between our start and an event that says that we hold the lock. A
        lock that we only wait for is older; one that was taken after ours was released is younger.
        """
        if self.record is None or self.lock_holder is None or self._begun is None:
            return
        until = self.clock()
        lock = self.lock_holder()
        if lock is None:
            return
        created = lock.created_at()
        here = lock.who.rpartition("@")[2] == self.record.host
        if here and created is not None and self._begun <= created <= until:
            self._attempts = _LOCK_ATTEMPTS
            self.record = self.records.locked(self.record, lock.id)

    def ended(self, finished: Finished, heard: Heard | None) -> None:
        """The process has ended. The record stays when it was killed, as its lock may have stayed, too.

        So does the log of what it created, which also stays when Terraform says that it could not save its state, and
        when it was asked to stop: its provider breaks off calls that may have taken effect, and calls them failed.
        """
        if self.record is None or finished.returncode < 0 or finished.killed:
            return
        self.records.close(self.record)
        if finished.interrupted or finished.timed_out:
            for address in self._failed:
                self.records.created.note(self.record.run_id, Created(address=address, plan=self.plan_file))
            return
        if heard is None or not any(_STATE_NOT_SAVED.search(diagnostic.summary) for diagnostic in heard.diagnostics):
            self.records.created.drop(self.record.run_id)
