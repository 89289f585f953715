"""Journals by kind: where the progress of rotations is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, owner_lives, utc_now
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.ports import LeaseBook, RotationJournal

if TYPE_CHECKING:
    from lifecycle.journals.document_journal import DocumentJournal, Documents
    from lifecycle.secret_stores.vault_settings import VaultSettings


class Journal(RotationJournal, LeaseBook, Protocol):
    """Every journal is the lease book of its credentials too, so that fence and record are decided together."""


def open_journal(around: Surroundings, stores: Stores) -> Journal:
    """The journal that the spec declares.

    Raises:
        ConfigurationError: none is declared, or one that only this host sees, outside a sandbox.
    """
    builders: Mapping[str, Callable[[Surroundings, Stores, Any], Journal]] = {
        "dynamodb": _dynamodb,
        "sqlite": _sqlite,
        "vault": _vault,
    }
    chosen = around.spec.journal
    if chosen is None or (chosen.kind == "sqlite" and around.spec.sandbox is None):
        raise ConfigurationError(
            f"environment {around.spec.environment} declares no journal that other hosts can see",
            remedy="declare `journal: {dynamodb: …}` or `{vault: …}`; SQLite serves one host and only sandboxes use it",
        )
    return builders[chosen.kind](around, stores, chosen.settings)


def vault_journal_store(around: Surroundings, name: str) -> VaultSettings:
    """Settings of the Vault store that keeps the journal.

    Raises:
        ConfigurationError: there is no such store, or it is not Vault.
    """
    chosen = around.spec.secret_stores.get(name)
    if chosen is None or chosen.kind != "vault":
        raise ConfigurationError(
            f"journal.vault.store names {name!r}, which is no Vault secret store",
            remedy="name one of `secret_stores` that is of kind vault",
        )
    settings: VaultSettings = chosen.settings
    return settings


def _sqlite(around: Surroundings, _stores: Stores, _settings: Any) -> Journal:
    from lifecycle.journals.sqlite import SqliteJournal

    around.paths.journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return SqliteJournal(around.paths.journal, clock=utc_now, alive=owner_lives)


def _dynamodb(around: Surroundings, _stores: Stores, settings: Any) -> Journal:
    from lifecycle.journals.dynamodb import DynamoDbDocuments

    return _shared(around, DynamoDbDocuments(around.aws, table=settings.table, scope=around.spec.environment))


def _vault(around: Surroundings, stores: Stores, settings: Any) -> Journal:
    from lifecycle.journals.vault_kv import VaultKvDocuments

    store = vault_journal_store(around, settings.store)
    return _shared(around, VaultKvDocuments(stores.vault_client(store), mount=store.mount, path=settings.path))


def _shared(around: Surroundings, documents: Documents) -> DocumentJournal:
    from lifecycle.journals.document_journal import DocumentJournal
    from lifecycle.journals.seen_heads import SeenHeads

    return DocumentJournal(documents, clock=utc_now, seen=SeenHeads(around.paths.seen_heads))
