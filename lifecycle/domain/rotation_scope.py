"""Which credentials an emergency is about: terms over what the spec says of them. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Credential

EVERYTHING = "everything"
_KEYS = ("name", "kind", "owner", "store", "principal", "user", "role", "account", "host", "tag")


def in_scope(scope: str, credential: Credential) -> bool:
    """Whether every term holds.

    Args:
        scope: `everything`, or terms `key=pattern` joined by commas, e.g. `kind=snowflake_*,owner=ml-platform`. Keys
            are `name`, `kind`, `owner`, `store`, `tag` (as `tag=key:pattern`) and what some kinds have: `principal`,
            `user`, `role`, `account`, `host`.
        credential: of the spec.

    Raises:
        ConfigurationError: a term is not one.
    """
    if scope == EVERYTHING:
        return True
    return all(_holds(term.strip(), credential) for term in scope.split(","))


def _holds(term: str, credential: Credential) -> bool:
    key, is_term, pattern = term.partition("=")
    if not is_term or key not in _KEYS or not pattern:
        raise ConfigurationError(
            f"--scope: {term!r} is no term",
            remedy=f"write `{EVERYTHING}`, or key=pattern with a key of {', '.join(_KEYS)}; join several by commas",
        )
    if key == "tag":
        name, _, wanted = pattern.partition(":")
        return fnmatchcase(credential.tags.get(name, ""), wanted or "?*")
    own = getattr(credential, key, None) if key in ("name", "kind", "owner", "store") else None
    value = own if own is not None else getattr(credential.settings, key, None)
    return value is not None and fnmatchcase(str(value), pattern)
