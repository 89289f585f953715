"""One value of the tool itself in a store: the fingerprint key, or the token that manages an OAuth registration."""

from __future__ import annotations

from typing import Protocol

from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.secret import SecretRef, SecretValue


class KeepingStore(Protocol):
    """The part of our stores that replaces values in place."""

    def recall(self, ref: SecretRef) -> SecretValue:
        """Read it. Raises NotFoundError."""
        ...

    def keep(self, ref: SecretRef, value: SecretValue) -> None:
        """Write it. Raises LostRaceError when another process wrote meanwhile."""
        ...


class KeptValue:
    """The value at one place.

    Args:
        store: where.
        ref: its address.
        seed: what it is before it was ever written; empty = it must have been written.
    """

    def __init__(self, store: KeepingStore, ref: SecretRef, *, seed: SecretValue | None = None) -> None:
        self._store = store
        self._ref = ref
        self._seed = dict(seed or {})

    def load(self) -> SecretValue:
        """The value. Raises NotFoundError when there is neither a value nor a seed."""
        try:
            return self._store.recall(self._ref)
        except NotFoundError:
            if not self._seed:
                raise
            return self._seed

    def save(self, value: SecretValue) -> None:
        """Replace it."""
        self._store.keep(self._ref, value)
