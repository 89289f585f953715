"""What journal and Secrets Manager know about the credentials of a spec before a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import RotationJournal
from lifecycle.domain.rotation import Outcome, RotationRecord
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


# Found by their name, and read with their tags: client, operation, argument, part of the answer, id in it.
_BY_NAME = {
    "aws_iam_user": ("iam", "get_user", "UserName", "User", "UserName"),
    "aws_iam_role": ("iam", "get_role", "RoleName", "Role", "RoleName"),
    "aws_secretsmanager_secret": ("secretsmanager", "describe_secret", "SecretId", "", "ARN"),
}
_MISSING = frozenset({"NoSuchEntity", "ResourceNotFoundException"})


def made_in_flight(around: Surroundings, planned: Mapping[str, Mapping[str, Any]]) -> Mapping[str, str]:
    """Objects whose making had begun when Terraform was killed, and that exist: address -> import id.

    One counts as ours only with exactly the tags that the killed run gave it: anybody's object of that name would
    otherwise become ours. What is left out here and exists nevertheless, the next apply reports by its address.

    Args:
        around: settings, spec, sandbox.
        planned: address -> the attributes that the object was to get.
    """
    from lifecycle.terraform_cli.adoption import type_of

    found = {address: _existing(around, type_of(address), after) for address, after in sorted(planned.items())}
    return {address: id for address, id in found.items() if id}


def _existing(around: Surroundings, type_name: str, after: Mapping[str, Any]) -> str:
    from botocore.exceptions import ClientError

    from lifecycle.clients.aws import aws_errors, error_code

    tags = after.get("tags_all") or after.get("tags")
    if type_name not in _BY_NAME or not after.get("name") or not tags:
        return ""
    service, operation, argument, part, id = _BY_NAME[type_name]
    with aws_errors(f"looking for {after['name']}"):
        try:
            answer = getattr(around.aws.reader(service), operation)(**{argument: after["name"]})
        except ClientError as error:
            if error_code(error) in _MISSING:
                return ""
            raise
    item = answer[part] if part else answer
    live = {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())}
    return str(item[id]) if live == tags else ""
