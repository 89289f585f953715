"""DynamoDB as a journal: one table, conditional writes, strongly consistent reads.

    pk                         sk            holds
    SCOPE#head                 CREDENTIAL    lease and newest record; `version` is what conditions name
    SCOPE#record#CREDENTIAL    0000000012    one archived record, never overwritten

The scope is the environment, so several environments may share a table. How heads and records work together, how a
lost answer is resolved and how an older backup is noticed: `document_journal`.

DynamoDB restores a backup only into a new table. A spec that names the new one, or a table deleted and restored under
the old name, shows fewer records than this machine has seen, and is refused.

Source: DynamoDB developer guide, condition expressions, read consistency, point-in-time recovery.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lifecycle.clients.aws import AwsClients, aws_errors, error_code
from lifecycle.domain.errors import LostRaceError, NotFoundError
from lifecycle.domain.kinds import Family, Kind, KindSettings

if TYPE_CHECKING:
    from lifecycle.journals.document_journal import Documents

PARTITION_KEY, SORT_KEY = "pk", "sk"
_DIGITS = 10


class DynamoDbSettings(KindSettings):
    """`journal.dynamodb`.

    Attributes:
        table: its name, in the account and region of the environment; `lifecycle bootstrap` makes it.
    """

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{3,255}$")]


class DynamoDbDocuments:
    """Heads and archived records of one environment.

    Args:
        clients: of the account.
        table: name of the table.
        scope: name of the environment.
    """

    def __init__(self, clients: AwsClients, *, table: str, scope: str) -> None:
        self._clients, self._table, self._scope = clients, table, scope

    @property
    def name(self) -> str:
        """Which journal it is, for messages."""
        return f"journal table {self._table}"

    def read(self, credential: str) -> tuple[int, Mapping[str, Any]] | None:
        """Version and fields of a head."""
        key = {PARTITION_KEY: {"S": self._heads}, SORT_KEY: {"S": credential}}
        with self._errors("reading"):
            answer = self._clients.reader("dynamodb").get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return _parsed(answer["Item"])[1:] if "Item" in answer else None

    def write(self, credential: str, fields: Mapping[str, str], *, version: int) -> None:
        """One conditional put: the version is what was read, or there is no head yet."""
        item = {name: {"S": text} for name, text in fields.items()}
        key = {PARTITION_KEY: {"S": self._heads}, SORT_KEY: {"S": credential}, "version": {"N": str(version + 1)}}
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({PARTITION_KEY})"}
        if version:
            condition = {
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":version": {"N": str(version)}},
            }
        if not self._put({**item, **key}, condition):
            raise LostRaceError(f"{self.name}: {credential} was written by another run", remedy="read it again")

    def archive(self, credential: str, sequence: int, body: str) -> None:
        """A conditional put; what is there stays."""
        item = {
            PARTITION_KEY: {"S": self._records(credential)},
            SORT_KEY: {"S": f"{sequence:0{_DIGITS}d}"},
            "record": {"S": body},
        }
        self._put(item, {"ConditionExpression": f"attribute_not_exists({PARTITION_KEY})"})

    def archived(self, credential: str) -> tuple[str, ...]:
        """All archived records, oldest first: the sort key counts."""
        return tuple(str(item["record"]["S"]) for item in self._query(self._records(credential)))

    def heads(self) -> tuple[tuple[str, int, Mapping[str, Any]], ...]:
        """Every head, by name."""
        return tuple(_parsed(item) for item in self._query(self._heads))

    @property
    def _heads(self) -> str:
        return f"{self._scope}#head"

    def _records(self, credential: str) -> str:
        return f"{self._scope}#record#{credential}"

    def _put(self, item: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
        """False when the condition does not hold."""
        from botocore.exceptions import ClientError

        with self._errors("writing", writes=True):
            try:
                # A client that repeats by itself would take its own landed write for somebody else's.
                self._clients.writer("dynamodb").put_item(TableName=self._table, Item=item, **condition)
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def _query(self, partition: str) -> Iterator[Mapping[str, Any]]:
        with self._errors("listing"):
            pages = (
                self._clients.reader("dynamodb")
                .get_paginator("query")
                .paginate(
                    TableName=self._table,
                    ConsistentRead=True,
                    KeyConditionExpression="#pk = :pk",
                    ExpressionAttributeNames={"#pk": PARTITION_KEY},
                    ExpressionAttributeValues={":pk": {"S": partition}},
                )
            )
            for page in pages:
                yield from page["Items"]

    @contextmanager
    def _errors(self, doing: str, *, writes: bool = False) -> Iterator[None]:
        try:
            with aws_errors(f"{doing} {self.name}", writes=writes):
                yield
        except NotFoundError:
            raise NotFoundError(
                f"{self.name} does not exist", remedy="run `lifecycle bootstrap`, or correct journal.dynamodb.table"
            ) from None


def _parsed(item: Mapping[str, Any]) -> tuple[str, int, Mapping[str, Any]]:
    fields = {name: next(iter(value.values())) for name, value in item.items()}
    return str(fields[SORT_KEY]), int(fields["version"]), fields


if TYPE_CHECKING:
    _documents: type[Documents] = DynamoDbDocuments

KIND = Kind(
    name="dynamodb",
    family=Family.JOURNAL,
    settings=DynamoDbSettings,
    summary="DynamoDB table: conditional writes, for any number of hosts",
)
