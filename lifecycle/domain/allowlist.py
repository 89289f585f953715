"""Allowlists: what entries admit, independent of any target. Pure.

A host entry is a set of names: the name itself, everything below it, or both. Targets write such sets differently,
and copying a string from one to another silently widens or narrows access; so targets get sets, never strings.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from lifecycle.domain.errors import ConfigurationError, Problem
from lifecycle.domain.spec import Allowlist, AllowlistEntry, HostMatch

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])")
_MAX_HOST = 253
_STALE_DAYS = 180
# What EC2 takes in the description of an entry.
_NOT_IN_DESCRIPTION = re.compile(r"[^A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]")
_MAX_DESCRIPTION = 255

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A set of host names: `exact` ones, and everything below the names of `below`. Minimal: nothing twice."""

    exact: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()

    def admits(self, host: str) -> bool:
        """Whether a name is in the set. Host names have no case, and a trailing dot means nothing."""
        name = host.lower().removesuffix(".")
        return name in self.exact or any(parent in self.below for parent in parents(name))

    def __bool__(self) -> bool:
        return bool(self.exact or self.below)

    @property
    def with_apex(self) -> tuple[str, ...]:
        """Names that are admitted together with everything below them."""
        return tuple(sorted(self.exact & self.below))

    @property
    def exact_only(self) -> tuple[str, ...]:
        """Names below which nothing is admitted."""
        return tuple(sorted(self.exact - self.below))

    @property
    def below_only(self) -> tuple[str, ...]:
        """Names that are not admitted themselves, while everything below them is."""
        return tuple(sorted(self.below - self.exact))


def names(entries: Iterable[tuple[str, HostMatch]]) -> Names:
    """The smallest description of a union: what another entry covers is left out."""
    exact, below = set(), set()
    for host, match in entries:
        if match is not HostMatch.SUBDOMAINS:
            exact.add(host)
        if match is not HostMatch.EXACT:
            below.add(host)

    def uncovered(host: str) -> bool:
        return not any(parent in below for parent in parents(host))

    return Names(exact=frozenset(filter(uncovered, exact)), below=frozenset(filter(uncovered, below)))


def parents(host: str) -> Iterator[str]:
    """The names above a name, nearest first: `b.c` and `c` for `a.b.c`."""
    _, _, rest = host.partition(".")
    while rest:
        yield rest
        _, _, rest = rest.partition(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A published list that entries may include.

    Attributes:
        name: e.g. `datarobot/eu`.
        source: address of the publication.
        dated: date of the publication.
        entries: what it holds.
    """

    name: str
    source: str
    dated: date
    entries: tuple[AllowlistEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """One network that may be reached, canonical, with all its ports. `description` says what and why."""

    cidr: str
    ports: tuple[int, ...]
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedAllowlist:
    """What an allowlist admits on one day: names by port, and addresses.

    Attributes:
        name: of the allowlist.
        names: port -> names; no empty set.
        addresses: networks, none inside another on the same port.
        home_net: networks whose traffic is inspected.
        notes: what was left out and why, for people.
    """

    name: str
    names: Mapping[int, Names]
    addresses: tuple[AddressRule, ...] = ()
    home_net: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def all_names(self) -> Names:
        """The names of all ports together, for targets that know no ports."""
        sets = self.names.values()
        pairs = [(host, HostMatch.EXACT) for one in sets for host in one.exact]
        return names([*pairs, *((host, HostMatch.SUBDOMAINS) for one in sets for host in one.below)])


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedAllowlist:
    """One allowlist in the forms of its targets, ready for the `proxy_allowlist` module.

    Attributes:
        addresses: for security groups.
        domains: for Network Firewall, in its form.
        dns_domains: for DNS Firewall, in its form.
        files: file name -> text, for proxies and for targets that Terraform does not reach.
        notes: what was left out and why, for people.
    """

    addresses: tuple[AddressRule, ...] = ()
    domains: tuple[str, ...] = ()
    dns_domains: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def resolve(allowlist: Allowlist, data_sets: Mapping[str, DataSet], today: date) -> ResolvedAllowlist:
    """What an allowlist admits today.

    Args:
        allowlist: the entry of the spec.
        data_sets: every published data set by name.
        today: entries that expired before it are left out, with a note.

    Raises:
        ConfigurationError: names or addresses that no target could enforce as meant; lists all of them.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    hosts: dict[int, list[tuple[str, HostMatch]]] = {}
    networks: dict[Network, dict[int, str]] = {}
    for key_path, entry in _entries(allowlist, data_sets, today, notes, problems):
        if entry.expires is not None and entry.expires < today:
            notes.append(f"{key_path}: {entry.host or entry.cidr} expired on {entry.expires} and is left out")
            continue
        try:
            if entry.host is not None:
                hosts.setdefault(entry.port, []).append((checked_host(entry.host), entry.match))
            elif entry.cidr is not None:
                networks.setdefault(checked_network(entry.cidr), {})[entry.port] = _description(entry)
        except _WrongError as wrong:
            problems.append(
                Problem(place=allowlist.place, key_path=key_path, message=wrong.message, remedy=wrong.remedy)
            )
    if problems:
        message = f"allowlists.{allowlist.name}: {problems[0].message}"
        raise ConfigurationError(message, remedy=problems[0].remedy, problems=tuple(problems))
    by_port = {port: names(hosts[port]) for port in sorted(hosts)}
    notes += [f"port {port}: {note}" for port in by_port for note in _shadowed(hosts[port], by_port[port])]
    return ResolvedAllowlist(
        name=allowlist.name,
        names=by_port,
        addresses=_addresses(networks, notes),
        home_net=allowlist.home_net,
        notes=tuple(notes),
    )


class _WrongError(Exception):
    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def checked_host(host: str) -> str:
    """A host name in lower case, without a trailing dot; refuses what is no single name."""
    name = host.lower().removesuffix(".")
    if not name.isascii():
        raise _WrongError(f"{host!r} is not ASCII", "Write the name in its xn-- form.")
    if "*" in name:
        remedy = f"Write the name without `*.` and match: {HostMatch.SUBDOMAINS} or {HostMatch.APEX_AND_SUBDOMAINS}."
        raise _WrongError(f"{host!r} has a wildcard", remedy)
    if "/" in name or ":" in name or "@" in name:
        raise _WrongError(f"{host!r} is not a bare name", "Write host: without scheme and path, and port: on its own.")
    if name.replace(".", "").isdecimal():
        raise _WrongError(f"{host!r} is an address", f"Write cidr: {name}/32.")
    if not _HOST.fullmatch(name) or len(name) > _MAX_HOST:
        raise _WrongError(f"{host!r} is no fully qualified name", "Write a name such as app.example.com.")
    return name


def checked_network(cidr: str) -> Network:
    """A network written canonically; refuses the one that is everything."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        raise _WrongError(f"{cidr!r} is no network", "Write a network such as 10.1.2.0/24.") from None
    if network.prefixlen == 0:
        raise _WrongError(f"{cidr!r} is every address", "Name the networks that are meant.")
    if ipaddress.ip_address(cidr.partition("/")[0]) != network.network_address:
        raise _WrongError(f"{cidr!r} has bits set beyond its length", f"Write {network}, or the single address as /32.")
    return network


def _entries(
    allowlist: Allowlist,
    data_sets: Mapping[str, DataSet],
    today: date,
    notes: list[str],
    problems: list[Problem],
) -> Iterator[tuple[str, AllowlistEntry]]:
    for position, entry in enumerate(allowlist.entries):
        yield f"allowlists.{allowlist.name}.entries[{position}]", entry
    for position, included in enumerate(allowlist.include):
        key_path = f"allowlists.{allowlist.name}.include[{position}]"
        data_set = data_sets.get(included)
        if data_set is None:
            remedy = f"Known are: {', '.join(sorted(data_sets))}."
            problems.append(
                Problem(place=allowlist.place, key_path=key_path, message=f"no data set {included!r}", remedy=remedy)
            )
            continue
        if (age := (today - data_set.dated).days) > _STALE_DAYS:
            notes.append(f"{key_path}: {included} was published {age} days ago; compare it with {data_set.source}")
        yield from ((key_path, entry) for entry in data_set.entries)


def _description(entry: AllowlistEntry) -> str:
    text = " ".join(part for part in (entry.reason, entry.ticket) if part)
    return _NOT_IN_DESCRIPTION.sub("_", text)[:_MAX_DESCRIPTION]


def _shadowed(given: list[tuple[str, HostMatch]], kept: Names) -> Iterator[str]:
    for host, match in sorted(set(given)):
        if any(parent in kept.below for parent in parents(host)):
            yield f"{host} ({match}) is covered by another entry"


def _addresses(networks: Mapping[Network, Mapping[int, str]], notes: list[str]) -> tuple[AddressRule, ...]:
    rules = []
    for network in sorted(networks, key=lambda n: (n.version, n.network_address.packed, n.prefixlen)):
        above = [s for length in range(1, network.prefixlen) if (s := network.supernet(new_prefix=length)) in networks]
        ports = sorted(port for port in networks[network] if not any(port in networks[wider] for wider in above))
        if len(ports) < len(networks[network]):
            notes.append(f"{network} is covered by another entry")
        if ports:
            texts = dict.fromkeys(networks[network][port] for port in ports)
            description = "; ".join(texts)[:_MAX_DESCRIPTION]
            rules.append(AddressRule(cidr=str(network), ports=tuple(ports), description=description))
    return tuple(rules)
