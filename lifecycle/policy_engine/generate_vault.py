"""Vault policies of the tool's identities, per store: exactly the paths of the declared credentials.

Each stanza says what it is for. Nothing here writes under `sys/` or `auth/` but the renewal of the own token. The
paths are those of the store's adapter: one document per credential, and what is pending beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain.naming import secret_name
from lifecycle.policy_engine.generate_names import VAULT, Names, setting


def rotate(names: Names, store: str) -> Iterator[str]:
    """Stage, promote, seal, and remove what was discarded or retired."""
    yield from _own_token()
    for name, entry in names.credentials(VAULT):
        if entry.store != store:
            continue
        yield _stanza(names, store, "data", name, "create", "read", "update", why=f"credential {name}")
        yield _stanza(names, store, "metadata", name, "delete", why=f"retirement of {name}, with its history")
        yield _stanza(names, store, "metadata", f"{name}.pending", "list", why=f"what is pending of {name}")
        yield _stanza(names, store, "data", f"{name}.pending/+", "create", "read", "update", why="a pending value")
        yield _stanza(names, store, "metadata", f"{name}.pending/+", "delete", why="its removal, with its history")
    for value in names.own_values(store):
        yield _stanza(names, store, "data", value, "create", "read", "update", why="a value of the tool itself")
    for login in names.logins(store):
        yield _stanza(names, store, "data", login, "read", why="a login of a destination")
    yield from _journal(names, store, writes=True)


def verify(names: Names, store: str) -> Iterator[str]:
    """Read what connectors log in with, and ask about the own rights."""
    yield from _own_token()
    yield _path("sys/capabilities-self", "update", why="the vault connector asks what it may read, reading nothing")
    for where, name in names.verified(VAULT):
        if where == store:
            yield _stanza(names, store, "data", name, "read", why=f"connectors log in with {name}")


def audit(names: Names, store: str) -> Iterator[str]:
    """See which secrets exist and how old they are; never a value."""
    yield from _own_token()
    yield from _listing(names, store)
    for name, entry in names.credentials(VAULT):
        if entry.store == store:
            yield _stanza(names, store, "metadata", name, "read", why=f"versions and ages of {name}")
    yield from _journal(names, store, writes=False)


def report(names: Names, store: str) -> Iterator[str]:
    """As audit: ages, never a value."""
    yield from audit(names, store)


def _journal(names: Names, store: str, *, writes: bool) -> Iterator[str]:
    """The journal, where it lies in this store: heads are replaced by check-and-set, records only ever added."""
    journal = names.spec.journal
    if journal is None or journal.kind != VAULT or setting(journal.settings, "store", "default") != store:
        return
    mount = setting(names.spec.secret_stores[store].settings, "mount", "kv").strip("/")
    path = setting(journal.settings, "path").strip("/")
    heads, records = (["create", "update"], ["create"]) if writes else ([], [])
    yield _path(f"{mount}/data/{path}/heads/+", "read", *heads, why="journal: lease and newest record of a credential")
    yield _path(f"{mount}/metadata/{path}/heads", "list", why="journal: which credentials it knows")
    yield _path(f"{mount}/data/{path}/records/+/+", "read", *records, why="journal: one record, never overwritten")
    yield _path(f"{mount}/metadata/{path}/records/+", "list", why="journal: the records of a credential")


def _listing(names: Names, store: str) -> Iterator[str]:
    settings = names.spec.secret_stores[store].settings
    mount, prefix = setting(settings, "mount", "kv").strip("/"), setting(settings, "prefix").strip("/")
    path = f"{mount}/metadata/{prefix}" if prefix else f"{mount}/metadata/"
    yield _path(path, "list", why="which secrets exist, also those that nobody declared")


def _own_token() -> Iterator[str]:
    yield _path("auth/token/lookup-self", "read", why="whether the own token lives")
    yield _path("auth/token/renew-self", "update", why="renewal of the own token")


def _stanza(names: Names, store: str, verb: str, name: str, *capabilities: str, why: str) -> str:
    settings = names.spec.secret_stores[store].settings
    mount, prefix = setting(settings, "mount", "kv").strip("/"), setting(settings, "prefix")
    return _path(f"{mount}/{verb}/{secret_name(prefix, name)}", *capabilities, why=why)


def _path(path: str, *capabilities: str, why: str) -> str:
    listed = ", ".join(f'"{item}"' for item in capabilities)
    return f'# {why}\npath "{path}" {{\n  capabilities = [{listed}]\n}}\n'
