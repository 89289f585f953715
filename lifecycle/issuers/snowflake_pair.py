"""What the two kinds of Snowflake key pair have in common: the pair is ours, its public half is the user's."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from lifecycle.clients.snowflake import SnowflakeClient, SnowflakeLogin, key_fingerprint, public_der
from lifecycle.domain.credential import CredentialId, NotReported, Traits
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.foundation.signed_jwt import generate_key


class SnowflakePair:
    """Makes and recognises key pairs of one user.

    Args:
        client: the account.
        account: its identifier, which is part of the value.
        user: whose keys.
        admin: reads the login that may change the user's keys.
        self_admin: other credentials are changed with this one, so it comes last.

    Attributes:
        declared: traits of the kind, as long as nobody else is changed with it.
    """

    declared: ClassVar[Traits]

    def __init__(
        self,
        client: SnowflakeClient,
        *,
        account: str,
        user: str,
        admin: Callable[[], SecretValue],
        self_admin: bool = False,
    ) -> None:
        self._client = client
        self._account = account
        self._user = user
        self._admin = admin
        self._traits = replace(self.declared, self_admin=self_admin)

    @property
    def traits(self) -> Traits:
        """Class A."""
        return self._traits

    def generate(self, slot: str) -> SecretValue:
        """A fresh pair; the slot does not matter to it."""
        del slot
        return {
            "account": SecretText(self._account),
            "user": SecretText(self._user),
            "private_key": generate_key("RS256"),
        }

    def identify(self, value: SecretValue) -> CredentialId:
        """The fingerprint of the public half."""
        return CredentialId(key_fingerprint(SnowflakeLogin.parse(value)))

    def last_used(self, principal: str, credential_id: CredentialId) -> datetime | NotReported:
        """LOGIN_HISTORY names no key."""
        del principal, credential_id
        return NotReported.UNKNOWN


def public_half(value: SecretValue) -> str:
    """The public key as ALTER USER takes it: base64 of its DER form."""
    return base64.b64encode(public_der(SnowflakeLogin.parse(value))).decode()
