"""One allowlist, rendered for all of its targets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from lifecycle.domain.allowlist import RenderedAllowlist, ResolvedAllowlist, resolve
from lifecycle.domain.errors import ConfigurationError, Problem
from lifecycle.domain.spec import Allowlist, Spec
from lifecycle.renderers import (
    aws_dns_firewall,
    aws_network_firewall,
    aws_security_group,
    azure_firewall,
    envoy,
    squid,
    tinyproxy,
)
from lifecycle.renderers.published_networks import published_networks
from lifecycle.renderers.target import AllowlistTarget

ALLOWLIST_TARGETS: Mapping[str, AllowlistTarget] = {
    target.kind.name: target
    for target in (
        aws_dns_firewall.TARGET,
        aws_network_firewall.TARGET,
        aws_security_group.TARGET,
        azure_firewall.TARGET,
        envoy.TARGET,
        squid.TARGET,
        tinyproxy.TARGET,
    )
}
TARGETS = tuple(target.kind for target in ALLOWLIST_TARGETS.values())


def render_allowlist(spec: Spec, allowlist: Allowlist, today: date) -> RenderedAllowlist:
    """An allowlist in the forms of its targets.

    Args:
        spec: the resolved spec; reserved for targets that need more of it.
        allowlist: one of its allowlists.
        today: entries that expired before it are left out.

    Raises:
        ConfigurationError: a target cannot say exactly what is meant, would get an empty list, or an entry is enforced
            by none of them.
    """
    resolved = resolve(allowlist, published_networks(), today)
    targets = [ALLOWLIST_TARGETS[name] for name in sorted(allowlist.targets)]
    _refuse_unenforced(allowlist, resolved, targets)
    parts = []
    for target in targets:
        try:
            parts.append(target.render(resolved))
        except ConfigurationError as error:
            raise _placed(allowlist, error) from None
    return _joined(resolved, parts)


def _refuse_unenforced(allowlist: Allowlist, resolved: ResolvedAllowlist, targets: list[AllowlistTarget]) -> None:
    names, addresses = bool(resolved.names), bool(resolved.addresses)
    what = ""
    if names and not any(target.takes_names for target in targets):
        what, such = "host names", [t.kind.name for t in ALLOWLIST_TARGETS.values() if t.takes_names]
    elif addresses and not any(target.takes_addresses for target in targets):
        what, such = "addresses", [t.kind.name for t in ALLOWLIST_TARGETS.values() if t.takes_addresses]
    elif not names and not addresses:
        message = f"allowlists.{allowlist.name}: nothing is left in it, as every entry has expired"
        raise _placed(allowlist, ConfigurationError(message, remedy="Renew an entry, or remove the allowlist."))
    if what:
        message = f"allowlists.{allowlist.name}: none of its targets can enforce its {what}"
        raise _placed(allowlist, ConfigurationError(message, remedy=f"Add one of these targets: {', '.join(such)}."))


def _placed(allowlist: Allowlist, error: ConfigurationError) -> ConfigurationError:
    key_path = f"allowlists.{allowlist.name}"
    message = error.message.removeprefix(f"{key_path}: ")
    problem = Problem(place=allowlist.place, key_path=key_path, message=message, remedy=error.remedy)
    return ConfigurationError(error.message, remedy=error.remedy, problems=(problem,))


def _joined(resolved: ResolvedAllowlist, parts: list[RenderedAllowlist]) -> RenderedAllowlist:
    return RenderedAllowlist(
        addresses=tuple(rule for part in parts for rule in part.addresses),
        domains=tuple(domain for part in parts for domain in part.domains),
        dns_domains=tuple(domain for part in parts for domain in part.dns_domains),
        files={name: text for part in parts for name, text in part.files.items()},
        notes=(*resolved.notes, *(note for part in parts for note in part.notes)),
    )
