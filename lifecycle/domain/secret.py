"""Secret values and the addresses under which a secret store keeps them.

A value is a flat mapping of field name to `SecretText`. Nothing here prints, pickles or logs one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from pydantic import SecretStr

VersionId = NewType("VersionId", str)
OperationId = NewType("OperationId", str)
CandidateId = NewType("CandidateId", str)
Fingerprint = NewType("Fingerprint", str)


class SecretText(SecretStr):
    """A secret string that shows stars everywhere and refuses to be pickled."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a secret must not be pickled")

    def __getstate__(self) -> Any:
        raise TypeError("a secret must not be pickled")


SecretValue = Mapping[str, SecretText]
Fingerprinter = Callable[[SecretValue], Fingerprint]


def canonical_json(value: SecretValue) -> bytes:
    """The bytes that are fingerprinted and stored: sorted keys, no white space, UTF-8."""
    plain = {name: text.get_secret_value() for name, text in value.items()}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def secret_value(plain: Mapping[str, str]) -> SecretValue:
    """Wrap plain fields as they come from an SDK; the only way in."""
    return {name: SecretText(text) for name, text in plain.items()}


def fingerprint(value: SecretValue, *, key: bytes, key_id: str) -> Fingerprint:
    """Name a value without revealing it: HMAC-SHA-256 over its canonical JSON.

    Args:
        value: the secret.
        key: the HMAC key, made at bootstrap and kept in the secret store.
        key_id: stands in the result, so that a rotated HMAC key is recognised.
    """
    digest = hmac.new(key, canonical_json(value), hashlib.sha256).hexdigest()
    return Fingerprint(f"{key_id}:{digest}")


class VersionStage(StrEnum):
    """Which role a stored version plays. AWS's words, plus `retiring`: sealed, may be revoked, never promoted."""

    PENDING = "pending"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRING = "retiring"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRef:
    """Address of one secret: the store's name in the spec and the path inside it."""

    store: str
    path: str

    def __str__(self) -> str:
        return f"{self.store}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """One stored version without its value. `operation` and `candidate` say who staged it and as what."""

    version: VersionId
    operation: OperationId
    candidate: CandidateId
    created: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """What a store holds for one secret, read at one moment.

    `revision` is the token that `promote`, `restore` and `seal` take as `expected`: AWS Secrets Manager: the id of the
    version labelled AWSCURRENT; Vault KV v2: the version number of the document. It is empty when nothing exists.
    `marker` is true while current is the empty version that first issuance writes.
    """

    ref: SecretRef
    revision: VersionId
    exists: bool
    marker: bool = False
    current: VersionSummary | None = None
    previous: VersionSummary | None = None
    retiring: VersionSummary | None = None
    pending: tuple[VersionSummary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """One version with its value."""

    summary: VersionSummary
    value: SecretValue = field(repr=False)
