"""After each run: search everything that the run wrote for every value that it handled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from lifecycle.domain.errors import LeakFoundError, LifecycleError
from lifecycle.domain.leak import HandledSecret, Hit, Needle, TooLargeError, needles, search, search_flat, searchable
from lifecycle.domain.receipt import FoundLeak, LeakScan, ScannedSurface

# Where values may be and nobody here can look; they stand in each receipt, so that "clean" is not read as "nowhere".
BEYOND_REACH = (
    ScannedSurface(name="memory of the processes", scanned=False, reason="values live there while they are used"),
    ScannedSurface(name="logs of the providers and of CI", scanned=False, reason="kept by others"),
)


class Piece(Protocol):
    """Some bytes of a surface; `whole` when they are a complete file."""

    @property
    def where(self) -> str:
        """What to call them."""
        ...

    @property
    def data(self) -> bytes:
        """The bytes."""
        ...

    @property
    def whole(self) -> bool:
        """Whether archives in it can be opened."""
        ...


class Surface(Protocol):
    """One place to search. Reading it may raise OSError or one of our errors: then it counts as not scanned."""

    @property
    def name(self) -> str:
        """As it stands in the receipt."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """Its content."""
        ...


def scan_for_leaks(secrets: Iterable[HandledSecret], surfaces: Iterable[Surface]) -> LeakScan:
    """Search every surface for every value. Values are held in memory only, and never stand in the result.

    Args:
        secrets: what the run handled; see `lifecycle.domain.leak.handled`.
        surfaces: where to look. One that cannot be read is named as not scanned, with the reason.

    Returns:
        the scan for the receipt; `refuse_leaks` turns a finding into an error.
    """
    given = tuple(secrets)
    wanted = needles(given)
    scanned: list[ScannedSurface] = []
    leaks: list[FoundLeak] = []
    for surface in surfaces:
        result, hits = _scan(surface, wanted)
        scanned.append(result)
        leaks += [FoundLeak(surface=surface.name, where=h.where, encoding=h.encoding, secret=h.label) for h in hits]
    usable = len(searchable(given))
    if usable < len(given):
        reason = f"{len(given) - usable} values are too short to be told from ordinary text"
        scanned.append(ScannedSurface(name="short values", scanned=False, reason=reason))
    return LeakScan(secrets=usable, surfaces=(*scanned, *BEYOND_REACH), leaks=tuple(leaks))


def refuse_leaks(scan: LeakScan) -> None:
    """Stop with an error when a value was found.

    Raises:
        LeakFoundError: names the first place; all of them stand in the receipt.
    """
    if scan.clean:
        return
    first = scan.leaks[0]
    raise LeakFoundError(
        f"a value of {first.secret} stands in {first.surface} ({first.where}, {first.encoding});"
        f" {len(scan.leaks)} places in all",
        remedy="remove the file or entry, then rotate the credential with `lifecycle rotate apply`: its value is known",
    )


def _scan(surface: Surface, wanted: tuple[Needle, ...]) -> tuple[ScannedSurface, list[Hit]]:
    hits: dict[Hit, None] = {}
    files, size, reason = 0, 0, ""
    try:
        for piece in surface.pieces():
            files, size = files + 1, size + len(piece.data)
            try:
                look = search if piece.whole else search_flat
                hits.update(dict.fromkeys(look(piece.where, piece.data, wanted)))
            except TooLargeError as error:
                reason = f"archive not opened: {error}"
                hits.update(dict.fromkeys(search_flat(piece.where, piece.data, wanted)))
    except LifecycleError as error:
        reason = error.message
    except OSError as error:
        reason = f"could not be read: {error.strerror or type(error).__name__}"
    result = ScannedSurface(name=surface.name, scanned=not reason, files=files, bytes=size, reason=reason)
    return result, list(hits)
