"""Reads every source of the evidence pack, cuts it down for its audience, and writes its folder."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle import __version__
from lifecycle.bootstrap.bundle_signatures import bundle_signatures
from lifecycle.bootstrap.gate import gate, rule_cards
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, IntegrityError, LifecycleError
from lifecycle.domain.evidence import Audience, PackRequest
from lifecycle.domain.policy import GateInput
from lifecycle.domain.receipt import Receipt

if TYPE_CHECKING:
    from lifecycle.domain.audit import AuditEvent
    from lifecycle.domain.ports import RotationJournal
    from lifecycle.domain.rotation import RotationRecord
    from lifecycle.operations.evidence_sources import EvidenceSources
    from lifecycle.operations.reconcile_listings import Inspected
    from lifecycle.renderers.audience import Pseudonyms

Held = tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]  # rows, and what could not be read
_SIGNER_WORDS = 3  # principal, key type, key: what is between the first two are options


def write_evidence(
    around: Surroundings,
    journal: Callable[[], RotationJournal],
    wanted: PackRequest,
    *,
    inspected: Callable[[], tuple[Inspected, ...]] | None = None,
    held: Callable[[], Held] | None = None,
) -> list[str]:
    """Write the pack; returns the relative paths.

    Args:
        around: settings, paths, spec.
        journal: opens the journal; one that cannot be read is told in the pack.
        wanted: folder, period, audience.
        inspected: whom to ask for listings; None = nobody, which the pack says.
        held: reads what our logins may do at the providers, and what could not be read; None = nobody is asked.

    Raises:
        ConfigurationError: the folder holds something already.
        IntegrityError: a receipt was cut or edited.
    """
    from lifecycle.foundation.atomic_file import private_folder, replace_file
    from lifecycle.operations.gather_evidence import gather_evidence
    from lifecycle.renderers.audience import for_audience
    from lifecycle.renderers.evidence import evidence_files

    folder, audience = Path(wanted.folder), wanted.audience
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} holds something already", remedy="name a new folder for the evidence pack")
    originals = _originals(around)
    made = utc_now()
    sources = _sources(around, journal, originals, made, inspected)
    sources = _with_held(sources, held)
    pack = gather_evidence(sources, since=wanted.since, until=wanted.until, made=made, tool_version=__version__)
    if audience is not Audience.INTERNAL:
        originals = {"ORIGINALS.sha256": _sums(originals)}
        pack = for_audience(pack, audience, _pseudonyms(around, sources))
    rendered = evidence_files(pack, originals=sorted(originals), group=around.spec.approvals.group)
    files = {name: text.encode() for name, text in rendered.items()} | originals
    private_folder(folder)
    for name, data in (files | {"SHA256SUMS": _sums(files)}).items():
        private_folder((folder / name).parent)
        replace_file(folder / name, data)
    return sorted([*files, "SHA256SUMS"])


def _sums(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())).encode()


def _sources(
    around: Surroundings,
    journal: Callable[[], RotationJournal],
    originals: Mapping[str, bytes],
    made: datetime,
    inspected: Callable[[], tuple[Inspected, ...]] | None,
) -> EvidenceSources:
    from lifecycle.operations.evidence_sources import EvidenceSources
    from lifecycle.operations.reconcile_listings import reconcile_listings

    signatures, unsigned = bundle_signatures(around)
    gaps: dict[str, tuple[str, ...]] = {"q6-policies": unsigned}
    records = _records(journal, gaps)
    listings = None
    if inspected is None:
        gaps["q3-credentials"] = (
            *gaps.get("q3-credentials", ()),
            "the providers' own lists were not read (--ask-providers), so unknown credentials are not counted",
        )
    else:
        listings = reconcile_listings(inspected(), lambda name: (records or {}).get(name, ()))
    events, head, heads = _events(around, gaps)
    return EvidenceSources(
        spec=around.spec,
        verdict=gate(around).evaluate(GateInput(spec=around.spec)),
        cards=rule_cards(around),
        receipts=tuple(_receipt(name, data) for name, data in originals.items() if name.startswith("receipts/")),
        records=records,
        events=events,
        audit_head=head,
        waivers=_waivers(around, made),
        rights=_rights(around, gaps),
        gaps=gaps,
        listings=listings,
        signers=_signers(around),
        heads=heads,
        bundle_signatures=signatures,
    )


def _with_held(sources: EvidenceSources, held: Callable[[], Held] | None) -> EvidenceSources:
    """With the rights that our logins hold, as the providers tell them."""
    unasked = ("what this login holds at the providers was not read (--ask-providers)",)
    rows, gaps = held() if held is not None else ((), unasked)
    told = (*sources.gaps.get("q9-rights", ()), *gaps)
    return replace(sources, rights_held=rows, gaps={**sources.gaps, "q9-rights": told})


def _originals(around: Surroundings) -> dict[str, bytes]:
    """Copies, byte for byte: receipts, audit log with its heads, approvals, and the files that say who may sign."""
    from lifecycle.journals.head_files import HeadFiles
    from lifecycle.journals.receipt_files import finished_receipts

    paths = around.paths
    found = {f"receipts/{path.name}": path.read_bytes() for path in finished_receipts(paths.receipts)}
    head = paths.audit.with_name(f"{paths.audit.name}.head")
    found |= {path.name: path.read_bytes() for path in (paths.audit, head) if path.is_file()}
    found |= {f"{path.parent.name}/{path.name}": path.read_bytes() for path in HeadFiles(paths.audit).files()}
    for name, folder in (("approvals", paths.environment / "approvals"), ("signers", paths.policies / "signers")):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.is_file():
                found[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    return found


def _signers(around: Surroundings) -> tuple[tuple[str, ...], ...]:
    folder = around.paths.policies / "signers"
    rows = [
        (path.name, line.split()[0], _limits(line))
        for path in sorted(folder.glob("*"))
        if path.is_file()
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return (*rows, *(("audit-keys", path.stem, "") for path in sorted(folder.glob("audit-keys/*.pem"))))


def _limits(line: str) -> str:
    """The options of an allowed signer, without the key."""
    words = line.split()
    return " ".join(words[1:-2]) if len(words) > _SIGNER_WORDS else "none"


def _pseudonyms(around: Surroundings, sources: EvidenceSources) -> Pseudonyms:
    """Under a key of this environment, made once; with it, and only with it, names can be found again."""
    from lifecycle.renderers.audience import Pseudonyms, known_names

    spec = around.spec
    told = [entry.owner for _, entry in spec.entries()]
    told += [text for item in sources.receipts for text in (item.actor, *_approvers(item))]
    told += [str(item.principal) for item in sources.listings or ()]
    held = [item.settings for item in spec.credentials.values()]
    held += [item.settings for item in spec.connectors.values()]
    held += [item.settings for item in (spec.backend, *spec.secret_stores.values())]
    told += [value for settings in held for value in vars(settings).values() if isinstance(value, str)]
    return Pseudonyms(key=pseudonym_key(around), known=known_names(told))


def pseudonym_key(around: Surroundings) -> bytes:
    """The key of this environment on this machine, made when first needed."""
    from lifecycle.foundation.atomic_file import private_folder, replace_file

    path = around.paths.state / "pseudonym.key"
    if not path.is_file():
        private_folder(path.parent)
        replace_file(path, secrets.token_hex(32).encode())
    return bytes.fromhex(path.read_text())


def _approvers(receipt: Receipt) -> list[str]:
    return [approval.approver for approval in receipt.plan.approvals] if receipt.plan else []


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


def _events(
    around: Surroundings, gaps: dict[str, tuple[str, ...]]
) -> tuple[tuple[AuditEvent, ...] | None, str, tuple[tuple[str, ...], ...]]:
    """Events, head, and the signed heads; a trail that does not verify gives none of them, and says so."""
    from lifecycle.bootstrap.audit_desk import AuditDesk
    from lifecycle.journals.audit_file import audit_lines

    if not around.paths.audit.is_file():
        gaps["q10-trail"] = ("there is no audit log of this environment on this machine",)
        return None, "", ()
    desk = AuditDesk(around)
    try:
        found = desk.verify()
        events = tuple(event for event, _ in audit_lines(around.paths.audit))
    except LifecycleError as error:
        gaps["q10-trail"] = (f"the trail does NOT verify: {error.message}",)
        return None, "", ()
    return events, str(found.head.digest), desk.signed_heads()


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
        gaps["q9-rights"] = (f"the least rights: {error.message}",)
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
