"""How far the exploration goes: LIFECYCLE_BOUNDS=large (nightly) or small (every run)."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Strides and counts of the exploration."""

    pause_stride: int
    schedule_stride: int
    doubles: int
    kills: int


SMALL = Bounds(pause_stride=7, schedule_stride=6, doubles=150, kills=12)
_LARGE = Bounds(pause_stride=1, schedule_stride=1, doubles=5000, kills=200)


def bounds() -> Bounds:
    """The bounds of this run."""
    return _LARGE if os.environ.get("LIFECYCLE_BOUNDS") == "large" else SMALL
