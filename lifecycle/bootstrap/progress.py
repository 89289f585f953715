"""What Terraform does now, as one line that changes: n of m, and which object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class TerraformProgress:
    """Counts objects while an apply runs.

    Args:
        note: prints a line that belongs to the current step.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._update: Callable[[str], None] = lambda _text: None
        self._planned = 0
        self._done = 0

    def show_on(self, update: Callable[[str], None]) -> None:
        """Where the changing line is; called when a step begins."""
        self._update = update

    def expect(self, planned: int) -> None:
        """How many objects the apply will change."""
        self._planned, self._done = planned, 0

    def say(self, _step: str, text: str) -> None:
        """Progress of an operation, in words."""
        self._update(text)

    def hear(self, event: Any) -> None:
        """One event of Terraform's stream."""
        from lifecycle.terraform_cli import events

        match event:
            case events.ChangeStarted(address=address, action="read"):
                self._update(f"reading {address}")
            case events.ChangeStarted(address=address, action=action):
                self._update(f"{self._done + 1} of {self._planned}  {action} {address}")
            case events.ChangeDone(action=action) if action != "read":
                self._done += 1
            case events.Refreshing(address=address, done=False):
                self._update(f"reading {address}")
            case events.Message(text=text) if text.startswith("Releasing"):
                self._note(text)
            case _:
                pass
