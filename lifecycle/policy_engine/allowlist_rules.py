"""Rules over reach: which hosts and ranges an allowlist, and the planned rules made from it, let through."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from lifecycle.domain.plan import ResourceChange
from lifecycle.domain.spec import AllowlistEntry, HostMatch
from lifecycle.policy_engine.credential_rules import meaningless
from lifecycle.policy_engine.hosts import local, malformed, network, open_to_all, too_wide
from lifecycle.policy_engine.rule import ChangeRule, Observation, RuleContext, SpecRule, known, unknown


def _entries(context: RuleContext) -> Iterator[tuple[str, str, AllowlistEntry]]:
    for name, allowlist in context.spec.allowlists.items():
        for number, entry in enumerate(allowlist.entries):
            yield f"allowlists.{name}.entries.{number}", f"allowlists.{name}", entry


def _open_range(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        if entry.cidr and open_to_all(entry.cidr):
            text = f"{name} lets everything through to every address ({entry.cidr}, port {entry.port})"
            yield Observation(message=text, key_path=f"{path}.cidr", evidence=entry.cidr)


def _wide_range(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        found = network(entry.cidr) if entry.cidr else None
        if found is None or open_to_all(entry.cidr or ""):
            continue
        shortest = context.parameters["shortest_ipv4_prefix" if found.version == 4 else "shortest_ipv6_prefix"]
        if found.prefixlen < shortest:
            text = f"{name}: {entry.cidr} holds {found.num_addresses} addresses"
            yield Observation(
                message=text, key_path=f"{path}.cidr", evidence=f"/{found.prefixlen}, at least /{shortest}"
            )


def _wide_host(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        problem = too_wide(entry.host, entry.match) if entry.host else ""
        if problem:
            yield Observation(
                message=f"{name}: {entry.host} {problem}", key_path=f"{path}.host", evidence=entry.host or ""
            )


def _bad_host(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        problem = malformed(entry.host) if entry.host else ""
        if problem:
            yield Observation(
                message=f"{name}: {entry.host} {problem}", key_path=f"{path}.host", evidence=entry.host or ""
            )
        elif entry.cidr and network(entry.cidr) is None:
            text = f"{name}: {entry.cidr} is no address range"
            yield Observation(message=text, key_path=f"{path}.cidr", evidence=entry.cidr)


def _expired(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        if entry.expires is not None and entry.expires < context.today:
            text = f"{name}: {entry.host or entry.cidr} was allowed until {entry.expires}"
            yield Observation(message=text, key_path=f"{path}.expires", evidence=str(entry.expires))


def _reason(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        if meaningless(entry.reason, context.parameters["least_words"]):
            text = f"{name}: {entry.host or entry.cidr} does not say why it is allowed"
            yield Observation(message=text, key_path=f"{path}.reason", evidence=repr(entry.reason))


def _endless(context: RuleContext) -> Iterator[Observation]:
    latest = context.today + timedelta(days=context.parameters["longest_days"])
    for path, name, entry in _entries(context):
        if entry.expires is None and not entry.ticket:
            text = f"{name}: {entry.host or entry.cidr} has neither a ticket nor a date on which it ends"
            yield Observation(message=text, key_path=path)
        elif entry.expires is not None and entry.expires > latest:
            text = f"{name}: {entry.host or entry.cidr} is allowed until {entry.expires}"
            yield Observation(message=text, key_path=f"{path}.expires", evidence=str(entry.expires))


def _clear_port(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        if entry.port in context.parameters["ports"]:
            text = f"{name}: {entry.host or entry.cidr} is reached on port {entry.port}, which carries clear text"
            yield Observation(message=text, key_path=f"{path}.port", evidence=str(entry.port))


def _local_range(context: RuleContext) -> Iterator[Observation]:
    for path, name, entry in _entries(context):
        reached = local(entry.cidr) if entry.cidr else ""
        if reached:
            text = f"{name}: {entry.cidr} reaches {reached}"
            yield Observation(message=text, key_path=f"{path}.cidr", evidence=entry.cidr or "")


def _shadowed(context: RuleContext) -> Iterator[Observation]:
    for name, allowlist in context.spec.allowlists.items():
        names, domains, ranges = _index(allowlist.entries)
        for number, entry in enumerate(allowlist.entries):
            wider = (
                _covering_name(entry, number, names, domains) if entry.host else _covering_range(entry, number, ranges)
            )
            if wider:
                text = f"allowlists.{name}: {entry.host or entry.cidr} is already let through by {wider}"
                yield Observation(message=text, key_path=f"allowlists.{name}.entries.{number}", evidence=wider)


_ByName = dict[tuple[str, int], int]


def _index(entries: tuple[AllowlistEntry, ...]) -> tuple[_ByName, _ByName, list[tuple[Any, int, int]]]:
    """First place of each name that is let through itself, of each domain whose subdomains are, and the ranges."""
    names: _ByName = {}
    domains: _ByName = {}
    ranges = []
    for number, entry in enumerate(entries):
        if entry.host and entry.match is not HostMatch.SUBDOMAINS:
            names.setdefault((entry.host, entry.port), number)
        if entry.host and entry.match is not HostMatch.EXACT:
            domains.setdefault((entry.host, entry.port), number)
        found = network(entry.cidr) if entry.cidr else None
        if found is not None:
            ranges.append((found, entry.port, number))
    return names, domains, ranges


def _covering_name(entry: AllowlistEntry, number: int, names: _ByName, domains: _ByName) -> str:
    host, port = entry.host or "", entry.port
    labels = host.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels))]
    wider = next((domain for domain in above if (domain, port) in domains), "")
    if wider:
        return f"the subdomains of {wider}"
    itself = entry.match is HostMatch.SUBDOMAINS or names.get((host, port), number) < number
    below = entry.match is HostMatch.EXACT or domains.get((host, port), number) < number
    repeated = names.get((host, port), number) < number or domains.get((host, port), number) < number
    return "an entry above it" if itself and below and repeated else ""


def _covering_range(entry: AllowlistEntry, number: int, ranges: list[tuple[Any, int, int]]) -> str:
    mine = next((found for found, _port, place in ranges if place == number), None)
    if mine is None:
        return ""
    for other, port, place in ranges:
        if place == number or port != entry.port or other.version != mine.version or not mine.subnet_of(other):
            continue
        if mine != other or place < number:
            return str(other)
    return ""


def _planned_ranges(change: ResourceChange) -> Iterator[str]:
    """Every address range a planned security group, rule or prefix list opens.

    A bare security group has computed `ingress` and `egress` (wholly unknown): it opens nothing itself, its rules are
    resources of their own. Any other unknown range is not passed.
    """
    for name in ("cidr_ipv4", "cidr_ipv6"):
        if known(change, name):
            yield str(change.after[name])
    for name in ("cidr_blocks", "ipv6_cidr_blocks"):
        yield from known(change, name) or ()
    for name in ("ingress", "egress", "entry"):
        if change.unknown.get(name) is True and change.type == "aws_security_group":
            continue
        for block in change.after.get(name) or ():
            yield from _block_ranges(block)
        if unknown(change, name) and not change.after.get(name):
            known(change, name)


def _block_ranges(block: Any) -> Iterator[str]:
    if isinstance(block, dict):
        yield from block.get("cidr_blocks") or ()
        yield from block.get("ipv6_cidr_blocks") or ()
        if block.get("cidr"):
            yield str(block["cidr"])


def _planned_open(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    for text in _planned_ranges(change):
        if open_to_all(text):
            yield Observation(message=f"{change.address} opens every address ({text})", change=change, evidence=text)


def _planned_names(change: ResourceChange) -> Iterator[str]:
    yield from known(change, "domains") or ()
    for group in known(change, "rule_group") or ():
        for source in group.get("rules_source") or ():
            for listed in source.get("rules_source_list") or ():
                yield from listed.get("targets") or ()


def _planned_wide_names(_context: RuleContext, change: ResourceChange) -> Iterator[Observation]:
    for name in _planned_names(change):
        bare = name.removeprefix("*").removeprefix(".")
        match = HostMatch.EXACT if bare == name else HostMatch.APEX_AND_SUBDOMAINS
        problem = too_wide(bare, match)
        if problem:
            yield Observation(message=f"{change.address}: {name} {problem}", change=change, evidence=name)


RULES = (
    SpecRule(id="LC-NET-001", check=_open_range),
    SpecRule(id="LC-NET-002", check=_wide_range, parameters={"shortest_ipv4_prefix": int, "shortest_ipv6_prefix": int}),
    SpecRule(id="LC-NET-003", check=_wide_host),
    SpecRule(id="LC-NET-004", check=_bad_host),
    SpecRule(id="LC-NET-005", check=_expired),
    SpecRule(id="LC-NET-006", check=_reason, parameters={"least_words": int}),
    SpecRule(id="LC-NET-007", check=_endless, parameters={"longest_days": int}),
    SpecRule(id="LC-NET-008", check=_clear_port, parameters={"ports": list}),
    SpecRule(id="LC-NET-009", check=_local_range),
    SpecRule(id="LC-NET-010", check=_shadowed),
    ChangeRule(
        id="LC-NET-011",
        check=_planned_open,
        types=(
            "aws_security_group",
            "aws_security_group_rule",
            "aws_vpc_security_group_*_rule",
            "aws_ec2_managed_prefix_list*",
        ),
    ),
    ChangeRule(
        id="LC-NET-012",
        check=_planned_wide_names,
        types=("aws_networkfirewall_rule_group", "aws_route53_resolver_firewall_domain_list"),
    ),
)
