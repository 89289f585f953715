"""Heads of the audit log, signed by somebody who does not write it, and the contracts around them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from lifecycle.domain.audit import Digest, canonical

SIGNED_HEAD_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """One line of the log by number and digest; the newest line's is the head of the log."""

    sequence: int
    digest: Digest


class HeadStatement(BaseModel):
    """What is signed: at this time the log of this environment ended with this line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    environment: str
    sequence: int = Field(ge=1)
    digest: Digest
    at: AwareDatetime

    def data(self) -> bytes:
        """The bytes that are signed, and kept as they are."""
        return canonical(self.model_dump(mode="json")) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A statement's bytes with a signature, as kept.

    Attributes:
        name: of its file, without suffix; sorted by name is sorted by sequence.
        data: the statement.
        signature: armoured (SSH) or DER (Vault transit, KMS).
        where: which store it came from, for messages.
    """

    name: str
    data: bytes
    signature: bytes
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailCheck:
    """A trail that verifies.

    Attributes:
        head: its newest line.
        signed: how many signed heads were checked, all stores together.
        last_signed: the newest line that a signed head covers; 0 when none does.
        signers: who signed.
    """

    head: AuditHead
    signed: int = 0
    last_signed: int = 0
    signers: tuple[str, ...] = ()


class HeadSigner(Protocol):
    """Signs heads as an identity that does not write the log."""

    @property
    def method(self) -> str:
        """Short name that becomes part of file names: `ssh`, `transit`, `kms`."""
        ...

    def sign(self, data: bytes) -> bytes:
        """The signature over the SHA-256 of the data, or, for SSH, over the data in its namespace."""
        ...

    def public_key(self) -> str:
        """What must be committed under `policies/signers/` so that others can verify."""
        ...


class HeadVerifier(Protocol):
    """Says who signed a head, by the keys of the policy bundle."""

    def signer(self, data: bytes, signature: bytes, at: datetime) -> str:
        """The name of the signer. Raises IntegrityError when nobody who may."""
        ...


class HeadStore(Protocol):
    """Keeps signed heads."""

    def put(self, head: SignedHead, until: datetime | None = None) -> None:
        """Keep it. Second call with the same bytes: nothing changes."""
        ...

    def heads(self) -> tuple[SignedHead, ...]:
        """All of them, by name; where a name was written again, what was written first."""
        ...


class TransitKey(BaseModel):
    """A signing key of Vault's transit engine, at the server of one of `secret_stores`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: str
    store: str = "default"
    mount: str = "transit"


class AuditSigner(BaseModel):
    """Which key signs heads: exactly one. A key file is named on the command line instead.

    Attributes:
        vault_transit: key of Vault's transit engine, of type `ecdsa-p256` or `ed25519`.
        aws_kms: key id, ARN or alias of a KMS key, of type `ECC_NIST_P256`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    vault_transit: TransitKey | None = None
    aws_kms: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> AuditSigner:
        if (self.vault_transit is None) == (self.aws_kms is None):
            raise ValueError("must name exactly one key: write `vault_transit` or `aws_kms`")
        return self


class WriteOnce(BaseModel):
    """An S3 bucket with Object Lock; a head is kept there in compliance mode, so that nobody can shorten it.

    Attributes:
        bucket: made with Object Lock switched on, best in another account.
        prefix: of every object.
        region: where it is; empty = the environment's.
        days: how long a head stays.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bucket: str = Field(min_length=3)
    prefix: str = ""
    region: str = ""
    days: int = Field(default=400, ge=1, le=36500)


class AuditSettings(BaseModel):
    """Who signs the audit log's heads and where they are kept beside the log."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    signer: AuditSigner | None = None
    write_once: WriteOnce | None = None
