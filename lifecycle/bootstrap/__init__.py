"""The composition root: settings to adapters to operations. Alone names concrete adapters."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lifecycle.bootstrap.house import House

__all__ = ["House", "color_wanted", "open_house"]

Step = Callable[[str, str], None]
Live = Callable[[str], AbstractContextManager[Callable[[str], None]]]


def open_house(*, env: str, root: str, step: Step, note: Callable[[str], None], live: Live) -> House:
    """Read the settings and open what the command line may ask for. Starts and reads nothing else.

    Args:
        env: from `--env`; empty = LIFECYCLE_ENV or lifecycle.toml.
        root: from `--root`; empty = the current folder.
        step: prints one line of progress.
        note: prints a line that belongs to it.
        live: a line that changes in place.
    """
    from lifecycle.bootstrap.house import House
    from lifecycle.bootstrap.paths import Paths
    from lifecycle.bootstrap.surroundings import Surroundings, read_settings

    settings = read_settings(env=env, root=root)
    paths = Paths(root=settings.root.resolve(), env=settings.env, state_home=settings.state_dir)
    return House(Surroundings(settings=settings, paths=paths, step=step, note=note), live=live)


def color_wanted() -> bool:
    """Whether the user allows colour."""
    from lifecycle.settings import color_wanted as wanted

    return wanted()


def __getattr__(name: str) -> object:
    if name == "House":
        from lifecycle.bootstrap.house import House

        return House
    raise AttributeError(name)
