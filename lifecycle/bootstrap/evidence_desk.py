"""Reads every source of the evidence pack and writes its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle import __version__
from lifecycle.bootstrap.gate import gate
from lifecycle.bootstrap.policy_desk import PolicyDesk
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, IntegrityError, LifecycleError
from lifecycle.domain.policy import GateInput
from lifecycle.domain.receipt import Receipt

if TYPE_CHECKING:
    from lifecycle.domain.audit import AuditEvent
    from lifecycle.domain.ports import RotationJournal
    from lifecycle.domain.rotation import RotationRecord


def write_evidence(
    around: Surroundings,
    desk: PolicyDesk,
    journal: Callable[[], RotationJournal],
    folder: Path,
    period: tuple[datetime, datetime],
) -> list[str]:
    """Write the pack into a new or empty folder; returns the relative paths.

    Args:
        around: settings, paths, spec.
        desk: knows the rules.
        journal: opens the journal; one that cannot be read is told in the pack.
        folder: where the pack goes.
        period: first and last moment.

    Raises:
        ConfigurationError: the folder holds something already.
        IntegrityError: a receipt was cut or edited.
    """
    from lifecycle.foundation.atomic_file import private_folder, replace_file
    from lifecycle.operations.gather_evidence import EvidenceSources, gather_evidence
    from lifecycle.renderers.evidence import evidence_files

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} holds something already", remedy="name a new folder for the evidence pack")
    gaps: dict[str, tuple[str, ...]] = {
        "q3-credentials": ("the providers' own lists were not read, so unknown credentials are not counted",),
        "q4-rotations": ("approvals of single rotations",),
        "q6-policies": ("who signed the bundle",),
        "q9-rights": ("what the identities hold at the provider now",),
    }
    originals = _originals(around)
    records, events, head = _records(journal, gaps), *_events(around, gaps)
    made, engine = utc_now(), gate(around)
    sources = EvidenceSources(
        spec=around.spec,
        verdict=engine.evaluate(GateInput(spec=around.spec)),
        cards=desk.cards,
        receipts=tuple(_receipt(name, data) for name, data in originals.items() if name.startswith("receipts/")),
        records=records,
        events=events,
        audit_head=head,
        waivers=_waivers(around, made),
        rights=_rights(around, gaps),
        gaps=gaps,
    )
    pack = gather_evidence(sources, since=period[0], until=period[1], made=made, tool_version=__version__)
    files = {name: text.encode() for name, text in evidence_files(pack).items()} | originals
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))
    private_folder(folder)
    for name, data in (files | {"SHA256SUMS": sums.encode()}).items():
        private_folder((folder / name).parent)
        replace_file(folder / name, data)
    return sorted([*files, "SHA256SUMS"])


def _originals(around: Surroundings) -> dict[str, bytes]:
    from lifecycle.journals.receipt_files import finished_receipts

    paths = around.paths
    receipts = finished_receipts(paths.receipts)
    found = {f"receipts/{path.name}": path.read_bytes() for path in receipts}
    head = paths.audit.with_name(f"{paths.audit.name}.head")
    for path in (paths.audit, head):
        if path.is_file():
            found[path.name] = path.read_bytes()
    return found


def _receipt(name: str, data: bytes) -> Receipt:
    try:
        return Receipt.model_validate_json(data)
    except ValueError:
        raise IntegrityError(f"{name} was cut or edited", remedy="restore it from a backup, or find who did") from None


def _records(
    journal: Callable[[], RotationJournal], gaps: dict[str, tuple[str, ...]]
) -> dict[str, tuple[RotationRecord, ...]] | None:
    try:
        found = journal()
        return {name: found.history(name) for name in found.credentials()}
    except LifecycleError as error:
        for section in ("q3-credentials", "q4-rotations"):
            gaps[section] = (*gaps.get(section, ()), f"the journal: {error.message}")
        return None


def _events(around: Surroundings, gaps: dict[str, tuple[str, ...]]) -> tuple[tuple[AuditEvent, ...] | None, str]:
    from lifecycle.journals.audit_file import FileAuditLog, verify_audit

    if not around.paths.audit.is_file():
        gaps["q10-trail"] = ("there is no audit log of this environment on this machine",)
        return None, ""
    try:
        return FileAuditLog(around.paths.audit).read(), str(verify_audit(around.paths.audit).digest)
    except LifecycleError as error:
        gaps["q10-trail"] = (f"the trail does NOT verify: {error.message}",)
        return None, ""


def _waivers(around: Surroundings, now: datetime) -> tuple[tuple[str, ...], ...]:
    from lifecycle.policy_engine.waivers import load_waivers

    return tuple(
        (w.id, w.rule, w.scope, w.owner, w.reason, w.ticket, str(w.expires), str((w.expires - now.date()).days))
        for w in load_waivers(around.paths.policies / "waivers.yaml")
    )


def _rights(around: Surroundings, gaps: dict[str, tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    from lifecycle.policy_engine.generate import generate_policies, residual_risks

    try:
        files = generate_policies(around.spec)
    except ConfigurationError as error:
        gaps["q9-rights"] = (*gaps["q9-rights"], f"the least rights: {error.message}")
        return ()
    rows = []
    for path, text in sorted(files.items()):
        identity = path.rpartition("/")[2].partition(".")[0]
        if path.endswith(".json"):
            for statement in json.loads(text)["Statement"]:
                rows.append(
                    (
                        identity,
                        path,
                        f"{statement['Effect']} {_said(statement.get('Action'))} on {_said(statement.get('Resource'))}",
                    )
                )
        elif path.endswith(".hcl"):
            rows.append((identity, path, " ".join(text.split())))
    return (*rows, *(("stays broader", "", text) for text in residual_risks(around.spec)))


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
