"""A made-up quarter of the environment `reference`: rotations done, late and failed, an apply, a signed trail."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lifecycle.bootstrap.audit_desk import AuditDesk
from lifecycle.bootstrap.evidence_desk import write_evidence
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.surroundings import Surroundings, read_settings
from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import AuditEvent, Result, canonical, digest_bytes
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    ProviderCredential,
)
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.evidence import Audience, PackRequest
from lifecycle.domain.receipt import AppliedPlan, LeakScan, Receipt, RunState, ScannedSurface
from lifecycle.domain.review import Review
from lifecycle.domain.rotation import Outcome, RotationRecord, State, ValueMark
from lifecycle.domain.secret import Fingerprint, OperationId
from lifecycle.journals.audit_file import FileAuditLog
from lifecycle.journals.receipt_files import ReceiptFiles
from lifecycle.operations.reconcile_listings import Inspected

REPOSITORY = Path(__file__).parents[3]
NOW = datetime.now(UTC).replace(microsecond=0)
SINCE = NOW - timedelta(days=90)
# What must not pass to the public, nor to auditors: it stands in spec, receipts, audit log and journal.
CANARIES = (
    "canary.host.acme-internal.example",
    "arn:aws:iam::210987654321:role/canary-role",
    "canary.person@acme.example",
    "10.99.88.77",
    "210987654321",
)
SENTENCE = f"refused at {CANARIES[0]} as {CANARIES[1]}, asked by {CANARIES[2]} from {CANARIES[3]} of {CANARIES[4]}"


def mark(name: str) -> ValueMark:
    return ValueMark(id=CredentialId(name), fingerprint=Fingerprint("t1:00"))


def operation(name: str, number: int, days_ago: float, **changes: Any) -> RotationRecord:
    """The last record of an operation that ended so many days ago."""
    at = NOW - timedelta(days=days_ago)
    fields: dict[str, Any] = {
        "credential": name,
        "credential_class": CredentialClass.B,
        "sequence": number,
        "at": at,
        "number": number,
        "operation": OperationId(f"{name}-{number}"),
        "state": State.CLOSED,
        "outcome": Outcome.DONE,
        "intent_at": at - timedelta(minutes=5),
        "promoted_at": at - timedelta(minutes=2),
        "live_since": at - timedelta(minutes=2),
        "new": mark(f"{name}-id-{number}"),
        "old": mark(f"{name}-id-{number - 1}") if number > 1 else None,
        "promoted": True,
    }
    return RotationRecord.model_validate({**fields, **changes})


class Records:
    """A journal that only tells."""

    def __init__(self, *records: RotationRecord) -> None:
        self._records = records

    def credentials(self) -> tuple[str, ...]:
        return tuple(sorted({record.credential for record in self._records}))

    def history(self, credential: str) -> tuple[RotationRecord, ...]:
        return tuple(record for record in self._records if record.credential == credential)


@dataclass
class Quarter:
    """The environment with everything that it left behind."""

    around: Surroundings
    journal: Records
    folder: Path

    def pack(self, name: str = "internal", *, ask: bool = True) -> Path:
        folder = self.folder / f"pack-{name}"
        wanted = PackRequest(folder=folder, since=SINCE, until=NOW, audience=Audience(name))
        inspected = self.inspected if ask else None
        journal: Any = self.journal
        write_evidence(self.around, lambda: journal, wanted, inspected=inspected)
        return folder

    def inspected(self) -> tuple[Inspected, ...]:
        names = sorted(self.around.spec.credentials)

        def listed(ids: Sequence[str]) -> CompleteListing:
            made = NOW - timedelta(days=120)
            found = tuple(ProviderCredential(id=CredentialId(text), created=made) for text in ids)
            return CompleteListing(principal="p", credentials=found)

        def refused() -> CompleteListing:
            raise AuthenticationError(SENTENCE, remedy="log in")

        return (
            Inspected(
                credential=names[0],
                kind="aws_iam_access_key",
                principal=CANARIES[1],
                list=lambda: listed([f"{names[0]}-id-3", f"{names[0]}-id-2", "AKIASTRANGER"]),
            ),
            Inspected(credential=names[1], kind="datarobot_api_key", principal=CANARIES[2], list=refused),
        )


def quarter(folder: Path) -> Quarter:
    """Make it all, in a folder of its own."""
    root = folder / "checkout"
    for name in ("environments", "policies"):
        shutil.copytree(REPOSITORY / name, root / name)
    settings = read_settings(env="reference", root=str(root))
    paths = Paths(root=root, env="reference", state_home=folder / "state")
    around = Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None)
    names = sorted(around.spec.credentials)
    _trail(around, names)
    _approval(around)
    return Quarter(around=around, journal=_journal(around, names), folder=folder)


def _journal(around: Surroundings, names: list[str]) -> Records:
    period = around.spec.credentials[names[0]].rotation_period.days
    records = [
        operation(names[0], 1, 3 * period + 20),
        operation(names[0], 2, 2 * period - 1),
        operation(names[0], 3, period + 5),
    ]
    for index, name in enumerate(names[1:], start=1):
        records.append(operation(name, 1, 7 * index))
    failed = {"outcome": Outcome.FAILED, "promoted": False, "promoted_at": None, "reason": SENTENCE}
    records.append(operation(names[1], 2, 1, **failed, live_since=NOW - timedelta(days=7), failures=1))
    return Records(*sorted(records, key=lambda record: record.at))


def _trail(around: Surroundings, names: list[str]) -> None:
    log = FileAuditLog(around.paths.audit)
    for number in (2, 3):
        for action in ("credential.mint", "credential.promote", "credential.revoke"):
            log.append(
                AuditEvent(
                    at=NOW - timedelta(days=40 - 10 * number),
                    actor=CANARIES[2],
                    action=action,
                    object=f"credentials.{names[0]}",
                    result=Result.DONE,
                    detail={"operation": f"{names[0]}-{number}", "reason": SENTENCE},
                )
            )
    key = hire(around, "auditor", "audit", "lifecycle-audit")
    AuditDesk(around).sign(key)


def hire(around: Surroundings, name: str, group: str, namespace: str) -> Path:
    """A key that may sign for a group."""
    key = around.paths.root.parent / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
    subprocess.run(argv, check=True, capture_output=True)
    kind, public = key.with_suffix(".pub").read_text().split()[:2]
    with (around.paths.policies / "signers" / group).open("a") as file:
        file.write(f'{name}@acme.example namespaces="{namespace}" {kind} {public}\n')
    return key


def _approval(around: Surroundings) -> None:
    """An apply in the period with its signed approval and its receipt."""
    at = NOW - timedelta(days=60)
    review = Review(
        environment="reference",
        changes_digest="sha256:aa",
        target={"account_id": CANARIES[4]},
        spec_digest="sha256:bb",
        policy_bundle="sha256:cc",
        summary=("1 to create", f"newly allowed: agents.eu-1 may reach {CANARIES[0]} on 443"),
        expires=NOW + timedelta(days=7),
    )
    data = canonical(review.document())
    key = hire(around, "bea", around.spec.approvals.group, "lifecycle-review")
    argv = ["ssh-keygen", "-Y", "sign", "-n", "lifecycle-review", "-f", str(key)]
    environment = {"PATH": os.environ["PATH"]}
    signed = subprocess.run(argv, input=data, capture_output=True, check=True, env=environment).stdout
    folder = around.paths.environment / "approvals" / review.effect_digest.removeprefix("sha256:") / "0123"
    folder.mkdir(parents=True)
    (folder / "review.json").write_bytes(data)
    (folder / "review.json.sig").write_bytes(signed)
    manifest = {"digests": {"policy_bundle": "sha256:cc"}, "target": {"account_id": CANARIES[4]}}
    approval = Approval(
        approver="bea@acme.example",
        effect_digest=review.effect_digest,
        at=at,
        expires=NOW + timedelta(days=7),
        method="ssh-signature",
    )
    plan = AppliedPlan(
        plan_digest=digest_bytes(canonical(manifest)),
        effect_digest=review.effect_digest,
        manifest=manifest,
        approvals=(approval,),
        summary=review.summary,
        rules_evaluated=40,
    )
    surfaces = (
        ScannedSurface(name="state", scanned=True, files=1, bytes=4096),
        ScannedSurface(name=f"log of {CANARIES[0]}", scanned=False, reason=SENTENCE),
    )
    receipt = Receipt(
        id="run-1",
        environment="reference",
        actor=CANARIES[2],
        tool_version="1",
        state=RunState.FINISHED,
        started=at,
        finished=at,
        plan=plan,
        leak_scan=LeakScan(secrets=3, surfaces=surfaces),
        entries={f"credentials.{name}": "x" for name in around.spec.credentials},
    )
    ReceiptFiles(around.paths.receipts).complete(receipt)
