"""The journals that several hosts share: the common contract, and what only a service can suffer.

DynamoDB is moto behind the strict shim, Vault the real OpenBao.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.audit import GENESIS, Digest
from lifecycle.domain.errors import AmbiguousEffectError, BusyError, IntegrityError, NotFoundError
from lifecycle.domain.secret import SecretText
from lifecycle.journals.document_journal import DocumentJournal, Documents
from lifecycle.journals.dynamodb import PARTITION_KEY, SORT_KEY, DynamoDbDocuments
from lifecycle.journals.seen_heads import SeenHeads
from lifecycle.journals.vault_kv import VaultKvDocuments
from tests.contract.journal_contract import TTL, Clock, JournalContract, record_after
from tests.contract.sandbox_server import running_double
from tests.servers.openbao import OpenBaoServer


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsClients]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as double:
        yield double.aws()


@pytest.fixture
def table(clients: AwsClients) -> str:
    name = f"lifecycle-journal-{uuid4()}"
    clients.writer("dynamodb").create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": PARTITION_KEY, "AttributeType": "S"},
            {"AttributeName": SORT_KEY, "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def vault_client(server: OpenBaoServer) -> VaultClient:
    return VaultClient(server.address, TokenLogin(token=SecretText(server.root_token)))


class TestDynamoDbJournal(JournalContract):
    """Each view is an object of its own over the same table."""

    @pytest.fixture
    def open_book(self, clock: Clock, clients: AwsClients, table: str) -> Callable[[], DocumentJournal]:
        return lambda: DocumentJournal(DynamoDbDocuments(clients, table=table, scope="prod"), clock=clock)


class TestVaultJournal(JournalContract):
    """Each view logs in on its own."""

    @pytest.fixture
    def open_book(
        self, clock: Clock, openbao_server: OpenBaoServer, openbao_kv_mount: str
    ) -> Callable[[], DocumentJournal]:
        return lambda: DocumentJournal(
            VaultKvDocuments(vault_client(openbao_server), mount=openbao_kv_mount, path="lifecycle/journal/prod"),
            clock=clock,
        )


@pytest.fixture(params=["dynamodb", "vault"])
def documents(request: pytest.FixtureRequest) -> Documents:
    if request.param == "vault":
        server: OpenBaoServer = request.getfixturevalue("openbao_server")
        mount: str = request.getfixturevalue("openbao_kv_mount")
        return VaultKvDocuments(vault_client(server), mount=mount, path="journal/prod")
    clients: AwsClients = request.getfixturevalue("clients")
    return DynamoDbDocuments(clients, table=request.getfixturevalue("table"), scope="prod")


class Unreliable:
    """Documents whose next writes lose their answer, with or without effect, or do not reach the archive."""

    def __init__(self, inner: Documents) -> None:
        self._inner = inner
        self.lose: list[str] = []
        self.archive_fails = False

    @property
    def name(self) -> str:
        return self._inner.name

    def read(self, credential: str) -> tuple[int, Mapping[str, Any]] | None:
        return self._inner.read(credential)

    def write(self, credential: str, fields: Mapping[str, str], *, version: int) -> None:
        how = self.lose.pop(0) if self.lose else ""
        if how != "before":
            self._inner.write(credential, fields, version=version)
        if how:
            raise AmbiguousEffectError("the answer was lost", remedy="read")

    def archive(self, credential: str, sequence: int, body: str) -> None:
        if self.archive_fails:
            raise AmbiguousEffectError("the answer was lost", remedy="read")
        self._inner.archive(credential, sequence, body)

    def archived(self, credential: str) -> tuple[str, ...]:
        return self._inner.archived(credential)

    def heads(self) -> tuple[tuple[str, int, Mapping[str, Any]], ...]:
        return self._inner.heads()


def filled(journal: DocumentJournal, count: int, *, name: str = "ingest") -> list[Digest]:
    """Append some records after what is there."""
    lease = journal.acquire(name, "p1", TTL)
    start = journal.head(name)
    head, sequence = start.digest, start.record.sequence if start.record else 0
    digests = []
    for number in range(sequence + 1, sequence + count + 1):
        head = journal.append(lease, record_after(lease, head, number), head)
        digests.append(head)
    journal.release(lease)
    return digests


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_lost_acknowledgement_is_resolved_by_reading(documents: Documents, how: str) -> None:
    unreliable = Unreliable(documents)
    journal = DocumentJournal(unreliable, clock=Clock())
    unreliable.lose = [how]
    lease = journal.acquire("ingest", "p1", TTL)
    assert lease.fence == 1
    unreliable.lose = [how]
    digest = journal.append(lease, record_after(lease), GENESIS)
    unreliable.lose = [how]
    lease = journal.renew(lease, TTL * 2)
    unreliable.lose = [how]
    journal.release(lease)
    assert journal.head("ingest").digest == digest
    assert len(journal.history("ingest")) == 1
    assert journal.acquire("ingest", "p2", TTL).fence == 2


def test_a_write_that_stays_doubtful_says_so(documents: Documents) -> None:
    unreliable = Unreliable(documents)
    unreliable.lose = ["before"] * 10
    with pytest.raises(AmbiguousEffectError):
        DocumentJournal(unreliable, clock=Clock()).acquire("ingest", "p1", TTL)


def test_a_process_killed_before_archiving_loses_no_record(documents: Documents) -> None:
    unreliable = Unreliable(documents)
    killed = DocumentJournal(unreliable, clock=Clock())
    unreliable.archive_fails = True
    filled(killed, 1)
    other = DocumentJournal(documents, clock=Clock())
    assert [record.sequence for record in other.history("ingest")] == [1]
    assert other.open_operations()[0].sequence == 1
    filled(other, 2)
    assert [record.sequence for record in other.history("ingest")] == [1, 2, 3]


def test_a_record_that_cannot_be_archived_is_not_replaced(documents: Documents) -> None:
    unreliable = Unreliable(documents)
    journal = DocumentJournal(unreliable, clock=Clock())
    lease = journal.acquire("ingest", "p1", TTL)
    unreliable.archive_fails = True
    head = journal.append(lease, record_after(lease), GENESIS)
    with pytest.raises(AmbiguousEffectError):
        journal.append(lease, record_after(lease, head, 2), head)
    assert journal.head("ingest").digest == head


def test_an_older_backup_put_back_is_refused(documents: Documents, tmp_path: Path) -> None:
    seen = SeenHeads(tmp_path / "seen")
    journal = DocumentJournal(documents, clock=Clock(), seen=seen)
    filled(journal, 1)
    backup = documents.read("ingest")
    assert backup is not None
    filled(journal, 2)
    newest = documents.read("ingest")
    assert newest is not None
    documents.write("ingest", {key: str(value) for key, value in backup[1].items()}, version=newest[0])
    reopened = DocumentJournal(documents, clock=Clock(), seen=SeenHeads(tmp_path / "seen"))
    for call in (lambda: reopened.head("ingest"), lambda: reopened.acquire("ingest", "p2", TTL)):
        with pytest.raises(IntegrityError, match="older copy"):
            call()
    with pytest.raises(IntegrityError, match="older copy"):
        reopened.open_operations()


def test_a_journal_that_vanished_is_refused(documents: Documents, tmp_path: Path) -> None:
    SeenHeads(tmp_path / "seen").advance("ingest", 3, Digest("sha256:33"))
    journal = DocumentJournal(documents, clock=Clock(), seen=SeenHeads(tmp_path / "seen"))
    with pytest.raises(IntegrityError, match="older copy"):
        journal.acquire("ingest", "p1", TTL)


@pytest.mark.parametrize(
    ("field", "value"), [("digest", "sha256:00"), ("record", "{}"), ("sequence", "7"), ("fence", "x")]
)
def test_an_edit_of_a_head_by_hand_is_detected(documents: Documents, field: str, value: str) -> None:
    journal = DocumentJournal(documents, clock=Clock())
    filled(journal, 2)
    found = documents.read("ingest")
    assert found is not None
    edited = {key: str(text) for key, text in found[1].items()} | {field: value}
    documents.write("ingest", edited, version=found[0])
    with pytest.raises(IntegrityError):
        journal.head("ingest")


def test_a_missing_archived_record_is_detected(clients: AwsClients, table: str) -> None:
    journal = DocumentJournal(DynamoDbDocuments(clients, table=table, scope="prod"), clock=Clock())
    filled(journal, 3)
    key = {PARTITION_KEY: {"S": "prod#record#ingest"}, SORT_KEY: {"S": "0000000002"}}
    clients.writer("dynamodb").delete_item(TableName=table, Key=key)
    with pytest.raises(IntegrityError, match="does not follow"):
        journal.history("ingest")


def test_environments_that_share_a_table_are_apart(clients: AwsClients, table: str) -> None:
    one, two = (
        DocumentJournal(DynamoDbDocuments(clients, table=table, scope=scope), clock=Clock()) for scope in ("one", "two")
    )
    filled(one, 2)
    assert two.credentials() == ()
    assert two.acquire("ingest", "p1", timedelta(minutes=1)).fence == 1
    with pytest.raises(BusyError):
        two.acquire("ingest", "p2", TTL)


def test_a_missing_table_is_named_with_the_command_that_makes_it(clients: AwsClients) -> None:
    journal = DocumentJournal(DynamoDbDocuments(clients, table="not-there", scope="prod"), clock=Clock())
    with pytest.raises(NotFoundError, match="not-there") as caught:
        journal.acquire("ingest", "p1", TTL)
    assert "lifecycle bootstrap" in caught.value.remedy


def test_a_damaged_note_of_what_was_seen_is_an_error(tmp_path: Path) -> None:
    seen = SeenHeads(tmp_path)
    seen.advance("ingest", 1, GENESIS)
    (tmp_path / "ingest.json").write_text("{")
    with pytest.raises(IntegrityError, match="ingest"):
        seen.beyond("ingest", 1, GENESIS)
