"""AWS Secrets Manager as a secret store: versions with staging labels (see `aws_labels`).

The shell of each secret (its existence, key and policy) is Terraform's; this store writes versions only.

1. `prepare` writes an empty marker version, because the first version of a secret becomes current by itself.
2. `stage` puts a version under a request token made of operation, fence and candidate, then takes the candidate's
   pending label without stealing it: of two runs that stage the same candidate, one is refused.
3. `promote` moves AWSCURRENT away from the version that was expected to hold it (AWS moves AWSPREVIOUS along), reads
   that back, and tidies.
4. `seal` labels the previous version as retiring and takes AWSPREVIOUS from it; whoever promotes "previous" finds none.
5. `purge` makes an empty marker current and takes every label from the rest: AWS drops versions without a label in its
   own time and offers no call for it. Deleting the shell, which is Terraform's part, ends them for good.

Source: AWS Secrets Manager API reference: PutSecretValue, UpdateSecretVersionStage, ListSecretVersionIds, quotas.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from lifecycle.clients.aws import AwsClients
from lifecycle.domain.errors import LostRaceError, NotFoundError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import SecretStore
from lifecycle.domain.secret import (
    CandidateId,
    OperationId,
    SecretRef,
    SecretValue,
    StoredValue,
    StoreState,
    VersionId,
    VersionStage,
    VersionSummary,
)
from lifecycle.foundation.rate_budget import RateBudget
from lifecycle.foundation.retry import RetryPolicy, retry_idempotent
from lifecycle.secret_stores import aws_labels as label
from lifecycle.secret_stores.aws_labels import LabelledVersion, LabelledVersions
from lifecycle.secret_stores.aws_secret_calls import AwsSecretCalls, token
from lifecycle.secret_stores.envelope import MARKER, Opened, enclose, same_value

_READ_BACK = RetryPolicy(attempts=6, total=timedelta(seconds=10))
_STAGE_LABELS = {
    VersionStage.CURRENT: label.CURRENT,
    VersionStage.PREVIOUS: label.PREVIOUS,
    VersionStage.RETIRING: label.RETIRING,
}


class AwsSecretsManagerSettings(KindSettings):
    """`secret_stores.NAME.aws_secrets_manager`.

    Attributes:
        prefix: path in front of every secret's name.
        kms_key: alias, id or ARN of the key that encrypts the secrets; empty = the account's default key.
        region: where the secrets are; empty = the environment's region.
    """

    prefix: str = ""
    kms_key: str = ""
    region: str = ""


class AwsSecretsManagerStore:
    """The store.

    Args:
        clients: boto3 clients for the account and region.
        prefix: path in front of every secret's name.
        kms_key: key for the secrets that `keep` creates.
        budget: shared write budget of the account.
    """

    def __init__(
        self, clients: AwsClients, *, prefix: str = "", kms_key: str = "", budget: RateBudget | None = None
    ) -> None:
        self._calls = AwsSecretCalls(clients, budget)
        self._prefix = prefix
        self._kms_key = kms_key

    def describe(self, ref: SecretRef) -> StoreState:
        """Read stages and revision. A shell without a version does not exist yet."""
        versions = self._calls.versions(self._name(ref))
        current = versions.holder(label.CURRENT) if versions else None
        if versions is None or current is None:
            return StoreState(ref=ref, revision=VersionId(""), exists=False)
        marker = label.MARKER in current.labels
        return StoreState(
            ref=ref,
            revision=current.id,
            exists=True,
            marker=marker,
            current=None if marker else current.summary(),
            previous=_value_summary(versions.holder(label.PREVIOUS)),
            retiring=_value_summary(versions.holder(label.RETIRING)),
            pending=tuple(item.summary() for item in versions.versions if item.is_pending),
        )

    def prepare(self, ref: SecretRef) -> VersionId:
        """Write the marker version and read it back."""
        name = self._name(ref)
        if self._current_of(name) is None:
            # No AWSCURRENT here: the first version gets it by itself, and a foreign first value keeps it.
            self._calls.put(name, MARKER, token("marker", name), [label.MARKER])
        current = retry_idempotent(lambda: self._read_current(name), policy=_READ_BACK)
        if label.MARKER not in current.labels:
            raise LostRaceError(
                f"secret {name} holds a value that this operation did not write",
                remedy="take it over with `lifecycle rotate adopt`, or remove it",
            )
        return current.id

    def stage(
        self, ref: SecretRef, operation: OperationId, candidate: CandidateId, value: SecretValue, *, fence: int
    ) -> VersionId:
        """Write a pending version, create-only."""
        name = self._name(ref)
        staged = self._staged(name, operation, candidate, value)
        if staged is not None:
            return staged
        document = enclose(value, {"operation": operation, "candidate": candidate})
        mine = label.id_label(operation, candidate, fence)
        version = self._calls.put(name, document, token(operation, fence, candidate), [mine])
        if self._calls.move(name, label.pending_label(operation, candidate), to=version, source=None):
            return version
        self._calls.move(name, mine, to=None, source=version)
        staged = self._staged(name, operation, candidate, value)
        if staged is None:
            raise LostRaceError(f"another run staged and discarded {candidate} in {name}", remedy="run again")
        return staged

    def read(self, ref: SecretRef, which: VersionStage | VersionId) -> StoredValue:
        """Read one version, always by its label or id: without one AWS and its emulators disagree."""
        name = self._name(ref)
        if isinstance(which, VersionStage):
            wanted = self._label_of(name, which)
            version, opened = self._calls.get(name, VersionStage=wanted)
        else:
            version, opened = self._calls.get(name, VersionId=which)
        if opened.is_marker:
            raise NotFoundError(f"secret {name} holds no value yet", remedy="run `lifecycle rotate apply --due`")
        return _stored(version, opened)

    def promote(self, ref: SecretRef, candidate: CandidateId, *, expected: VersionId) -> VersionId:
        """Move AWSCURRENT to the candidate, read back, tidy."""
        name = self._name(ref)
        versions = self._listed(name)
        waiting = versions.pending(candidate)
        if waiting:
            versions = self._move_current(name, versions, waiting, expected)
        promoted = versions.holder(label.CURRENT)
        if promoted is None or promoted.summary().candidate != candidate:
            self._expect(name, versions, expected)
            raise NotFoundError(f"secret {name} has no pending version {candidate}", remedy="run again")
        self._tidy(name, versions, promoted)
        return promoted.id

    def _move_current(
        self, name: str, versions: LabelledVersions, waiting: Sequence[LabelledVersion], expected: VersionId
    ) -> LabelledVersions:
        self._expect(name, versions, expected)
        # Two operations may have used one candidate name; which is meant cannot be told here, so neither is taken.
        moved = len(waiting) == 1 and self._calls.move(name, label.CURRENT, to=waiting[0].id, source=expected)
        if not moved:
            raise _lost(name)
        return retry_idempotent(lambda: self._read_promoted(name, waiting[0].id), policy=_READ_BACK)

    def _tidy(self, name: str, versions: LabelledVersions, promoted: LabelledVersion) -> None:
        """Drop the pending label of what is current now, and what a lost race of its staging left."""
        summary = promoted.summary()
        self._drop(name, [(promoted, label.pending_label(summary.operation, summary.candidate))])
        copies = versions.staged_as(summary.operation, summary.candidate)
        self._forget(name, [item for item in copies if item.id != promoted.id])

    def restore(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """Bring previous back and retire what was rejected. Each step can be repeated; labels tell how far it came."""
        name = self._name(ref)
        versions = self._listed(name)
        current = versions.holder(label.CURRENT)
        if current is not None and current.id == expected:
            self._begin_restore(name, versions, expected)
            versions = self._listed(name)
            current = versions.holder(label.CURRENT)
        retiring = versions.holder(label.RETIRING)
        finished = retiring is not None and retiring.id == expected
        if current is None or not finished or label.RESTORING not in current.labels:
            raise _lost(name)
        rejected = versions.holder(label.PREVIOUS)
        if rejected is not None and rejected.id == expected:
            self._calls.move(name, label.PREVIOUS, to=None, source=expected)
        return current.id

    def _begin_restore(self, name: str, versions: LabelledVersions, expected: VersionId) -> None:
        previous = versions.holder(label.PREVIOUS)
        if previous is None:
            raise LostRaceError(f"secret {name} has no previous value to go back to", remedy="nothing was changed")
        self._take(name, versions, label.RESTORING, previous.id)
        self._retire(name, versions, expected)
        if not self._calls.move(name, label.CURRENT, to=previous.id, source=expected):
            raise _lost(name)

    def seal(self, ref: SecretRef, *, expected: VersionId) -> VersionId:
        """Turn previous into retiring while `expected` is current."""
        name = self._name(ref)
        versions = self._listed(name)
        self._expect(name, versions, expected)
        previous = versions.holder(label.PREVIOUS)
        if previous is None or previous.id == expected:
            return expected
        if label.MARKER not in previous.labels:
            self._retire(name, versions, previous.id)
        if not self._calls.move(name, label.PREVIOUS, to=None, source=previous.id):
            raise _lost(name)
        after = self._listed(name)
        self._expect(name, after, expected)  # somebody may have promoted the value that is about to die
        return expected

    def discard(self, ref: SecretRef, candidate: CandidateId) -> None:
        """Take the labels from a pending version; AWS drops it then."""
        name = self._name(ref)
        versions = self._calls.versions(name)
        if versions is not None:
            found = (item.summary() for item in versions.pending(candidate))
            copies = (item for one in found for item in versions.staged_as(one.operation, one.candidate))
            self._forget(name, [item for item in copies if label.RETIRING not in item.labels])

    def purge(self, ref: SecretRef) -> None:
        """Make an empty marker current and take every label from all values."""
        name = self._name(ref)
        versions = self._calls.versions(name)
        current = versions.holder(label.CURRENT) if versions else None
        if versions is None or current is None:
            return
        if label.MARKER not in current.labels:
            former = versions.holder(label.MARKER)
            if former is not None:
                self._calls.move(name, label.MARKER, to=None, source=former.id)
            marker = self._calls.put(name, MARKER, token("purged", name, current.id), [label.MARKER])
            if not self._calls.move(name, label.CURRENT, to=marker, source=current.id):
                raise _lost(name)
            versions = self._listed(name)
        for item in versions.versions:
            if label.MARKER not in item.labels:
                self._drop(name, [(item, text) for text in (*item.own_labels(), label.PREVIOUS)])

    # What follows is not of the port: values of the tool itself, which are replaced in place and never rotated.

    def recall(self, ref: SecretRef) -> SecretValue:
        """Read a value written by `keep`. Raises NotFoundError."""
        return self._calls.get(self._name(ref), VersionStage=label.CURRENT)[1].value

    def keep(self, ref: SecretRef, value: SecretValue) -> None:
        """Write a value in place, creating the secret where needed. Second call: the same value again."""
        name, document = self._name(ref), enclose(value, {})
        current = self._current_of(name)
        if current is None and self._calls.create(name, document, self._kms_key):
            return
        if current is not None and same_value(self.recall(ref), value):
            return
        # The token names what it replaces: of two writers that saw the same version, the second is refused.
        before = current.id if current else ""
        self._calls.put(name, document, token("keep", name, before), [label.CURRENT])

    def keep_once(self, ref: SecretRef, value: SecretValue) -> SecretValue:
        """Write a value unless there is one; returns the one that is there."""
        self._calls.create(self._name(ref), enclose(value, {}), self._kms_key)
        return self.recall(ref)

    def _name(self, ref: SecretRef) -> str:
        return secret_name(self._prefix, ref.path)

    def _listed(self, name: str) -> LabelledVersions:
        versions = self._calls.versions(name)
        if versions is None:
            raise NotFoundError(f"there is no secret {name}", remedy="run `lifecycle apply`: Terraform creates it")
        return versions

    def _current_of(self, name: str) -> LabelledVersion | None:
        versions = self._calls.versions(name)
        return versions.holder(label.CURRENT) if versions else None

    def _read_current(self, name: str) -> LabelledVersion:
        current = self._listed(name).holder(label.CURRENT)
        if current is None:
            raise _not_yet(name)
        return current

    def _read_promoted(self, name: str, promoted: VersionId) -> LabelledVersions:
        """The promotion read back; a lagging listing is read again."""
        versions = self._listed(name)
        current = versions.holder(label.CURRENT)
        if current is None or current.id != promoted:
            raise _not_yet(name)
        return versions

    def _staged(
        self, name: str, operation: OperationId, candidate: CandidateId, value: SecretValue
    ) -> VersionId | None:
        """The version that this candidate already is; None when it was not staged."""
        versions = self._listed(name)
        if versions.holder(label.CURRENT) is None:
            # The first version of a secret becomes current by itself, so an unverified value would be served.
            raise RemoteServiceError(f"secret {name} has no marker version", remedy="run again: it is prepared first")
        holder = next((item for item in versions.staged_as(operation, candidate) if _settled(item)), None)
        if holder is None:
            return None
        _, opened = self._calls.get(name, VersionId=holder.id)
        if not same_value(opened.value, value):
            raise LostRaceError(
                f"{candidate} is staged in {name} with another value", remedy="run again: the operation is read anew"
            )
        return holder.id

    def _label_of(self, name: str, stage: VersionStage) -> str:
        if stage is not VersionStage.PENDING:
            return _STAGE_LABELS[stage]
        waiting = [item for item in self._listed(name).versions if item.is_pending]
        if len(waiting) != 1:
            raise NotFoundError(f"secret {name} has {len(waiting)} pending versions", remedy="name one by its id")
        summary = waiting[0].summary()
        return label.pending_label(summary.operation, summary.candidate)

    def _expect(self, name: str, versions: LabelledVersions, expected: VersionId) -> None:
        current = versions.holder(label.CURRENT)
        if current is None or current.id != expected:
            raise _lost(name)

    def _take(self, name: str, versions: LabelledVersions, text: str, target: VersionId) -> None:
        holder = versions.holder(text)
        if holder is not None and holder.id == target:
            return
        if not self._calls.move(name, text, to=target, source=holder.id if holder else None):
            raise _lost(name)

    def _retire(self, name: str, versions: LabelledVersions, target: VersionId) -> None:
        """Label a version as retiring; the one that was, was revoked by its own operation and is let go."""
        former = versions.holder(label.RETIRING)
        self._take(name, versions, label.RETIRING, target)
        if former is not None and former.id != target:
            self._forget(name, [former])

    def _forget(self, name: str, versions: Sequence[LabelledVersion]) -> None:
        """Take our labels from versions that play no role any more."""
        for item in versions:
            if not item.labels & {label.CURRENT, label.PREVIOUS}:
                self._drop(name, [(item, text) for text in item.own_labels() if text != label.RETIRING])

    def _drop(self, name: str, labels: Sequence[tuple[LabelledVersion, str]]) -> None:
        for item, text in labels:
            if text in item.labels:
                self._calls.move(name, text, to=None, source=item.id)


def _settled(item: LabelledVersion) -> bool:
    """Whether the staging of a version came to its end: it is pending, or more than that."""
    return item.is_pending or bool(item.labels & {label.CURRENT, label.PREVIOUS, label.RETIRING})


def _value_summary(item: LabelledVersion | None) -> VersionSummary | None:
    return None if item is None or label.MARKER in item.labels else item.summary()


def _stored(version: VersionId, opened: Opened) -> StoredValue:
    summary = VersionSummary(version=version, operation=opened.operation, candidate=opened.candidate)
    return StoredValue(summary=summary, value=opened.value)


def _lost(name: str) -> LostRaceError:
    return LostRaceError(
        f"secret {name}: another version became current meanwhile",
        remedy="look who wrote it (CloudTrail: PutSecretValue, UpdateSecretVersionStage), then run again",
    )


def _not_yet(name: str) -> RemoteServiceError:
    return RemoteServiceError(f"secret {name} does not show the write yet", remedy="run again", retryable=True)


_: type[SecretStore] = AwsSecretsManagerStore

KIND = Kind(
    name="aws_secrets_manager",
    family=Family.SECRET_STORE,
    settings=AwsSecretsManagerSettings,
    summary="AWS Secrets Manager: one secret per credential, versions with staging labels.",
)
