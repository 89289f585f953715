"""The staging labels with which versions of an AWS secret tell what they are, so that no value must be read to know.

    AWSCURRENT, AWSPREVIOUS                     AWS's own
    lifecycle-id/OPERATION/CANDIDATE/FENCE      who staged it; stays as long as the version matters
    lifecycle-pending/OPERATION/CANDIDATE       taken without stealing it from another version: staging is create-only
    lifecycle-retiring                          sealed: never promote it, it is about to be revoked
    lifecycle-restoring                         the version that a rollback brings back
    lifecycle-marker                            the empty version of first issuance

A label is on one version of a secret at a time; moving it names the version that must hold it, which is the
compare-and-set of this store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, unquote

from lifecycle.domain.secret import CandidateId, OperationId, VersionId, VersionSummary

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
RETIRING = "lifecycle-retiring"
RESTORING = "lifecycle-restoring"
MARKER = "lifecycle-marker"
_ID = "lifecycle-id/"
_PENDING = "lifecycle-pending/"
_ROLES = frozenset({CURRENT, PREVIOUS, RETIRING})


def id_label(operation: OperationId, candidate: CandidateId, fence: int) -> str:
    """The label that says who staged a version."""
    return f"{_ID}{quote(operation, safe='')}/{quote(candidate, safe='')}/{fence}"


def pending_label(operation: OperationId, candidate: CandidateId) -> str:
    """The label that makes a version the pending one of a candidate."""
    return f"{_PENDING}{quote(operation, safe='')}/{quote(candidate, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledVersion:
    """One version with its labels."""

    id: VersionId
    labels: frozenset[str]
    created: datetime | None = None

    def summary(self) -> VersionSummary:
        """What the labels tell about it."""
        parts = next((label.removeprefix(_ID).split("/") for label in self.labels if label.startswith(_ID)), ["", ""])
        operation, candidate = OperationId(unquote(parts[0])), CandidateId(unquote(parts[1]))
        return VersionSummary(version=self.id, operation=operation, candidate=candidate, created=self.created)

    @property
    def is_pending(self) -> bool:
        """Whether it waits to be promoted. One that has a role keeps its pending label only until it is tidied."""
        return any(label.startswith(_PENDING) for label in self.labels) and not self.labels & _ROLES

    def own_labels(self) -> tuple[str, ...]:
        """All labels that are ours."""
        return tuple(sorted(label for label in self.labels if label.startswith("lifecycle-")))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledVersions:
    """All labelled versions of a secret, read at one moment."""

    versions: tuple[LabelledVersion, ...]

    @classmethod
    def of(cls, found: Iterable[Mapping[str, object]]) -> LabelledVersions:
        """From the entries of ListSecretVersionIds."""
        return cls(versions=tuple(_version(entry) for entry in found))

    def holder(self, label: str) -> LabelledVersion | None:
        """The version that holds a label."""
        return next((version for version in self.versions if label in version.labels), None)

    def pending(self, candidate: CandidateId) -> tuple[LabelledVersion, ...]:
        """The versions of a candidate that wait to be promoted; candidates are unique within an operation only."""
        return tuple(item for item in self.versions if item.is_pending and item.summary().candidate == candidate)

    def staged_as(self, operation: OperationId, candidate: CandidateId) -> tuple[LabelledVersion, ...]:
        """Every version staged as this candidate of this operation, also half-staged ones."""
        return tuple(
            item
            for item in self.versions
            if (item.summary().operation, item.summary().candidate) == (operation, candidate)
        )


def _version(entry: Mapping[str, object]) -> LabelledVersion:
    created, labels = entry.get("CreatedDate"), entry.get("VersionStages")
    return LabelledVersion(
        id=VersionId(str(entry["VersionId"])),
        labels=frozenset(labels if isinstance(labels, list) else ()),
        created=created if isinstance(created, datetime) else None,
    )
