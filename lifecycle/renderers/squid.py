"""Squid: a configuration fragment that allows the listed names and denies the rest.

`dstdomain .example.com` is the apex and everything below; `example.com` is that name only. Two entries of one list
may not overlap (fatal, or only a warning, depending on their order), and what is below a name without the name itself
can only be said by a pattern. `-n` matters: without it Squid looks up the name of an address in a request by reverse
DNS, which the owner of the address answers.

Source: www.squid-cache.org/Doc/config/acl/
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from lifecycle.domain.allowlist import Names, RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, target_kind

FILE = "squid.conf"
KIND = target_kind("squid", "Squid forward proxy")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    lines = [f"# Allowlist {allowlist.name}, generated from the spec: change the spec, not this file."]
    for port, names in allowlist.names.items():
        lines += _port(port, names)
    lines += _addresses(allowlist)
    lines += ["http_access deny all"]
    return RenderedAllowlist(files={FILE: "\n".join(lines) + "\n"})


def _port(port: int, names: Names) -> Iterator[str]:
    yield f"acl allowlist_port_{port} port {port}"
    domains = [*names.exact_only, *(f".{host}" for host in names.with_apex)]
    for domain in sorted(domains):
        yield f"acl allowlist_names_{port} dstdomain -n {domain}"
    for host in names.below_only:
        yield f"acl allowlist_below_{port} dstdom_regex -n -i {_below(host)}"
    if domains:
        yield f"http_access allow allowlist_port_{port} allowlist_names_{port}"
    if names.below_only:
        yield f"http_access allow allowlist_port_{port} allowlist_below_{port}"


def _below(host: str) -> str:
    return rf"^([^.]+\.)+{host.replace('.', chr(92) + '.')}$"


def _addresses(allowlist: ResolvedAllowlist) -> Iterator[str]:
    ports = sorted({port for rule in allowlist.addresses for port in rule.ports})
    for port in ports:
        yield f"acl allowlist_address_port_{port} port {port}"
        for rule in allowlist.addresses:
            if port in rule.ports:
                # -n: only a request that names the address; a name that resolves to it is not admitted by it.
                yield f"acl allowlist_addresses_{port} dst -n {rule.cidr}"
        yield f"http_access allow allowlist_address_port_{port} allowlist_addresses_{port}"


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    """Evaluate the `http_access` lines as Squid does: the first one whose lists all match decides."""
    lists: dict[str, list[list[str]]] = {}
    for line in rendered.files[FILE].splitlines():
        word, *rest = line.split()
        if word == "acl":
            lists.setdefault(rest[0], []).append(rest[1:])
        elif word == "http_access" and all(name == "all" or _matches(lists[name], host, port) for name in rest[1:]):
            return rest[0] == "allow"
    return False


def _matches(entries: list[list[str]], host: str, port: int) -> bool:
    return any(_matches_one(entry[0], entry[-1], host.lower(), port) for entry in entries)


def _matches_one(kind: str, value: str, host: str, port: int) -> bool:
    match kind:
        case "port":
            return port == int(value)
        case "dstdomain":
            return host == value or (value.startswith(".") and (host == value[1:] or host.endswith(value)))
        case "dstdom_regex":
            return re.search(value, host, re.IGNORECASE) is not None
        case _:
            try:
                return ipaddress.ip_address(host) in ipaddress.ip_network(value)
            except ValueError:
                return False


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=True, knows_ports=True, render=_render, admits=_admits
)
