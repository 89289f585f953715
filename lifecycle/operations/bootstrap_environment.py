"""`lifecycle bootstrap`: what must exist before an environment can be planned, made once and never changed again.

1. Look at every part and tell what is there and what is missing. 2. Nothing missing: done. 3. Ask. 4. Make what is
missing, in order, since later parts live in earlier ones; look again after each. Killed in between, the next run
finds the rest missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lifecycle.domain.errors import ApprovalMissingError, RemoteServiceError


class Part(Protocol):
    """One thing that must exist, e.g. the bucket of the state."""

    @property
    def title(self) -> str:
        """What it is, with its name."""
        ...

    def missing(self) -> tuple[str, ...]:
        """What is not there yet, or not as it must be, in words. Changes nothing."""
        ...

    def make(self) -> None:
        """Make what is missing and leave the rest alone. Second call: nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found: per part, what is missing; empty = it is there."""

    found: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def complete(self) -> bool:
        """Nothing is to be made."""
        return not any(missing for _, missing in self.found)

    def lines(self) -> list[str]:
        """For people, a line per part."""
        rows = [f"to make  {title}: {', '.join(missing)}" for title, missing in self.found if missing]
        return [f"exists   {title}" for title, missing in self.found if not missing] + rows


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapOutcome:
    """What was there before and what was made."""

    survey: Survey
    made: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        return {"parts": {title: list(missing) for title, missing in self.survey.found}, "made": list(self.made)}

    def lines(self) -> list[str]:
        """For people."""
        return [f"made {title}" for title in self.made] or ["nothing to do: every part exists"]


def bootstrap_environment(
    parts: Sequence[Part], *, confirm: Callable[[Survey], bool], observe: Callable[[str, str], None]
) -> BootstrapOutcome:
    """Make what is missing, after a yes.

    Args:
        parts: in the order in which they are made.
        confirm: shows the survey and asks; called only when something is missing.
        observe: told what is made.

    Raises:
        ApprovalMissingError: nobody said yes; nothing was made.
        RemoteServiceError: a part still lacks something after it was made.
    """
    survey = Survey(found=tuple((part.title, part.missing()) for part in parts))
    if survey.complete:
        return BootstrapOutcome(survey=survey, made=())
    if not confirm(survey):
        raise ApprovalMissingError(
            "nothing was made: nobody said yes", remedy="answer yes on a terminal, or add --yes after reading the list"
        )
    made = []
    for part in parts:
        if not part.missing():
            continue
        observe("bootstrap", f"making {part.title}")
        part.make()
        left = part.missing()
        if left:
            raise RemoteServiceError(
                f"{part.title} was made, but it still lacks: {', '.join(left)}",
                remedy="run `lifecycle bootstrap` again; it goes on from here",
            )
        made.append(part.title)
    return BootstrapOutcome(survey=survey, made=tuple(made))
