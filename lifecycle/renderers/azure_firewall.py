"""Azure Firewall: application rules.

A leading `*` matches anything, so it is always `*.`: `*example.com` would also admit badexample.com.
Whether `*.example.com` admits the apex is not documented; both are written where both are meant.

Source: learn.microsoft.com/azure/firewall/firewall-faq
"""

from __future__ import annotations

import json
from typing import Any

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, cannot_say, target_kind

FILE = "azure_firewall.json"
KIND = target_kind("azure_firewall", "Azure Firewall application rules")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    if not allowlist.names:
        raise cannot_say(allowlist, KIND.name, "would get an empty list", "Add a host, or drop the target.")
    if not allowlist.home_net:
        raise cannot_say(
            allowlist, KIND.name, "needs to know whose traffic it admits", "Set home_net to the sources' networks."
        )
    rules: list[dict[str, Any]] = [
        {
            "name": f"{allowlist.name}-{port}",
            "protocols": [{"port": port, "protocolType": "Http" if port == 80 else "Https"}],
            "ruleType": "ApplicationRule",
            "sourceAddresses": sorted(allowlist.home_net),
            "targetFqdns": sorted([*names.exact, *(f"*.{host}" for host in names.below)]),
        }
        for port, names in allowlist.names.items()
    ]
    document = {"action": {"type": "Allow"}, "name": allowlist.name, "rules": rules}
    return RenderedAllowlist(files={FILE: json.dumps(document, indent=2, sort_keys=True) + "\n"})


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    name = host.lower()
    return any(
        protocol["port"] == port and (name.endswith(fqdn[1:]) if fqdn.startswith("*") else name == fqdn)
        for rule in json.loads(rendered.files[FILE])["rules"]
        for protocol in rule["protocols"]
        for fqdn in rule["targetFqdns"]
    )


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=False, knows_ports=True, render=_render, admits=_admits
)
