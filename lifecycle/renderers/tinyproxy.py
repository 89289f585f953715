"""Tinyproxy: a filter file of patterns, denied by default, and the ports that CONNECT may reach.

Names and ports are two lists there, so every name is admitted on every port: an allowlist whose names differ from port
to port cannot be said and is refused.

Source: tinyproxy.github.io, tinyproxy.conf(5): Filter, FilterType, FilterDefaultDeny, ConnectPort
"""

from __future__ import annotations

import re

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist
from lifecycle.renderers.target import AllowlistTarget, cannot_say, target_kind

FILE = "tinyproxy.conf"
FILTER = "tinyproxy.filter"
KIND = target_kind("tinyproxy", "Tinyproxy forward proxy")


def _render(allowlist: ResolvedAllowlist) -> RenderedAllowlist:
    if not allowlist.names:
        raise cannot_say(allowlist, KIND.name, "would get an empty list", "Add a host, or drop the target.")
    if len(set(allowlist.names.values())) > 1:
        remedy = "Give every name the same ports, or split the allowlist."
        raise cannot_say(allowlist, KIND.name, "admits each name on each port, and the names differ by port", remedy)
    names = allowlist.all_names()
    patterns = [rf"^{_quoted(host)}$" for host in names.exact]
    patterns += [rf"^([^.]+\.)+{_quoted(host)}$" for host in names.below]
    settings = [
        f"# Allowlist {allowlist.name}, generated from the spec: change the spec, not this file.",
        f'Filter "/etc/tinyproxy/{FILTER}"',
        "FilterType ere",
        "FilterDefaultDeny Yes",
        "FilterURLs Off",
        *(f"ConnectPort {port}" for port in allowlist.names),
    ]
    return RenderedAllowlist(
        files={FILE: "\n".join(settings) + "\n", FILTER: "\n".join(sorted(patterns)) + "\n"},
        notes=("tinyproxy: ConnectPort limits CONNECT only; plain HTTP reaches an admitted name on any port",),
    )


def _quoted(host: str) -> str:
    return host.replace(".", r"\.")


def _admits(rendered: RenderedAllowlist, host: str, port: int) -> bool:
    if f"ConnectPort {port}" not in rendered.files[FILE].splitlines():
        return False
    return any(re.search(pattern, host, re.IGNORECASE) for pattern in rendered.files[FILTER].splitlines())


TARGET = AllowlistTarget(
    kind=KIND, takes_names=True, takes_addresses=False, knows_ports=True, render=_render, admits=_admits
)
