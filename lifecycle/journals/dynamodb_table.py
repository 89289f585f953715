"""The table of the DynamoDB journal: on demand, protected from deletion, with point-in-time recovery.

A recovered copy is a new table; why it is noticed when a spec names it: `dynamodb`.
"""

from __future__ import annotations

from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.journals.dynamodb import PARTITION_KEY, SORT_KEY

_KEYS = ((PARTITION_KEY, "HASH"), (SORT_KEY, "RANGE"))


class JournalTable:
    """A part of bootstrapping.

    Args:
        clients: an administrator's.
        table: its name.
    """

    def __init__(self, clients: AwsClients, *, table: str) -> None:
        self._clients, self._table = clients, table

    @property
    def title(self) -> str:
        """What it is."""
        return f"journal table {self._table}"

    def missing(self) -> tuple[str, ...]:
        """The table, or its recovery."""
        described = self._described()
        if described is None:
            return ("table", "point-in-time recovery")
        keys = {item["AttributeName"]: item["KeyType"] for item in described["KeySchema"]}
        if keys != dict(_KEYS):
            raise ConfigurationError(
                f"{self.title} exists with other keys, so it is no journal", remedy="name another table in the spec"
            )
        return () if self._recoverable() else ("point-in-time recovery",)

    def make(self) -> None:
        """Create it, wait until it is there, switch recovery on."""
        sdk = self._clients.writer("dynamodb")
        with aws_errors(f"making {self.title}", writes=True):
            if self._described() is None:
                sdk.create_table(
                    TableName=self._table,
                    KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS],
                    AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in _KEYS],
                    BillingMode="PAY_PER_REQUEST",
                    DeletionProtectionEnabled=True,
                )
            self._clients.reader("dynamodb").get_waiter("table_exists").wait(TableName=self._table)
            sdk.update_continuous_backups(
                TableName=self._table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )

    def _described(self) -> dict[str, Any] | None:
        try:
            with aws_errors(f"looking at {self.title}"):
                answer = self._clients.reader("dynamodb").describe_table(TableName=self._table)
        except NotFoundError:
            return None
        table: dict[str, Any] = answer["Table"]
        return table

    def _recoverable(self) -> bool:
        with aws_errors(f"looking at the backups of {self.title}"):
            answer = self._clients.reader("dynamodb").describe_continuous_backups(TableName=self._table)
        recovery = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")
