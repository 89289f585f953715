"""What is wrong with a host name or an address range of an allowlist; used for the spec and for planned rule groups."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from lifecycle.domain.spec import HostMatch

_LABEL = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
_METADATA = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"), ip_network("fd00:ec2::/32"))
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@lru_cache(maxsize=1)
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def too_wide(host: str, match: HostMatch) -> str:
    """Why a name admits more than one owner's hosts; empty when it does not."""
    name = host.lower().strip().rstrip(".")
    if "*" in name:
        return "has a wildcard; write the domain and match: subdomains"
    if "." not in name.lstrip("."):
        return "is a bare top-level name"
    if match is not HostMatch.EXACT and _suffixes().publicsuffix(name.lstrip(".")) == name.lstrip("."):
        return "is a public suffix under which anybody can register"
    return ""


def malformed(host: str) -> str:
    """Why a text is no host name; empty when it is one."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        pass
    else:
        return "is an address; write it as cidr"
    if "/" in host or ":" in host:
        return "has a scheme, port or path"
    labels = host.lower().rstrip(".").lstrip("*.").split(".")
    if not all(_LABEL.match(label) for label in labels):
        return "is not a host name"
    if any(label.startswith("xn--") for label in labels):
        return "is written in look-alike letters (punycode)"
    return ""


def network(text: str) -> IPv4Network | IPv6Network | None:
    """An address range, or None when the text is none."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def open_to_all(text: str) -> bool:
    """Whether a range is the whole internet, in either of its halves too."""
    found = network(text)
    return found is not None and found.prefixlen <= 1


def local(text: str) -> str:
    """Which local service a range reaches: cloud metadata or the host itself; empty when none."""
    found = network(text)
    if found is None:
        return ""
    if any(_overlap(found, item) for item in _METADATA):
        return "the metadata service, which hands out credentials"
    return "the host itself" if any(_overlap(found, item) for item in _LOOPBACK) else ""


def _overlap(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.prefixlen > 0 and one.overlaps(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.prefixlen > 0 and one.overlaps(other)
    return False
