"""A change as a reviewer reads it: what is done, what is allowed and what no longer, whom it reaches. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.domain.blast_radius import BlastRadius
from lifecycle.domain.grants import GrantChange


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeInWords:
    """What one change does.

    Attributes:
        since: what it is compared with, in words.
        allowed: what is allowed now that was not, and the other way.
        radius: whom it reaches.
        plan: what Terraform would make, change and destroy; empty when there is no plan.
        not_shown: why nothing is said about what is allowed; empty when it is said.
        withheld: how many sentences the audience does not get.
    """

    since: str
    allowed: GrantChange
    radius: BlastRadius
    plan: tuple[str, ...] = ()
    not_shown: str = ""
    withheld: int = 0

    def parts(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """A heading and its sentences, for every part that has any; the heading of what changes always stands."""
        if self.plan:
            yield "What is done", self.plan
        yield f"What changes for whom, since {self.since}", self._permissions()
        if reached := self.radius.lines():
            yield "Whom it reaches", reached

    def _permissions(self) -> tuple[str, ...]:
        if self.not_shown:
            return (f"not shown: {self.not_shown}",)
        if self.withheld:
            return (f"{self.withheld} sentences, withheld from this audience",)
        told = (*self.allowed.added, *(f"no longer allowed: {text}" for text in self.allowed.removed))
        return told or ("nothing is allowed or forbidden that was not",)

    def lines(self) -> tuple[str, ...]:
        """All of it as text."""
        return tuple(
            line for heading, told in self.parts() for line in (f"{heading}:", *(f"  {text}" for text in told))
        )

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "since": self.since,
            "newly_allowed": list(self.allowed.added),
            "no_longer_allowed": list(self.allowed.removed),
            "radius": self.radius.document(),
            "plan": list(self.plan),
            "not_shown": self.not_shown,
        }

    def withheld_words(self) -> ChangeInWords:
        """For those who may know that something changed, and not what."""
        count = len(self.allowed.added) + len(self.allowed.removed)
        nothing = GrantChange(added=(), removed=())
        return replace(self, allowed=nothing, radius=BlastRadius(replaced={}), plan=self.plan[:1], withheld=count)
