"""What is rendered for a person or a file, without a run: an allowlist in the form of one of its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from lifecycle.domain.allowlist import RenderedAllowlist


def allowlist_text(around: Surroundings, name: str, target: str) -> str:
    """The configuration of one target of an allowlist.

    Raises:
        ConfigurationError: there is no such allowlist, or it has no such target.
    """
    from lifecycle.renderers import render_allowlist

    entry = around.spec.allowlists.get(name)
    if entry is None:
        known = ", ".join(sorted(around.spec.allowlists)) or "none"
        raise ConfigurationError(f"the spec has no allowlist {name!r}", remedy=f"known are: {known}")
    if target not in entry.targets:
        raise ConfigurationError(
            f"allowlist {name} has no target {target!r}", remedy=f"its targets are: {', '.join(entry.targets)}"
        )
    only = entry.model_copy(update={"targets": (target,)})
    return rendered_text(render_allowlist(around.spec, only, utc_now().date()))


def rendered_text(rendered: RenderedAllowlist) -> str:
    """An allowlist in the form of one target: its file, or its list, one item a line."""
    files = "".join(rendered.files[name] for name in sorted(rendered.files))
    lists = [*rendered.domains, *rendered.dns_domains, *(str(rule) for rule in rendered.addresses)]
    return files or "\n".join(lists) + "\n"
