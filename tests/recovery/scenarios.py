"""The credential classes under test, with the variants of traits that change how they are resumed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from lifecycle.domain.credential import CredentialClass
from tests.fakes.destination import Mood
from tests.fakes.house import House

K = CredentialClass


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way to set up the world."""

    kind: CredentialClass
    first: bool = False
    admin: bool = True
    mood: Mood = Mood.WILLING
    in_use: bool = False
    traits: dict[str, object] = field(default_factory=dict)

    def build(self, removed: frozenset[str] = frozenset()) -> House:
        """A fresh world."""
        house = House(
            kind=self.kind,
            first=self.first,
            admin=self.admin,
            traits=dict(self.traits),
            removed=removed,
            in_use=self.in_use,
        )
        house.consumer.mood = self.mood
        return house


SCENARIOS: dict[str, Scenario] = {
    "A": Scenario(kind=K.A),
    "A-first": Scenario(kind=K.A, first=True),
    "A-unconditional": Scenario(kind=K.A, traits={"conditional_set": False}),
    "A-consumer-fails": Scenario(kind=K.A, mood=Mood.FAILS),
    "B": Scenario(kind=K.B),
    "B-first": Scenario(kind=K.B, first=True),
    "B-soft": Scenario(kind=K.B, traits={"soft_off": True, "last_used": True}),
    "B-in-use": Scenario(kind=K.B, in_use=True, traits={"last_used": True}),
    "B-unstamped": Scenario(kind=K.B, traits={"stamp": False, "creator": True}),
    "B-blind": Scenario(kind=K.B, traits={"stamp": False, "creator": False}),
    "B-max3": Scenario(kind=K.B, traits={"slots": 3}),
    "B-consumer-fails": Scenario(kind=K.B, mood=Mood.FAILS),
    "B-consumer-stuck": Scenario(kind=K.B, mood=Mood.STUCK),
    "C": Scenario(kind=K.C),
    "C-first": Scenario(kind=K.C, first=True),
    "C-self": Scenario(kind=K.C, admin=False),
    "D": Scenario(kind=K.D),
    "D-first": Scenario(kind=K.D, first=True),
    "D-readback": Scenario(kind=K.D, traits={"readback": True}),
    "E": Scenario(kind=K.E),
    "E-overlap": Scenario(kind=K.E, traits={"overlap": timedelta(minutes=10)}),
}
