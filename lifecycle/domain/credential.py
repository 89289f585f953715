"""What an issuer can do and what it tells about the credentials it made. No values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from lifecycle.domain.secret import Fingerprint, SecretValue

CredentialId = NewType("CredentialId", str)


class CredentialClass(StrEnum):
    """How a credential is replaced; decides the order of steps and the resume rules (docs/rotation.md).

    A: two or more slots, we choose the value. B: several, the server mints, shown once. C: single, we choose.
    D: single, server-made, replaced by the call. E: refresh token. F is a modifier (`Traits.self_admin`).
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What the issuer and its target can do; the driver branches on these, never on the product.

    Attributes:
        credential_class: A to E.
        slots: how many credentials of one principal may live at once; 0 means no known limit.
        stamp: the marker of an operation can be written into the credential's name or description.
        creator: the listing names who created a credential (ownership without a stamp).
        soft_off: a credential can be disabled before it is deleted.
        last_used: the provider reports last use.
        readback: the live value can be read again from the provider (RFC 7592 GET), so a lost response loses nothing.
        settle: a refusal this soon after a mint or set is unknown, not invalid.
        request_timeout: upper bound of one call; a call sent earlier may land until then.
        self_admin: class F: the credential is the one that administers itself.
        overlap: E: how long the previous refresh token is declared to be tolerated; zero = not declared.
        conditional_set: A, C: the target sets only if the slot's content is what we expect.
        slot_names: A: the provider's names of the slots; empty means "1", "2" ....
    """

    credential_class: CredentialClass
    slots: int = 0
    stamp: bool = False
    creator: bool = False
    soft_off: bool = False
    last_used: bool = False
    readback: bool = False
    settle: timedelta = timedelta(seconds=10)
    request_timeout: timedelta = timedelta(seconds=30)
    self_admin: bool = False
    overlap: timedelta = timedelta()
    conditional_set: bool = False
    slot_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCredential:
    """One credential as the provider lists it. `slot` and `fingerprint` are for class A (public key fingerprints)."""

    id: CredentialId
    created: datetime | None = None
    marker: str = ""
    creator: str = ""
    enabled: bool = True
    slot: str = ""
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteListing:
    """Every credential of one principal, all pages read; a partial listing raises instead."""

    principal: str
    credentials: tuple[ProviderCredential, ...]

    def ids(self) -> frozenset[CredentialId]:
        """The ids in this listing."""
        return frozenset(item.id for item in self.credentials)

    def find(self, credential_id: CredentialId) -> ProviderCredential | None:
        """The credential with that id, if listed."""
        return next((item for item in self.credentials if item.id == credential_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A fresh server-made credential: its listing entry and the value that is shown this one time."""

    credential: ProviderCredential
    value: SecretValue = field(repr=False)


class NotReported(StrEnum):
    """The provider does not tell, or tells that it never saw a use. `NEVER` is evidence, `UNKNOWN` is not."""

    NEVER = "never used"
    UNKNOWN = "not reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Which fingerprint a consumer last confirmed, and when. `failing` says why it cannot work with that value."""

    fingerprint: Fingerprint
    at: datetime | None = None
    failing: str = ""


class NotKnown(StrEnum):
    """A consumer that has not told, or cannot tell, what it holds."""

    NOT_YET = "not yet acknowledged"
    UNOBSERVABLE = "cannot be observed"
