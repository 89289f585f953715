"""What `plan` and `apply` need beside the ports of `ports.py`: folders on disk and questions to the surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import Digest
from lifecycle.domain.plan import Plan, Target
from lifecycle.domain.policy import Finding
from lifecycle.domain.receipt import Receipt
from lifecycle.domain.review import ReviewedPlan

WriteRoot = Callable[[], None]
StaticCheck = Callable[[], tuple[Finding, ...]]
DecodePlan = Callable[[bytes], Plan]
ReadTarget = Callable[[], Target]
ReadDigests = Callable[[], Mapping[str, str]]
Observe = Callable[[str, str], None]
Confirm = Callable[[ReviewedPlan], Approval | None]


class PlanFolder(Protocol):
    """One reviewed-plan folder: the plan file and what was found out about it. Private to this user."""

    @property
    def plan_file(self) -> Path:
        """Where Terraform writes, and reads, the saved plan."""
        ...

    def clear(self) -> None:
        """Make the folder, empty."""
        ...

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write one JSON document. Second call: replaced."""
        ...

    def read(self, name: str) -> Mapping[str, Any]:
        """Read one JSON document. Raises UnsafePlanError when it is missing or unreadable."""
        ...

    def read_bytes(self, name: str) -> bytes:
        """Read one document as it is on disk: what is signed. Raises UnsafePlanError when it is missing."""
        ...

    def plan_digest(self) -> Digest:
        """SHA-256 of the plan file. Raises UnsafePlanError when there is none."""
        ...


class ApprovalStore(Protocol):
    """Where signed approvals are kept. `Approvals.verified` reads them again and trusts nothing but the signature."""

    def add(self, review: bytes, signature: str) -> Approval:
        """Keep one signed review. Raises ApprovalMissingError when it does not count. Second call: nothing."""
        ...


class Receipts(Protocol):
    """Receipts of an environment, newest last. An intent is a receipt that is not finished."""

    def intend(self, receipt: Receipt) -> None:
        """Write down that a run is about to act, and keep room for its receipt, so that a full disk fails here."""
        ...

    def complete(self, receipt: Receipt) -> Path:
        """Write the receipt in place of its intent. Second call: replaced."""
        ...

    def interrupted(self) -> tuple[Receipt, ...]:
        """Runs that began and of which nobody wrote what came of them."""
        ...

    def settle(self, receipt: Receipt) -> None:
        """Say that an interrupted run was carried on: no longer open, still on record. Second call: nothing."""
        ...

    def latest(self) -> Receipt | None:
        """The newest finished receipt."""
        ...

    def path_of(self, receipt: Receipt) -> Path:
        """Where a receipt is, or will be."""
        ...
