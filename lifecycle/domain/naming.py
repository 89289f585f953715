"""Names of the objects an entry becomes outside, so that whoever makes, rotates or verifies them says the same name."""

from __future__ import annotations

import hashlib

_SUFFIX = 8
DERIVED_NAMES = 54  # a name from which modules derive longer ones


def cloud_name(environment: str, name: str, *, limit: int = 64) -> str:
    """`<environment>-<name>`: the IAM role or user, ECS service or prefix list of one spec entry.

    A name that would be too long is cut and ends in a hash of the whole, so that it stays unique and stable.

    Args:
        environment: one account may hold several environments.
        name: the entry's name in the spec.
        limit: the provider's limit in characters: 64 for IAM, 54 for what modules derive longer names from.
    """
    full = f"{environment}-{name}"
    if len(full) <= limit:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:_SUFFIX]
    return f"{full[: limit - _SUFFIX - 1].rstrip('-')}-{digest}"


def secret_name(prefix: str, name: str) -> str:
    """`<prefix>/<name>`: the full name of a credential's secret in a store with a path prefix."""
    return f"{prefix.strip('/')}/{name}" if prefix.strip("/") else name
