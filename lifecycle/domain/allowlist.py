"""Allowlists: what entries mean, independent of any target. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRule:
    """One network that may be reached, canonical, with all its ports. `description` says what and why."""

    cidr: str
    ports: tuple[int, ...]
    description: str = ""


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
