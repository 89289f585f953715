"""Terraform addresses of spec entries: one module call per entry, named after it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lifecycle.domain.errors import Place
from lifecycle.domain.spec import SECTIONS, Spec

# `agents.eu-central-1a` <-> `module.agent_eu-central-1a`; a section name is its singular and an s.
_SINGULAR = {section: section.removesuffix("s") for section in SECTIONS}
_MODULE = re.compile(rf"^module\.(?P<singular>{'|'.join(_SINGULAR.values())})_(?P<name>[a-z0-9-]+)(?=\.|\[|$)")


def module_name(entry: str) -> str:
    """Name of an entry's module call, without `module.`.

    Args:
        entry: `section.name`, e.g. `agents.eu-central-1a`.
    """
    section, _, name = entry.partition(".")
    return f"{_SINGULAR[section]}_{name}"


def address_of(entry: str) -> str:
    """Address of an entry's module call, e.g. `module.agent_eu-central-1a`: prefix of all its resources.

    Args:
        entry: `section.name`.
    """
    return f"module.{module_name(entry)}"


def entry_of(address: str) -> str:
    """The spec entry, `section.name`, that a Terraform address belongs to; empty when none does.

    Args:
        address: of a module call or of anything inside it.
    """
    found = _MODULE.match(address)
    return f"{found['singular']}s.{found['name']}" if found else ""


def source_map(spec: Spec) -> Mapping[str, Place]:
    """Where the entry behind each module address stands in the spec.

    Args:
        spec: the resolved spec.

    Returns:
        Address prefix -> place, sorted by address. Entries that Terraform does not own are there too: a plan that
        removes their last resources must still be traced to a line.
    """
    places = {address_of(f"{section}.{entry.name}"): entry.place for section, entry in spec.entries()}
    return dict(sorted(places.items()))
