"""Approvals as files: one folder per effect, in it one per signature, with the very bytes that were signed.

    approvals/<effect digest>/<signature digest>/review.json
    approvals/<effect digest>/<signature digest>/review.json.sig

The folder is not trusted: anybody may add files to it, also by pull request. What counts is decided on each reading,
from the signature, the allowed signers of the pinned bundle, and the signed bytes themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lifecycle.domain.approval import Approval
from lifecycle.domain.audit import Digest, digest_bytes
from lifecycle.domain.errors import ApprovalMissingError
from lifecycle.domain.infrastructure_ports import ApprovalStore
from lifecycle.domain.ports import Approvals, Clock
from lifecycle.domain.review import Review
from lifecycle.foundation.atomic_file import private_folder, replace_file
from lifecycle.journals.ssh_signature import SshVerifier

METHOD = "ssh-signature"
_REVIEW, _SIGNATURE, _TERMINAL = "review.json", "review.json.sig", "terminal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedApproval:
    """An approval that is there and does not count, with the reason."""

    path: Path
    reason: str


class FileApprovals:
    """Approvals in a folder.

    Args:
        folder: where they are kept, usually in the repository.
        verifier: decides who may approve.
        clock: decides what has lapsed.
    """

    def __init__(self, folder: Path, *, verifier: SshVerifier, clock: Clock) -> None:
        self._folder = folder
        self._verifier = verifier
        self._clock = clock

    def verified(self, digest: Digest) -> tuple[Approval, ...]:
        """The approvals of this effect that verify now."""
        return tuple(item for item in self.examine(digest) if isinstance(item, Approval))

    def examine(self, digest: Digest) -> tuple[Approval | RefusedApproval, ...]:
        """Every approval of this effect, also those that do not count, with the reason."""
        return tuple(self._examined(digest))

    def add(self, review: bytes, signature: str) -> Approval:
        """Keep a signed review.

        Raises:
            ApprovalMissingError: it would not count.
        """
        effect = _read_review(review).effect_digest
        approval = self._judge(review, signature, effect, self._clock())
        folder = self._folder_of(effect) / digest_bytes(signature.encode()).removeprefix("sha256:")[:16]
        private_folder(folder)
        replace_file(folder / _REVIEW, review, mode=0o644)
        replace_file(folder / _SIGNATURE, signature.encode(), mode=0o644)
        return approval

    def record_terminal(self, approval: Approval) -> Path:
        """Keep a yes that was given on the terminal: for the record; `verified` never counts it."""
        folder = self._folder_of(Digest(approval.effect_digest))
        private_folder(folder)
        path = folder / _TERMINAL
        replace_file(path, json.dumps(approval.model_dump(mode="json"), indent=2, sort_keys=True).encode() + b"\n")
        return path

    def _examined(self, digest: Digest) -> Iterator[Approval | RefusedApproval]:
        folder = self._folder_of(digest)
        for path in sorted(folder.glob(f"*/{_SIGNATURE}")) if folder.is_dir() else ():
            try:
                review = (path.parent / _REVIEW).read_bytes()
                at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
                yield self._judge(review, path.read_text(), digest, at)
            except ApprovalMissingError as error:
                yield RefusedApproval(path=path, reason=error.message)
            except (OSError, UnicodeDecodeError) as error:
                yield RefusedApproval(path=path, reason=f"cannot be read: {type(error).__name__}")

    def _judge(self, review: bytes, signature: str, digest: Digest, at: datetime) -> Approval:
        document = _read_review(review)
        now = self._clock()
        if document.effect_digest != digest:
            raise _refused("it approves another effect")
        if document.expires < now:
            raise _refused(f"it lapsed on {document.expires:%Y-%m-%d %H:%M} UTC")
        principal = self._verifier.principal(review, signature, now)
        return Approval(
            approver=principal,
            effect_digest=digest,
            at=min(at, now),
            expires=document.expires,
            method=METHOD,
            signature=signature,
        )

    def _folder_of(self, digest: Digest) -> Path:
        return self._folder / digest.removeprefix("sha256:")


def _read_review(data: bytes) -> Review:
    try:
        return Review.from_document(json.loads(data))
    except (ValueError, TypeError):
        raise _refused("what was signed is no review") from None


def _refused(why: str) -> ApprovalMissingError:
    return ApprovalMissingError(f"the approval does not count: {why}", remedy="approve the current review.json")


_approvals: type[Approvals] = FileApprovals
_approval_store: type[ApprovalStore] = FileApprovals
