"""Whether a value outlives its rotation: one that ends by itself must live until all consumers have the next."""

from __future__ import annotations

from datetime import timedelta

from lifecycle.domain.rotation_forecast import in_words
from lifecycle.domain.spec import Credential

LIFE = "lifetime"
LIFE_REMEDY = "raise `lifetime`, or lower `rotation_period` or `grace.ceiling`"


def too_short_a_life(credential: Credential) -> str:
    """Why its values end too early, in words; empty when they do not, or have no declared life.

    Kinds that live for minutes are replaced by their life, not by the period, and say so with `refresh_after`.
    """
    life = getattr(credential.settings, LIFE, None)
    if not isinstance(life, timedelta) or hasattr(credential.settings, "refresh_after"):
        return ""
    needed = credential.rotation_period + credential.grace.ceiling
    if life > needed:
        return ""
    return (
        f"a value lives {in_words(life)}, but is needed for up to {in_words(needed)} "
        "(rotation_period and grace.ceiling)"
    )
