"""The simulated store passes the contract of the real ones; otherwise the recovery suite would prove nothing."""

from __future__ import annotations

from threading import RLock

import pytest

from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import SecretRef, VersionStage, secret_value
from lifecycle.testing.simulated_store import MemoryStore
from lifecycle.testing.store_contract import StoreBench, StoreContract
from lifecycle.testing.world import World


class OneAtATime:
    """The simulation has no threads; a server takes one call after the other."""

    def __init__(self, store: SecretStore) -> None:
        self._store, self._lock = store, RLock()

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)

        def call(*args: object, **options: object) -> object:
            with self._lock:
                return method(*args, **options)

        return call


class TestMemoryStore(StoreContract):
    """Nothing but the object in memory."""

    @pytest.fixture
    def bench(self) -> StoreBench:
        store, ref = MemoryStore(world=World()), SecretRef(store="default", path="one")

        def view() -> dict[str, object]:
            found = store.read(ref, VersionStage.CURRENT)
            fields: dict[str, object] = {name: text.get_secret_value() for name, text in found.value.items()}
            return fields | {"_lifecycle": {"operation": found.summary.operation}}

        return StoreBench(
            store=OneAtATime(store),  # type: ignore[arg-type]  # it passes every method on
            ref=ref,
            consumer_view=view,
            foreign_write=lambda fields: store.put_current(secret_value(fields)),
        )
