"""Rights at services that know no policy documents: PostgreSQL grants, and the role of the tool's user at DataRobot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.domain.spec import Credential
from lifecycle.policy_engine.generate_names import Names, setting

POSTGRES = "postgres_role_password"
DATAROBOT = "datarobot_api_key"
_KEYS = ("GET /account/info/", "GET /organizations/{id}/users/", "GET, POST, DELETE /account/apiKeys/")
_STORED = (
    "GET, PATCH /credentials/",
    "GET /credentials/{id}/associations/",
    "GET /externalDataStores/",
    "POST /externalDataStores/{id}/test/",
)


def service_policies(names: Names) -> dict[str, str]:
    """Files by path below the environment: `postgres/HOST/IDENTITY.sql`, `datarobot/IDENTITY.yaml`."""
    files: dict[str, list[str]] = {}
    for path, line in (*_postgres_rotate(names), *_postgres_verify(names), *_datarobot(names)):
        lines = files.setdefault(path, [])
        if line not in lines:
            lines.append(line)
    return {path: "\n".join((_head(names, path), "", *lines, "")) for path, lines in sorted(files.items())}


def _head(names: Names, path: str) -> str:
    sign = "--" if path.endswith(".sql") else "#"
    identity = path.rpartition("/")[2].partition(".")[0]
    return f"{sign} {names.spec.environment}: identity {identity}. Written by lifecycle policy generate."


def _postgres_rotate(names: Names) -> Iterator[tuple[str, str]]:
    """The administrator may change the declared roles, and as their member end their sessions; it is no superuser."""
    for entry in _of_kind(names, POSTGRES):
        path = f"postgres/{setting(entry.settings, 'host')}/rotate.sql"
        chosen = setting(entry.settings, "admin")
        if not chosen:
            yield path, f"-- role {_quoted(_roles(entry)[0])} changes its own password, and needs no right for it"
            continue
        for admin in _roles(names.spec.credentials[chosen]):
            who = _quoted(admin)
            yield path, f"ALTER ROLE {who} NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS CREATEROLE;"
            yield from ((path, f"GRANT {_quoted(role)} TO {who} WITH ADMIN OPTION;") for role in _roles(entry))


def _postgres_verify(names: Names) -> Iterator[tuple[str, str]]:
    """Who a connector logs in as may log in and read the declared tables."""
    for connector in names.spec.connectors.values():
        entry = names.spec.credentials.get(connector.credential or "") if connector.kind == "postgres" else None
        if entry is None or entry.kind != POSTGRES:
            continue
        path = f"postgres/{setting(connector.settings, 'host')}/verify.sql"
        owner = setting(entry.settings, "member_of")
        who = ", ".join(_quoted(role) for role in ([owner] if owner else _roles(entry)))
        yield (
            path,
            f"GRANT CONNECT ON DATABASE {_quoted(setting(connector.settings, 'database', 'postgres'))} TO {who};",
        )
        for table in setting(connector.settings, "can_select", ()):
            schema, _, name = table.rpartition(".")
            yield path, f"GRANT USAGE ON SCHEMA {_quoted(schema or 'public')} TO {who};"
            yield path, f"GRANT SELECT ON TABLE {_quoted(schema or 'public')}.{_quoted(name)} TO {who};"


def _datarobot(names: Names) -> Iterator[tuple[str, str]]:
    """Which role at DataRobot, for whom, and the only calls that are made. DataRobot knows no narrower right."""
    principals = sorted({str(setting(entry.settings, "principal")) for entry in _of_kind(names, DATAROBOT)})
    delivered = any(
        choice.kind == "datarobot_credential"
        for entry in names.spec.credentials.values()
        for choice in entry.deliver_to
    )
    path = "datarobot/rotate.yaml"
    if principals:
        yield path, "role: organisation administrator  # nobody else may make keys for another user"
        yield path, f"makes_keys_for: [{', '.join(principals)}]"
    elif delivered:
        yield path, "role: user  # owner of the credentials that it renews"
    calls = (*(_KEYS if principals else ()), *(_STORED if delivered else ()))
    if calls:
        yield path, "calls:"
        yield from ((path, f'  - "{call}"') for call in calls)
    if any(connector.kind == "datarobot" for connector in names.spec.connectors.values()):
        path = "datarobot/verify.yaml"
        yield path, "role: none of its own  # it logs in with the key that it verifies"
        yield path, "calls:"
        yield from ((path, f'  - "GET {call}"') for call in ("/account/info/", "/version/"))


def _of_kind(names: Names, kind: str) -> tuple[Credential, ...]:
    return tuple(entry for _, entry in sorted(names.spec.credentials.items()) if entry.kind == kind)


def _roles(entry: Credential) -> tuple[str, ...]:
    one = setting(entry.settings, "role")
    return (str(one),) if one else tuple(setting(entry.settings, "roles", ()))


def _quoted(name: Any) -> str:
    text = str(name).replace('"', '""')
    return f'"{text}"'
