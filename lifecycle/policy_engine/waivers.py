"""Waivers: a named person accepts one finding on one object until a date. Incomplete or lapsed ones do not count."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lifecycle.domain.policy import Finding
from lifecycle.policy_engine.yaml_file import read_yaml, validated

LONGEST = timedelta(days=180)
Text = Annotated[str, Field(min_length=3)]


class Waiver(BaseModel):
    """One accepted finding.

    Attributes:
        id: stands in the finding that it covers.
        rule: the rule it waives.
        scope: exactly one spec entry (`agents.eu-1`) or one Terraform address; no patterns.
        owner: who answers for it.
        reason: why it is acceptable.
        ticket: where it was decided.
        granted: first day.
        expires: last day, at most 180 days after `granted`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^W-[A-Za-z0-9-]+$")]
    rule: Annotated[str, Field(pattern=r"^LC-[A-Z]+-\d{3}$")]
    scope: Text
    owner: Text
    reason: Text
    ticket: Text
    granted: date
    expires: date

    @model_validator(mode="after")
    def _bounded(self) -> Waiver:
        if not self.granted <= self.expires <= self.granted + LONGEST:
            raise ValueError(f"a waiver lasts at most {LONGEST.days} days and ends after it begins")
        if any(mark in self.scope for mark in "*?"):
            raise ValueError("the scope names one entry or address, never a pattern")
        return self

    def covers(self, finding: Finding, today: date) -> bool:
        """Whether it stands for this finding today."""
        in_force = self.granted <= today <= self.expires
        return in_force and self.rule == finding.rule and self.scope in (finding.entry, finding.address)


def load_waivers(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a bundle; none when the file is absent.

    Raises:
        ConfigurationError: a waiver is incomplete or lasts too long.
    """
    return validated(path, Waiver, read_yaml(path) or []) if path.exists() else ()
