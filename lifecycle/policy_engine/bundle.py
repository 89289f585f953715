"""The policy bundle: one folder of rules, tables and waivers, and the digest that names exactly its content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lifecycle.domain.audit import Digest
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.people import Person
from lifecycle.domain.trust import NamedBundle, TrustRoot
from lifecycle.foundation.tree_digest import tree_digest
from lifecycle.policy_engine.catalogue import CatalogueEntry, load_catalogue
from lifecycle.policy_engine.waivers import Waiver, load_waivers
from lifecycle.policy_engine.yaml_file import read_yaml, validated

# Written from the code for editors (`make schema`); it judges nothing.
_SCHEMA = ".schema.json"
# Signatures over the digest cannot be part of what it names.
_SIGNATURES = "signatures"
# Written from specs (`lifecycle policy generate`): it judges nothing, and changes with every spec.
_GENERATED = "generated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A loaded bundle.

    Attributes:
        digest: see `bundle_digest`.
        catalogue: rule records by id.
        tables: `data/NAME.json` by name; each tells `as_of` and `source`.
        waivers: `waivers.yaml`.
        trust: `trust.yaml`: who may hand over to the next bundle, and who may waive.
    """

    digest: Digest
    catalogue: Mapping[str, CatalogueEntry]
    tables: Mapping[str, Mapping[str, Any]]
    waivers: tuple[Waiver, ...]
    trust: TrustRoot


def bundle_digest(folder: Path) -> Digest:
    """Name the content of a bundle: SHA-256 over the sorted relative paths and the SHA-256 of each file.

    Raises:
        ConfigurationError: the folder is missing or empty, or holds a symbolic link (its target is not in the bundle).
    """
    return tree_digest(
        folder, skip=lambda path: path.parts[0] in (_GENERATED, _SIGNATURES) or path.name.endswith(_SCHEMA)
    )


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle.

    Raises:
        ConfigurationError: something in it is missing, unreadable or wrong.
    """
    return Bundle(
        digest=bundle_digest(folder),
        catalogue=load_catalogue(folder / "rules"),
        tables={path.stem: _table(path) for path in sorted((folder / "data").glob("*.json"))},
        waivers=load_waivers(folder / "waivers.yaml"),
        trust=load_trust(folder / "trust.yaml"),
    )


def load_trust(path: Path) -> TrustRoot:
    """The trust root of a bundle.

    Raises:
        ConfigurationError: it is missing or wrong, e.g. a quorum of zero.
    """
    if not path.is_file():
        raise ConfigurationError("the bundle has no trust.yaml", remedy="restore it: it says who signs the next bundle")
    try:
        return TrustRoot.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(
            f"policy file trust.yaml: {field}: {first['msg']}", remedy="correct the trust root of the bundle"
        ) from error


def load_people(path: Path) -> tuple[Person, ...]:
    """Who is who in a bundle; nobody when the file is absent or empty.

    Raises:
        ConfigurationError: a record is wrong.
    """
    return validated(path, Person, read_yaml(path) or []) if path.is_file() else ()


def named_bundle(folder: Path) -> NamedBundle:
    """A bundle as its signers name it.

    Raises:
        ConfigurationError: it has no trust root, or cannot be read.
    """
    return NamedBundle(digest=bundle_digest(folder), trust=load_trust(folder / "trust.yaml"))


def _table(path: Path) -> Mapping[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"policy table {path.name} cannot be read: {error}", remedy="restore it") from error
    if not isinstance(table, dict) or not {"as_of", "source"} <= table.keys():
        raise ConfigurationError(
            f"policy table {path.name} has no as_of and source", remedy="date it and name its source"
        )
    return table
