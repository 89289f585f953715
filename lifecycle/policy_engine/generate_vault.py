"""Vault policies of the tool's identities, per store: exactly the paths of the declared credentials.

Each stanza says what it is for. Nothing here writes under `sys/` or `auth/` but the renewal of the own token. The
paths are those of the store's adapter: one document per credential, and what is pending beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain.naming import secret_name
from lifecycle.policy_engine.generate_audit import pin_path, transit_paths
from lifecycle.policy_engine.generate_names import VAULT, Names, setting


def rotate(names: Names, store: str) -> Iterator[str]:
    """Stage, promote, seal, and remove what was discarded or retired."""
    yield from reads_pin(names, store)
    for name, entry in (*names.credentials(VAULT), *names.shadows(VAULT)):
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
    for role, mount in _roles(names, store):
        yield _path(f"auth/{mount}/role/{role}/secret-id", "list", "update", why=f"secret ids of AppRole {role}")
        yield _path(f"auth/{mount}/role/{role}/secret-id-accessor/destroy", "update", why="the end of one of them")
    yield from _seen_roles(names, store, listing=False)
    yield from _journal(names, store, writes=True)


def reads_pin(names: Names, store: str) -> Iterator[str]:
    """Look at the own token, and at the pinned digest of the policy bundle, which must not be writable."""
    yield from _own_token()
    yield _path("sys/capabilities-self", "update", why="whether the own token could move the pin")
    yield _path(pin_path(names, store), "read", why="the pinned digest of the policy bundle, where Vault holds it")


def verify(names: Names, store: str) -> Iterator[str]:
    """Read what connectors log in with, and ask about the own rights."""
    yield from _own_token()
    yield _path("sys/capabilities-self", "update", why="the vault connector asks what it may read, reading nothing")
    for where, name in names.verified(VAULT):
        if where == store:
            yield _stanza(names, store, "data", name, "read", why=f"connectors log in with {name}")


def audit(names: Names, store: str) -> Iterator[str]:
    """See which secrets exist and how old they are, and sign the audit log; never a value."""
    yield from _seen(names, store)
    signs = transit_paths(names, store)
    if signs:
        yield _path(signs[0], "update", why="signs heads of the audit log")
        yield _path(signs[1], "read", why="the public half of that key")


def report(names: Names, store: str) -> Iterator[str]:
    """Ages, and what the own token holds; never a value."""
    yield from _seen(names, store)
    yield _path("sys/capabilities-self", "update", why="what the own token may, for the evidence pack")


def _seen(names: Names, store: str) -> Iterator[str]:
    yield from _own_token()
    yield from _listing(names, store)
    for name, entry in names.credentials(VAULT):
        if entry.store == store:
            yield _stanza(names, store, "metadata", name, "read", why=f"versions and ages of {name}")
    yield from _seen_roles(names, store, listing=True)
    yield from _journal(names, store, writes=False)


def _seen_roles(names: Names, store: str, *, listing: bool) -> Iterator[str]:
    for role, mount in _roles(names, store):
        where = f"auth/{mount}/role/{role}"
        yield _path(f"{where}/role-id", "read", why=f"whether AppRole {role} exists")
        if listing:
            yield _path(f"{where}/secret-id", "list", why=f"which secret ids AppRole {role} has")
        yield _path(f"{where}/secret-id-accessor/lookup", "update", why="when one was made, not the secret id itself")


def _roles(names: Names, store: str) -> tuple[tuple[str, str], ...]:
    """Role and mount of the AppRoles of this server whose secret ids are rotated."""
    return tuple(
        sorted(
            {
                (setting(entry.settings, "role"), setting(entry.settings, "mount", "approle").strip("/"))
                for entry in names.rotated()
                if entry.kind == "vault_approle_secret_id" and setting(entry.settings, "server", "default") == store
            }
        )
    )


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
