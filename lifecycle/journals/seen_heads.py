"""What this machine has seen of a journal that lies elsewhere, so that an older backup put back there is noticed.

One small file per credential, written after each committed or read record: number and digest of the newest one. Two
processes may write in either order; the older note can win then, which weakens the check by one record and never
refuses a journal that is right. Losing the folder forgets what was seen: the check begins anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from lifecycle.domain.audit import Digest
from lifecycle.domain.errors import IntegrityError
from lifecycle.foundation.atomic_file import replace_file


class SeenHeads:
    """Notes beside a journal.

    Args:
        folder: private to the user; made when first needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def beyond(self, credential: str, sequence: int, digest: Digest) -> bool:
        """Whether more, or something else, was seen than a head that shows this."""
        seen = self._read(credential)
        return seen is not None and (seen[0] > sequence or self.differs(credential, sequence, digest))

    def differs(self, credential: str, sequence: int, digest: Digest) -> bool:
        """Whether another record was seen under this number."""
        seen = self._read(credential)
        return seen is not None and seen[0] == sequence and seen[1] != digest

    def advance(self, credential: str, sequence: int, digest: Digest) -> None:
        """Note a newer record; an older one changes nothing."""
        seen = self._read(credential)
        if seen is not None and seen[0] >= sequence:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._path(credential), json.dumps({"sequence": sequence, "digest": digest}).encode())

    def _read(self, credential: str) -> tuple[int, str] | None:
        path = self._path(credential)
        try:
            note = json.loads(path.read_bytes())
            return int(note["sequence"]), str(note["digest"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"the note of what was seen of {credential} is damaged",
                remedy=f"compare the journal with the provider's own list, then remove {path.name} from "
                f"{self._folder.name} in the state directory",
            ) from error

    def _path(self, credential: str) -> Path:
        return self._folder / f"{quote(credential, safe='')}.json"
