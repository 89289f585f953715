"""In which order credentials are rotated: who is changed with another one goes before it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.domain.errors import ConfigurationError


def waves(uses: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """The wave in which each credential is rotated; those of one wave may go at once.

    A credential that sets or authorises others is replaced after all of them: until then nothing stands and falls with
    a value that is fresh itself.

    Args:
        uses: credential -> the credentials with whose value it is changed. Names that are no key are left aside.

    Raises:
        ConfigurationError: they lead round in a circle.
    """
    found: dict[str, int] = {}
    left = {name: {other for other in others if other in uses} for name, others in uses.items()}
    wave = 0
    while left:
        needed = set().union(*left.values())
        ready = sorted(name for name in left if name not in needed)
        if not ready:
            raise ConfigurationError(
                f"credentials are changed with each other in a circle: {', '.join(sorted(left))}",
                remedy="let one of them be changed with a credential outside the circle",
            )
        for name in ready:
            found[name] = wave
            del left[name]
        wave += 1
    return found
