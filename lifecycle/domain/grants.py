"""What a spec allows, one sentence per permission: who may do what, who can reach whom, who receives which secret.

Two specs compared by these sentences give the change of permission in words. They are sorted and depend on nothing but
the spec, so the same spec always says the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from lifecycle.domain.reach_change import told_once
from lifecycle.domain.spec import Allowlist, HostMatch, ServiceAccount, Spec

_CREDENTIAL = re.compile(r"\bcredentials\.([a-z0-9-]+) ")
_MATCH = {
    HostMatch.EXACT: "",
    HostMatch.SUBDOMAINS: "every subdomain of ",
    HostMatch.APEX_AND_SUBDOMAINS: "this and every subdomain of ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantChange:
    """What is allowed after that was not before, and the other way."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def grants(spec: Spec) -> tuple[str, ...]:
    """Everything the spec allows, sorted."""
    return tuple(sorted({*_reach(spec), *_rights(spec), *_trust(spec), *_values(spec)}))


def by_credential(sentences: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Which of these decide who makes the values of a credential, where they go and what is done with them.

    Those about a DataRobot installation stand under the empty name: they concern every credential.
    """
    found: dict[str, set[str]] = {}
    for sentence in sentences:
        for name in _CREDENTIAL.findall(f"{sentence} "):
            found.setdefault(name, set()).add(sentence)
        if sentence.startswith("datarobot."):
            found.setdefault("", set()).add(sentence)
    return {name: frozenset(told) for name, told in found.items()}


def credential_changes(spec: Spec, approved: Iterable[str]) -> Mapping[str, GrantChange]:
    """How the grants of credentials differ from approved ones; who is not named, does not differ.

    Args:
        spec: as it is now.
        approved: what the last approved spec allows, all of it.
    """
    now, before = by_credential(_values(spec)), by_credential(approved)
    none: frozenset[str] = frozenset()
    common = before.get("", none), now.get("", none)
    changes = {}
    for name in spec.credentials:
        old = before.get(name, none) | common[0]
        new = now.get(name, none) | common[1]
        if old != new:
            changes[name] = compare(tuple(old), tuple(new))
    return changes


def _values(spec: Spec) -> Iterator[str]:
    """Who makes, keeps, receives and tries values."""
    yield from _receivers(spec)
    yield from _probes(spec)
    for name, credential in spec.credentials.items():
        store = spec.secret_stores.get(credential.store)
        kept = f": {store.kind} {_named(store.settings)}".rstrip() if store else ""
        yield f"credentials.{name} is kept in secret_stores.{credential.store}{kept}"
        yield f"credentials.{name} is made by {credential.kind} {_named(credential.settings)}".rstrip()
    for name, target in spec.datarobot.items():
        yield f"datarobot.{name} is at {target.endpoint}"


def compare(before: tuple[str, ...], after: tuple[str, ...]) -> GrantChange:
    """The change from one set of grants to another; a destination that widens or narrows is told once."""
    old, new = frozenset(before), frozenset(after)
    added, removed = told_once(old, new, sorted(new - old), sorted(old - new))
    return GrantChange(added=added, removed=removed)


def entry_kinds(spec: Spec) -> dict[str, str]:
    """Entries of a spec with their kind, as the removal rules of the next run need them."""
    return {
        f"{section}.{entry.name}": str(getattr(entry, "kind", getattr(entry, "platform", "")))
        for section, entry in spec.entries()
    }


def _reach(spec: Spec) -> Iterator[str]:
    for name, allowlist in spec.allowlists.items():
        yield from _listed(name, allowlist)
    for name, agent in spec.agents.items():
        yield f"agents.{name} reaches what allowlists.{agent.egress} lets through"


def _listed(name: str, allowlist: Allowlist) -> Iterator[str]:
    for included in allowlist.include:
        yield f"the hosts of the data set {included} are reachable through allowlists.{name}"
    for entry in allowlist.entries:
        what = f"{_MATCH[entry.match]}{entry.host}" if entry.host else str(entry.cidr)
        until = f" until {entry.expires}" if entry.expires else ""
        yield f"{what} on port {entry.port} is reachable through allowlists.{name}{until}"


def _rights(spec: Spec) -> Iterator[str]:
    for name, account in spec.service_accounts.items():
        for permission in account.permissions:
            limit = " under conditions" if permission.conditions else ""
            for action in permission.actions:
                for resource in permission.resources:
                    yield f"service_accounts.{name} may {action} on {resource}{limit}"


def _trust(spec: Spec) -> Iterator[str]:
    for name, account in spec.service_accounts.items():
        who = _trusted(account)
        if who:
            yield f"service_accounts.{name} may be assumed by {who}"
        if account.existing:
            yield f"service_accounts.{name} is the existing {', '.join(sorted(account.existing.values()))}"


def _trusted(account: ServiceAccount) -> str:
    trust = account.trust
    if trust is None:
        return ""
    if trust.oidc is not None:
        return f"{trust.oidc.subject} of {trust.oidc.provider_arn} for {trust.oidc.audience}"
    if trust.account is not None:
        return f"account {trust.account}" + (" with an external id" if trust.external_id else "")
    return f"the service {trust.service}" if trust.service else ""


def _receivers(spec: Spec) -> Iterator[str]:
    for name, agent in spec.agents.items():
        yield f"agents.{name} receives credentials.{agent.api_token}"
        yield f"agents.{name} acts as service_accounts.{agent.service_account}"
    for name, credential in spec.credentials.items():
        for chosen in credential.deliver_to:
            yield f"credentials.{name} is delivered to {chosen.kind} {_named(chosen.settings)}".rstrip()
        for consumer in credential.consumers:
            if consumer.agent is not None:
                yield f"credentials.{name} is held by agents.{consumer.agent}{_place(spec, consumer.agent)}"
            if consumer.unobservable is not None:
                blind = consumer.unobservable
                yield f"credentials.{name} is held by {blind.name}, unobserved until {blind.expires}"


def _place(spec: Spec, agent: str) -> str:
    """Where an agent runs: its service is told to take a value."""
    runtime = spec.agents[agent].runtime if agent in spec.agents else None
    cluster = getattr(runtime.settings, "cluster", "") if runtime else ""
    return f" in {runtime.kind} cluster {cluster}" if runtime and cluster else ""


def _probes(spec: Spec) -> Iterator[str]:
    for name, connector in spec.connectors.items():
        if connector.credential is not None:
            used = f"credentials.{connector.credential} is used"
            via = "" if connector.through == "direct" else f" through {connector.through}"
            yield f"{used} by connectors.{name} at {connector.kind} {_named(connector.settings)}".rstrip() + via


def _named(settings: object) -> str:
    """Settings that were written, in a fixed order. Kinds hold no values, so all of them may be shown."""
    if isinstance(settings, BaseModel):
        written = {key: getattr(settings, key) for key in settings.model_fields_set}
    else:
        written = dict(settings) if isinstance(settings, dict) else {}
    return ", ".join(f"{key} {_shown(written[key])}".rstrip() for key in sorted(written))


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return " + ".join(map(_shown, value))
    if isinstance(value, bool):
        return str(value).lower()  # as the spec writes it
    if isinstance(value, BaseModel):  # a choice, as `auth: {token: {}}`
        return f"({_named(value)})"
    return str(value)
