"""Ends a run: completes its receipt, and says on one screen what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.grants import entry_kinds, grants
from lifecycle.domain.infrastructure_ports import Receipts
from lifecycle.domain.ports import Clock, NewId
from lifecycle.domain.receipt import InForce, LeakScan, Receipt, RotatedCredential, RunState, VerifiedConnector
from lifecycle.domain.spec import Spec
from lifecycle.operations.rotation_context import Standing

_STATUSES = ("valid", "invalid", "indeterminate")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One screen about one run.

    Attributes:
        receipt: the finished receipt.
        path: where it is.
    """

    receipt: Receipt
    path: Path

    @property
    def changes(self) -> tuple[str, ...]:
        """Addresses that the run changed."""
        return self.receipt.plan.addresses if self.receipt.plan else ()

    def connectors(self, status: str) -> tuple[VerifiedConnector, ...]:
        """Connectors with one result: valid, invalid or indeterminate."""
        return tuple(item for item in self.receipt.verification if item.status == status)

    def lines(self) -> tuple[str, ...]:
        """The summary as text."""
        return (*self._change_lines(), *self._credential_lines(), *self._connector_lines(), *self._leak_lines())

    def document(self) -> dict[str, object]:
        """The summary as JSON: the receipt, and where it is."""
        return {"receipt": self.receipt.model_dump(mode="json"), "path": str(self.path)}

    def _change_lines(self) -> tuple[str, ...]:
        if self.receipt.plan is None:
            return ("changes      none",)
        return (f"changes      {self.receipt.plan.summary[0]}: {len(self.changes)} done",)

    def _credential_lines(self) -> tuple[str, ...]:
        rows = [
            f"  {item.credential}: {item.outcome or item.state}{_due(item.next_due)}" for item in self.receipt.rotation
        ]
        idle = sum(item.outcome == Standing.NOT_DUE for item in self.receipt.rotation)
        return (f"credentials  {len(rows) - idle} worked on, {idle} not due", *rows)

    def _connector_lines(self) -> tuple[str, ...]:
        counts = ", ".join(f"{len(self.connectors(status))} {status}" for status in _STATUSES)
        bad = [item for item in self.receipt.verification if item.status != "valid"]
        return (f"connectors   {counts}", *(f"  {item.connector}: {item.status}, {item.reason}" for item in bad))

    def _leak_lines(self) -> tuple[str, ...]:
        scan = self.receipt.leak_scan
        if scan is None:
            return ("leak scan    not run",)
        read = [surface for surface in scan.surfaces if surface.scanned]
        size = sum(surface.bytes for surface in read)
        found = f"{len(scan.leaks)} LEAKS" if scan.leaks else "clean"
        searched = f"{scan.secrets} values in {len(read)} surfaces, {size / 1e6:.1f} MB"
        missed = [f"  not scanned: {s.name} ({s.reason})" for s in scan.surfaces if not s.scanned]
        return (f"leak scan    {found}: {searched}", *missed)


def new_run(
    receipts: Receipts,
    *,
    environment: str,
    actor: str,
    tool_version: str,
    new_id: NewId,
    clock: Clock,
    applied: Spec | None,
    in_force: InForce | None = None,
) -> Receipt:
    """The receipt of a run that changes no infrastructure: `rotate`, `verify`, or an apply of an empty plan.

    Args:
        receipts: of the environment.
        environment: its name.
        actor: who runs.
        tool_version: of lifecycle.
        new_id: makes run ids.
        clock: aware UTC now.
        applied: the spec when the run found it to be in force (an empty plan); None keeps what the last run noted, as
            the next plan is compared with that.
        in_force: digests and commit that go with `applied`; None keeps those of the last run too.
    """
    last = receipts.latest()
    return Receipt(
        id=new_id(),
        environment=environment,
        actor=actor,
        tool_version=tool_version,
        state=RunState.INTENDED,
        started=clock(),
        grants=grants(applied) if applied else (last.grants if last else ()),
        entries=entry_kinds(applied) if applied else (last.entries if last else {}),
        digests=in_force.digests if in_force else (last.digests if last else {}),
        commit=in_force.commit if in_force else (last.commit if last else ""),
    )


def finish_run(
    receipts: Receipts,
    receipt: Receipt,
    *,
    clock: Clock,
    rotation: Iterable[RotatedCredential] = (),
    verification: Iterable[VerifiedConnector] = (),
    leak_scan: LeakScan | None = None,
    problem: str = "",
) -> RunReport:
    """Complete the receipt of a run with what came after the apply.

    Args:
        receipts: where it is kept.
        receipt: from `apply_plan`, or from `new_run` when nothing was applied.
        clock: aware UTC now.
        rotation: what was done to credentials.
        verification: what was found out about connectors.
        leak_scan: the scan after the run; None when it did not run.
        problem: what stopped the run.
    """
    done = receipt.model_copy(
        update={
            "state": RunState.FAILED if problem else RunState.FINISHED,
            "finished": clock(),
            "rotation": tuple(rotation),
            "verification": tuple(verification),
            "leak_scan": leak_scan,
            "problem": problem,
        }
    )
    return RunReport(receipt=done, path=receipts.complete(done))


def report_latest(receipts: Receipts) -> RunReport:
    """The newest receipt again.

    Raises:
        NotFoundError: nothing ran yet.
        IntegrityError: the receipt was cut or edited.
    """
    receipt = receipts.latest()
    if receipt is None:
        raise NotFoundError("there is no receipt of this environment yet", remedy="run `lifecycle apply` first")
    return RunReport(receipt=receipt, path=receipts.path_of(receipt))


def _due(when: datetime | None) -> str:
    return f", next due {when:%Y-%m-%d %H:%M} UTC" if when else ""
