"""What journal and Secrets Manager know about the credentials of a spec before a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import RotationJournal
from lifecycle.domain.rotation import Outcome, RotationRecord, State
from lifecycle.domain.spec import Manage


def live_versions(journal: RotationJournal, entries: Iterable[str]) -> Mapping[str, int]:
    """Per credential, how many values may still work: what is current, and what is retired but not confirmed gone.

    Args:
        journal: its chain is checked while it is read; a credential it never saw has no value of ours.
        entries: of the last applied spec, `section.name`.
    """
    section = "credentials."
    before = {entry.removeprefix(section) for entry in entries if entry.startswith(section)}
    records = {name: journal.head(name).record for name in {*journal.credentials(), *before}}
    return {name: _live(record) if record is not None else 0 for name, record in records.items()}


def credential_versions(journal: RotationJournal) -> Mapping[str, int]:
    """Per credential of the journal, which of its operations the current value is from; it only counts up.

    A rollback keeps the number of the operation it undoes: whoever writes a value by this number has written the
    rejected one, and must write again.
    """
    records = {name: journal.head(name).record for name in journal.credentials()}
    return {name: _version(record) for name, record in sorted(records.items()) if record is not None}


def _version(record: RotationRecord) -> int:
    over = record.promoted or record.state is State.CLOSED
    return record.number if over else max(0, record.number - 1)


def _live(record: RotationRecord) -> int:
    if record.outcome is Outcome.RETIRED and not record.open:
        return 0
    return int(record.live is not None) + len(record.retired)


def restored_secrets(around: Surroundings) -> Mapping[str, str]:
    """Bring back secrets that are scheduled for deletion and are declared again: entry -> ARN for `import` blocks.

    A secret keeps its name until its recovery window is over, so creating it anew would fail.
    """
    from lifecycle.clients.aws import aws_errors

    spec, restored = around.spec, {}
    for name, entry in spec.credentials.items():
        chosen = spec.secret_stores.get(entry.store)
        if chosen is None or chosen.kind != "aws_secrets_manager" or entry.manage is not Manage.OWN:
            continue
        full = secret_name(chosen.settings.prefix, name)
        with aws_errors(f"looking for secret {full} {around.aws_in_words}"):
            pages = around.aws.reader("secretsmanager").get_paginator("list_secrets")
            found = pages.paginate(IncludePlannedDeletion=True, Filters=[{"Key": "name", "Values": [full]}])
            secrets = [item for page in found for item in page["SecretList"] if item["Name"] == full]
        for item in secrets:
            if item.get("DeletedDate"):
                with aws_errors(f"restoring secret {full}", writes=True):
                    around.aws.writer("secretsmanager").restore_secret(SecretId=item["ARN"])
                around.note(f"restored {full}, which was scheduled for deletion")
                restored[f"credentials.{name}"] = str(item["ARN"])
    return restored
