"""Choose what `verify` checks, from which position and with which value. Pure: the spec in, connectors out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Connector, Spec

DIRECT = "direct"
MOST_AT_ONCE = 200  # as in verify_connectors: threads of one process
USUALLY_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a run of verification is about. The default is every connector as the spec declares it.

    Attributes:
        names: only these; empty = all.
        kinds: only connectors of these kinds; empty = all.
        credential: only connectors that use it; empty = all.
        pending: try the candidate of an open rotation instead of the current value.
        through: an allowlist, or `direct`, instead of each connector's own; empty = its own.
        deadline: instead of each connector's own.
        concurrency: how many are verified at once.
    """

    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    credential: str = ""
    pending: bool = False
    through: str = ""
    deadline: timedelta | None = None
    concurrency: int = USUALLY_AT_ONCE


def select_connectors(spec: Spec, selection: Selection) -> tuple[Connector, ...]:
    """The connectors of a selection, by name, with its position and deadline.

    Raises:
        ConfigurationError: a name that the spec does not have, or a selection that means nothing.
    """
    _check(spec, selection)
    changes: dict[str, object] = {}
    if selection.through:
        changes["through"] = selection.through
    if selection.deadline is not None:
        changes["deadline"] = selection.deadline
    chosen = (spec.connectors[name] for name in sorted(spec.connectors))
    return tuple(item.model_copy(update=changes) for item in chosen if _wanted(item, selection))


def _wanted(connector: Connector, selection: Selection) -> bool:
    return (
        (not selection.names or connector.name in selection.names)
        and (not selection.kinds or connector.kind in selection.kinds)
        and (not selection.credential or connector.credential == selection.credential)
        and (not selection.pending or connector.credential is not None)
    )


def _check(spec: Spec, selection: Selection) -> None:
    _known("connector", selection.names, spec.connectors)
    _known("connector of kind", selection.kinds, {item.kind for item in spec.connectors.values()})
    _known("credential", (selection.credential,) if selection.credential else (), spec.credentials)
    elsewhere = bool(selection.through) and selection.through != DIRECT
    _known("allowlist", (selection.through,) if elsewhere else (), spec.allowlists)
    if elsewhere and not spec.allowlists[selection.through].proxy:
        raise ConfigurationError(
            f"allowlist {selection.through} names no proxy, so nothing can be verified through it",
            remedy=f"add `proxy:` to allowlists.{selection.through}, or verify with --through {DIRECT}",
        )
    if selection.pending and not selection.names and not selection.credential:
        raise ConfigurationError(
            "--pending says which value to try, but not of which credential",
            remedy="add --credential NAME, or name the connectors",
        )
    if selection.deadline is not None and selection.deadline <= timedelta():
        raise ConfigurationError("the deadline leaves no time", remedy="write it as 5s, 30s or 1m")
    if not 1 <= selection.concurrency <= MOST_AT_ONCE:
        raise ConfigurationError(
            f"{selection.concurrency} at once is not possible", remedy=f"choose from 1 to {MOST_AT_ONCE}"
        )


def _known(what: str, asked: tuple[str, ...], known: Collection[str]) -> None:
    unknown = sorted(set(asked) - set(known))
    if unknown:
        raise ConfigurationError(
            f"the spec has no {what} {', '.join(unknown)}", remedy=f"known are: {', '.join(sorted(known)) or 'none'}"
        )
