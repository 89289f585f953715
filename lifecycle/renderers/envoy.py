"""Envoy as forward proxy: virtual hosts of a route configuration, one for each port, for CONNECT requests.

`*.example.com` never matches the apex, as the wildcard stands for at least one character. A request for anything
else finds no virtual host and is answered with 404. The cluster `dynamic_forward_proxy` is the reader's.

Source: envoyproxy.io, config.route.v3.VirtualHost.domains
"""

from __future__ import annotations

import json

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, cannot_say, target_kind

FILE = "envoy.json"
CLUSTER = "dynamic_forward_proxy"
KIND = target_kind("envoy", "Envoy forward proxy: virtual hosts")
_ROUTE = {
    "match": {"connect_matcher": {}},
    "route": {"cluster": CLUSTER, "upgrade_configs": [{"connect_config": {}, "upgrade_type": "CONNECT"}]},
}


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    if not allowlist.names:
        raise cannot_say(allowlist, KIND.name, "would get an empty list", "Add a host, or drop the target.")
    hosts = []
    for port, names in allowlist.names.items():
        patterns = sorted([*names.exact, *(f"*.{host}" for host in names.below)])
        domains = [f"{pattern}:{port}" for pattern in patterns]
        hosts.append({"domains": domains, "name": f"{allowlist.name}-{port}", "routes": [_ROUTE]})
    document = {"name": allowlist.name, "virtual_hosts": hosts}
    return RenderedAllowlist(files={FILE: json.dumps(document, indent=2, sort_keys=True) + "\n"})


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    authority = f"{host.lower()}:{port}"
    patterns = [p for one in json.loads(rendered.files[FILE])["virtual_hosts"] for p in one["domains"]]
    return any(
        authority.endswith(pattern[1:]) and len(authority) > len(pattern) - 1
        if pattern.startswith("*")
        else authority == pattern
        for pattern in patterns
    )


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=False, knows_ports=True, render=_render, admits=_admits
)
