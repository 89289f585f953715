"""What is wrong with the Vault policies that one token holds. Each finding stands on the stanza that causes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.domain.policy import Finding, Severity
from lifecycle.policy_engine.vault_acl import DENY, SUDO, AclPolicy, Stanza
from lifecycle.policy_engine.vault_acl_match import ROOT, Acl
from lifecycle.policy_engine.vault_acl_reach import (
    compile_as_written,
    deciders,
    inside,
    meeting_path,
    on_mount,
    shown,
)

CHANGING = frozenset({"create", "update", "patch", "delete", "recover"})
_KV_VERBS = ("data", "metadata", "delete", "undelete", "destroy", "subkeys", "config", "detailed-metadata")
_CONTROLS = ("NIST-800-53 AC-6",)


@dataclass(frozen=True, slots=True, kw_only=True)
class KvMount:
    """A KV version 2 mount that the reviewed policies are about.

    Attributes:
        path: of the mount, e.g. `kv`.
        prefix: what the environment may reach below it, e.g. `datarobot/prod`; empty = all of it.
    """

    path: str
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    policies: tuple[AclPolicy, ...]
    acl: Acl
    mounts: tuple[KvMount, ...]
    table: Mapping[str, Any]

    def stanzas(self) -> Iterator[tuple[str, Stanza]]:
        for policy in self.policies:
            for stanza in policy.stanzas:
                yield policy.name, stanza

    def effective(self, stanza: Stanza, target: str) -> tuple[str, frozenset[str]]:
        """Where a stanza meets a target, and what the token may do there, when this stanza is why."""
        path = meeting_path(stanza.path, target)
        if path is None or stanza.denies:
            return "", frozenset()
        grant = self.acl.deciding(path)
        mine = grant is not None and any(source is stanza for _, source in grant.sources)
        return path, grant.capabilities - {DENY} if grant is not None and mine else frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    id: str
    severity: Severity
    remedy: str
    check: Callable[[_Subject, Stanza], Iterator[tuple[str, str]]]


def vault_findings(
    policies: tuple[AclPolicy, ...], *, mounts: tuple[KvMount, ...], table: Mapping[str, Any]
) -> tuple[Finding, ...]:
    """Judge policies that one token holds together.

    Args:
        policies: parsed, without expired stanzas.
        mounts: KV version 2 mounts; stanzas elsewhere are judged by the other rules only.
        table: `policies/data/vault_paths.json`.
    """
    subject = _Subject(policies=policies, acl=compile_as_written(policies), mounts=mounts, table=table)
    found = [
        Finding(
            rule=rule.id,
            severity=rule.severity,
            message=f'policy {policy}: path "{stanza.path}" {text}',
            remedy=rule.remedy,
            place=stanza.place,
            evidence=evidence,
            controls=_CONTROLS,
        )
        for policy, stanza in subject.stanzas()
        for rule in RULES
        for text, evidence in rule.check(subject, stanza)
    ]
    return (*_root_policies(policies), *found)


def _root_policies(policies: tuple[AclPolicy, ...]) -> Iterator[Finding]:
    for policy in policies:
        if policy.name == ROOT:
            yield Finding(
                rule="LC-VAULT-001",
                severity=Severity.ERROR,
                message="policy root: the token may do everything",
                remedy="give the token policies that name what it needs",
                controls=_CONTROLS,
            )


def _root_equal(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    harms: dict[str, str] = {}
    for entry in subject.table["root_equal"]:
        path, granted = subject.effective(stanza, entry["path"])
        if granted & set(entry["any_of"]) and granted >= set(entry.get("all_of", ())):
            harms.setdefault(entry["harm"], shown(path))
    for harm, path in harms.items():
        yield f"is as good as root: {harm}", path


def _area(area: str) -> Callable[[_Subject, Stanza], Iterator[tuple[str, str]]]:
    def check(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
        path, granted = subject.effective(stanza, f"{area}/*")
        own = any(_same(stanza.path, item) for item in subject.table["self_service"])
        if granted & CHANGING and not own and not any(_root_equal(subject, stanza)):
            yield f"changes something under {area}/ ({', '.join(sorted(granted & CHANGING))})", shown(path)

    return check


def _same(path: str, known: str) -> bool:
    """Whether a pattern matches nothing but what a known pattern matches; sound, for the two shapes of the table."""
    return path == known or (known.endswith("*") and path.startswith(known[:-1]))


def _other_environment(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    for mount in subject.mounts:
        if not mount.prefix or stanza.denies or not stanza.capabilities or not on_mount(stanza.path, mount.path):
            continue
        listing = stanza.path.rstrip("/") == f"{mount.path}/metadata/{mount.prefix.strip('/')}"
        if listing and stanza.capabilities <= {"list", "scan"}:
            continue
        if not inside(stanza.path, mount.path, mount.prefix):
            outside = shown(meeting_path(stanza.path, f"{mount.path}/*") or "")
            yield f"reaches beyond {mount.prefix.strip('/')}/ on {mount.path}/", outside


def _unused(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    deciding = deciders(subject.acl, stanza)
    own = [grant for grant in deciding if any(source is stanza for _, source in grant.sources)]
    if not own:
        stronger = ", ".join(dict.fromkeys(f'"{source.path}"' for grant in deciding for _, source in grant.sources))
        yield f"never decides anything: {stronger} always comes first", stronger
    elif not stanza.denies and own[0].capabilities == {DENY}:
        denying = next(source for _, source in own[0].sources if source.denies)
        yield f"grants nothing: the same path is denied at {denying.place}", str(denying.place)
    elif not stanza.capabilities:
        yield "grants nothing, and keeps wider stanzas from granting anything there", ""


def _lifted_denial(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    if not stanza.denies:
        return
    for _, other in subject.stanzas():
        path, granted = subject.effective(other, stanza.path)
        if granted and other.path != stanza.path:
            yield f'denies, but "{other.path}" ({other.place}) is narrower and grants', shown(path)


def _kv_confusion(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    for mount in subject.mounts:
        home = f"{mount.path.strip('/')}/"
        if not stanza.path.startswith(home) or stanza.denies:
            continue
        verb, slash, _ = stanza.path.removeprefix(home).partition("/")
        if "*" not in verb and verb not in (*_KV_VERBS, "+", ""):
            yield f"matches nothing on KV version 2: {home}data/ or {home}metadata/ is missing", verb
        elif verb == "data" and "list" in stanza.capabilities and slash:
            yield f"lists nothing: KV version 2 lists below {home}metadata/", "list"
        elif verb == "metadata" and "delete" in stanza.capabilities:
            yield "destroys all versions of a secret for good (delete on metadata/)", "delete"
        elif verb == "destroy" and stanza.capabilities & CHANGING:
            yield "destroys versions of a secret for good", "destroy"


def _kv_parameters(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    for mount in subject.mounts:
        if not stanza.path.startswith(f"{mount.path.strip('/')}/data/"):
            continue
        named = {*stanza.allowed_parameters, *stanza.denied_parameters, *stanza.required_parameters}
        idle = sorted(named - {"data", "options", "*", "version"})
        if idle:
            yield "limits parameters that KV version 2 keeps inside `data`, where Vault does not look", ", ".join(idle)


def _sudo(subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    if SUDO not in stanza.capabilities:
        return
    needed = [path for path in subject.table["sudo_needed"] if meeting_path(stanza.path, path) is not None]
    if needed:
        yield f"grants sudo, which counts on {', '.join(needed[:3])}{' and more' if len(needed) > 3 else ''}", needed[0]
    else:
        yield "grants sudo where nothing needs it", SUDO


def _legacy(_subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    if stanza.legacy:
        granted = ", ".join(sorted(stanza.capabilities))
        yield f'is written `policy = "{stanza.legacy}"`, which means {granted}', stanza.legacy


def _open_template(_subject: _Subject, stanza: Stanza) -> Iterator[tuple[str, str]]:
    if "}}*" in stanza.path and not stanza.denies:
        yield "also reaches identities whose name begins with this one's", stanza.path


RULES = (
    _Rule(
        id="LC-VAULT-001", severity=Severity.ERROR, remedy="name what the token needs, one by one", check=_root_equal
    ),
    _Rule(id="LC-VAULT-002", severity=Severity.ERROR, remedy="leave sys/ to operators", check=_area("sys")),
    _Rule(id="LC-VAULT-003", severity=Severity.ERROR, remedy="leave auth/ to operators", check=_area("auth")),
    _Rule(
        id="LC-VAULT-004",
        severity=Severity.ERROR,
        remedy="begin the path with mount, data or metadata, and the environment's prefix with its slash",
        check=_other_environment,
    ),
    _Rule(
        id="LC-VAULT-005", severity=Severity.WARNING, remedy="remove the stanza, or the one before it", check=_unused
    ),
    _Rule(
        id="LC-VAULT-006",
        severity=Severity.WARNING,
        remedy="deny the narrower path itself: the most specific stanza alone decides",
        check=_lifted_denial,
    ),
    _Rule(
        id="LC-VAULT-007",
        severity=Severity.WARNING,
        remedy="values are below data/, names and history below metadata/",
        check=_kv_confusion,
    ),
    _Rule(id="LC-VAULT-008", severity=Severity.WARNING, remedy="limit by path instead", check=_kv_parameters),
    _Rule(id="LC-VAULT-009", severity=Severity.ERROR, remedy="remove sudo", check=_sudo),
    _Rule(id="LC-VAULT-010", severity=Severity.NOTE, remedy="write the capabilities that are needed", check=_legacy),
    _Rule(id="LC-VAULT-011", severity=Severity.ERROR, remedy="put a slash before the *", check=_open_template),
)
