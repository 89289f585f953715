"""Route 53 Resolver DNS Firewall: `example.com` is that name, `*.example.com` what is below it, never the name.

It filters queries, not connections: an address or another resolver goes around it, so it only supports other targets.

Source: docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_UpdateFirewallDomains.html (one leading
`*`); that `*.` leaves out the apex is not stated there, and both forms are written where both are meant.
"""

from __future__ import annotations

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, cannot_say, target_kind

KIND = target_kind("aws_dns_firewall", "Route 53 Resolver DNS Firewall domain list")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    names = allowlist.all_names()
    if not names:
        raise cannot_say(allowlist, KIND.name, "would get an empty list", "Add a host, or drop the target.")
    return RenderedAllowlist(dns_domains=tuple(sorted([*names.exact, *(f"*.{host}" for host in names.below)])))


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    del port
    name = host.lower()
    return any(
        name.endswith(domain[1:]) and name != domain[2:] if domain.startswith("*.") else name == domain
        for domain in rendered.dns_domains
    )


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=False, knows_ports=False, render=_render, admits=_admits
)
