"""What the leak scan searches for, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.bootstrap.infrastructure import Infrastructure
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.leak import HandledSecret, handled
from lifecycle.domain.receipt import LeakScan
from lifecycle.domain.secret import SecretRef, VersionStage

if TYPE_CHECKING:
    from lifecycle.bootstrap.rotation import Rotation
    from lifecycle.operations.scan_for_leaks import Surface

_STAGES = (VersionStage.CURRENT, VersionStage.PREVIOUS, VersionStage.RETIRING)
# The providers' own databases, and the sandbox's one named exception.
_NOT_OURS = frozenset({"servers", "bootstrap.json", "delivered"})


def scan(around: Surroundings, infrastructure: Infrastructure, rotation: Rotation) -> LeakScan:
    """Search everything that this run wrote for every value of the environment."""
    from lifecycle.operations.scan_for_leaks import scan_for_leaks

    with_labels = tuple(_handled(around, rotation))
    return scan_for_leaks(with_labels, tuple(_surfaces(around, infrastructure)))


def _handled(around: Surroundings, rotation: Rotation) -> Iterator[HandledSecret]:
    for name, credential in sorted(around.spec.credentials.items()):
        store = rotation.stores.named(credential.store)
        ref = SecretRef(store=credential.store, path=name)
        for stage in _STAGES:
            try:
                yield from handled(f"credentials.{name}", store.read(ref, stage).value)
            except NotFoundError:
                continue
    if around.sandbox:
        admin = around.sandbox.bootstrap
        yield HandledSecret(label="sandbox AWS administrator", value=admin.aws.secret_access_key)
        yield HandledSecret(label="sandbox DataRobot administrator", value=admin.datarobot.admin_key)


def _surfaces(around: Surroundings, infrastructure: Infrastructure) -> Iterator[Surface]:
    from lifecycle.foundation.surfaces import FetchedSurface, FolderSurface

    paths = around.paths
    yield FetchedSurface(name="Terraform state", fetch=infrastructure.runner.state_bytes)
    yield FolderSurface(name="reviewed plans", folder=paths.plans)
    yield FolderSurface(name="generated Terraform", folder=paths.generated)
    yield FolderSurface(name="environment spec", folder=paths.environment)
    yield FolderSurface(name="state folder (journal, audit, receipts, logs)", folder=paths.state, skip=_skipped)
    yield FolderSurface(name="logs of the local servers", folder=paths.state / "servers", pattern="*.log")


def _skipped(path: Path) -> bool:
    return path.parts[:1] in {(name,) for name in _NOT_OURS} or path.parts[:2] == ("terraform", "providers")
