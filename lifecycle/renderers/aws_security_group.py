"""AWS security groups and prefix lists: addresses only. Names cannot be enforced here; another target must."""

from __future__ import annotations

import ipaddress

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, target_kind

KIND = target_kind("aws_security_group", "AWS managed prefix list and security group, for addresses")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    if allowlist.addresses:
        return RenderedAllowlist(addresses=allowlist.addresses)
    note = "aws_security_group: the allowlist has no address, so the security group lets nothing out"
    return RenderedAllowlist(notes=(note,))


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(rule.cidr) and port in rule.ports for rule in rendered.addresses)


TARGET = AllowlistTarget(
    kind=KIND, takes_names=False, takes_addresses=True, knows_ports=True, render=_render, admits=_admits
)
