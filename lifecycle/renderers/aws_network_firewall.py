"""AWS Network Firewall domain lists: `example.com` is that name, `.example.com` the name and everything below it.

They look at the server name of TLS and the Host of HTTP, on any port. What is below a name without the name itself
cannot be said, so it is refused: `.example.com` would admit more.

Source: docs.aws.amazon.com/network-firewall/latest/APIReference/API_RulesSourceList.html
"""

from __future__ import annotations

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, cannot_say, target_kind

KIND = target_kind("aws_network_firewall", "AWS Network Firewall domain list")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    names = allowlist.all_names()
    if names.below_only:
        message = f"cannot admit what is below {names.below_only[0]} without {names.below_only[0]} itself"
        raise cannot_say(
            allowlist, KIND.name, message, "Use match: apex+subdomains, name the hosts, or drop the target."
        )
    if not names:
        raise cannot_say(allowlist, KIND.name, "would get an empty list", "Add a host, or drop the target.")
    domains = sorted([*names.exact_only, *(f".{host}" for host in names.with_apex)])
    notes = []
    if not allowlist.home_net:
        notes.append("aws_network_firewall: without home_net only traffic from the firewall's own VPC is inspected")
    if set(allowlist.names) - {80, 443}:
        notes.append("aws_network_firewall: a name is admitted on every port; only HTTP and TLS are inspected")
    return RenderedAllowlist(domains=tuple(domains), notes=tuple(notes))


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    del port
    name = host.lower()
    return any(
        name == domain or (domain.startswith(".") and (name == domain[1:] or name.endswith(domain)))
        for domain in rendered.domains
    )


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=False, knows_ports=False, render=_render, admits=_admits
)
