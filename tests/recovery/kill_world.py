"""The simulated world kept in a file, so that it survives real processes: loaded before and saved after each call."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from lifecycle.domain.audit import GENESIS, AuditEvent, Digest, canonical, digest_bytes
from lifecycle.domain.credential import CredentialId, ProviderCredential
from lifecycle.domain.errors import IntegrityError
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretValue,
    VersionId,
    VersionStage,
    VersionSummary,
    secret_value,
)
from lifecycle.journals.sqlite import SqliteJournal
from tests.fakes.house import House
from tests.recovery.scenarios import SCENARIOS


class FileAudit:
    """Audit events as chained lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, event: AuditEvent) -> Digest:
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            lines = [line for line in file.read().splitlines() if line]
            before = json.loads(lines[-1])["digest"] if lines else GENESIS
            body = event.model_dump(mode="json")
            digest = digest_bytes(str(before).encode() + canonical(body))
            file.write(json.dumps({"digest": digest, "event": body}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return digest

    def read(self) -> tuple[AuditEvent, ...]:
        before, events = str(GENESIS), []
        for line in self._path.read_text().splitlines() if self._path.exists() else []:
            entry = json.loads(line)
            if digest_bytes(before.encode() + canonical(entry["event"])) != entry["digest"]:
                raise IntegrityError("broken audit chain", remedy="restore")
            before = entry["digest"]
            events.append(AuditEvent.model_validate(entry["event"]))
        return tuple(events)


def open_house(folder: Path, name: str) -> House:
    """The world of this folder; a fresh one where there is none."""
    state = folder / "world.json"
    plain = SCENARIOS[name]
    house = House(kind=plain.kind, first=plain.first, admin=plain.admin, traits=dict(plain.traits))
    house.consumer.mood = plain.mood
    if state.exists():
        _load(house, json.loads(state.read_text()))
    else:
        _save(house, state)
    house.journal = SqliteJournal(folder / "journal.db", clock=lambda: house.world.now)
    house.audit = FileAudit(folder / "audit.jsonl")
    depth = 0

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        nonlocal depth
        depth += 1
        try:
            if depth > 1:
                yield
                return
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                _load(house, json.loads(state.read_text()))
                try:
                    yield
                finally:
                    _save(house, state)
        finally:
            depth -= 1

    house.world.around = around
    return house


def _save(house: House, path: Path) -> None:
    world, store, consumer = house.world, house.store, house.consumer
    document = {
        "now": world.now.isoformat(),
        "serial": world.serial,
        "verified": sorted(world.verified),
        "violations": world.violations,
        "paused": world.paused,
        "held": [_credential(item) for item in house.provider.held.values()],
        "single": {name: _plain(getattr(house.provider, name, None)) for name in _SINGLE},
        "changed": _iso(getattr(house.provider, "changed", None)),
        "values": [[*_summary(summary), _plain(value)] for summary, value in store.values.values()],
        "stages": {stage.value: version for stage, version in store.stages.items()},
        "pending": [[*key, version] for key, version in store.pending.items()],
        "revision": store.revision,
        "stepped": store.stepped,
        "arrived": store.arrived,
        "promoted": sorted(store.promoted),
        "box": _plain(consumer.box),
        "holds": _plain(consumer.holds),
        "fence": consumer.fence,
    }
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(document))
    temporary.replace(path)


def _load(house: House, document: dict[str, Any]) -> None:
    world, store, consumer = house.world, house.store, house.consumer
    world.now, world.serial = datetime.fromisoformat(document["now"]), document["serial"]
    world.verified, world.violations = set(document["verified"]), document["violations"]
    world.paused = document["paused"]
    house.provider.held = {item.id: item for item in map(_credential_of, document["held"])}
    for name, value in document["single"].items():
        if hasattr(house.provider, name):
            setattr(house.provider, name, _value(value))
    if document["changed"] and hasattr(house.provider, "changed"):
        house.provider.changed = datetime.fromisoformat(document["changed"])
    store.values = {}
    for version, operation, candidate, created, value in document["values"]:
        summary = VersionSummary(
            version=VersionId(version),
            operation=OperationId(operation),
            candidate=CandidateId(candidate),
            created=datetime.fromisoformat(created) if created else None,
        )
        store.values[summary.version] = (summary, _value(value) or {})
    store.stages = {VersionStage(stage): version for stage, version in document["stages"].items()}
    store.pending = {(OperationId(one), CandidateId(two)): VersionId(three) for one, two, three in document["pending"]}
    store.revision, store.arrived = document["revision"], document["arrived"]
    step, made = document["stepped"]
    store.stepped = (step, made)
    store.promoted = {OperationId(item) for item in document["promoted"]}
    consumer.box, consumer.holds = _value(document["box"]), _value(document["holds"])
    consumer.fence = document["fence"]


_SINGLE = ("accepted", "newest", "parent")


def _plain(value: SecretValue | None) -> dict[str, str] | None:
    return None if value is None else {name: text.get_secret_value() for name, text in value.items()}


def _value(plain: dict[str, str] | None) -> SecretValue | None:
    return None if plain is None else secret_value(plain)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _summary(item: VersionSummary) -> list[str | None]:
    return [item.version, item.operation, item.candidate, _iso(item.created)]


def _credential(item: ProviderCredential) -> dict[str, Any]:
    return {
        "id": item.id,
        "created": _iso(item.created),
        "marker": item.marker,
        "creator": item.creator,
        "enabled": item.enabled,
        "slot": item.slot,
    }


def _credential_of(plain: dict[str, Any]) -> ProviderCredential:
    created = datetime.fromisoformat(plain["created"]) if plain["created"] else None
    return ProviderCredential(**(plain | {"id": CredentialId(plain["id"]), "created": created}))
