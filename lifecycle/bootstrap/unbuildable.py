"""What stands in for the issuer of a credential whose adapters cannot be built: it refuses, the others go on.

A login file that is not there or an extra that is not installed concerns one credential. `rotate status` still tells
how it stands, and a run refuses it with the cause, as its context is unapproved.
"""

from __future__ import annotations

from datetime import datetime

from lifecycle.bootstrap.issuers import BoundIssuer
from lifecycle.domain.credential import (
    CompleteListing,
    CredentialClass,
    CredentialId,
    Minted,
    NotReported,
    Traits,
)
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.kinds import Family
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.secret import SecretValue


class UnbuildableIssuer:
    """Refuses every call with the reason.

    Args:
        error: why it could not be built.
        traits: of its kind, by which runs are ordered.
    """

    def __init__(self, error: LifecycleError, traits: Traits | None) -> None:
        self._error = error
        self.traits = traits or Traits(credential_class=CredentialClass.B)

    def list(self, principal: str) -> CompleteListing:
        """Refused."""
        raise self._error

    def identify(self, value: SecretValue) -> CredentialId:
        """Refused."""
        raise self._error

    def set_enabled(self, principal: str, credential_id: CredentialId, enabled: bool) -> None:
        """Refused."""
        raise self._error

    def revoke(self, principal: str, credential_id: CredentialId) -> None:
        """Refused."""
        raise self._error

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """Refused."""
        raise self._error

    def mint(self, principal: str, marker: str, previous: SecretValue | None) -> Minted:
        """Refused: nothing is made."""
        raise self._error

    def read_back(self, principal: str) -> Minted | NotReported:
        """Refused."""
        raise self._error


def unbuildable(error: LifecycleError, kind: str) -> BoundIssuer:
    """In place of the issuer of a kind."""
    from lifecycle.bootstrap.kinds import registry

    found = registry().find(Family.ISSUER, kind)
    return BoundIssuer(issuer=UnbuildableIssuer(error, found.traits if found else None), principal="")


_: type[MintingIssuer] = UnbuildableIssuer
