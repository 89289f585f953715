"""`rotate status --watch`: each new line once, until nothing is open; Ctrl-C ends the watching and nothing else."""

from __future__ import annotations

from typing import Any, cast

from lifecycle.cli.rotate import _watched
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import ExitCode
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_status import RotationStatus, rotation_status
from tests.fakes.destination import Mood
from tests.fakes.house import House


class Told:
    """What the command notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Watched:
    """A house in which a rotation goes on between two looks."""

    def __init__(self, *, interrupted: bool = False) -> None:
        self.house = House(kind=CredentialClass.B)
        self.house.consumer.mood = Mood.STUCK
        rotate(self.house.context("p1"))
        self.interrupted, self.looks = interrupted, 0

    def rotation_status(self) -> RotationStatus:
        self.looks += 1
        if self.looks == 3 and self.interrupted:
            raise KeyboardInterrupt
        if self.looks == 3:
            self.house.consumer.mood = Mood.WILLING
            resume(self.house.context("p1"), wait=True)
        return rotation_status([self.house.context("p2")])


def _run(watched: Watched) -> tuple[RotationStatus, list[str]]:
    told = Told()
    return _watched(cast("Any", watched), cast("Any", told), watched.rotation_status(), seconds=0.0), told.notes


def test_new_lines_are_told_once_until_nothing_is_open() -> None:
    status, notes = _run(Watched())
    assert status.exit_code() is ExitCode.DONE and "waits for app" in notes[0]
    assert len(notes) == len(set(notes)) and not status.open and "CLOSED" in status.lines()[0]


def test_interrupt_ends_the_watching_with_what_was_last_seen() -> None:
    watched = Watched(interrupted=True)
    status, notes = _run(watched)
    record = watched.house.record
    assert status.exit_code() is ExitCode.DONE and notes == status.lines() and "waits for app" in notes[0]
    assert record is not None and record.open
