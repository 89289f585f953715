"""The provider's id of a credential, where it is kept beside the value."""

from __future__ import annotations

from lifecycle.domain.credential import CredentialId
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretValue


def stored_id(value: SecretValue, field: str, *, of: str) -> CredentialId:
    """Read it.

    Args:
        value: as stored; one that a person stored for `adopt` may lack the field.
        field: its name.
        of: names the credential in the message.

    Raises:
        ConfigurationError: the field is missing.
    """
    if field not in value:
        raise ConfigurationError(
            f"the stored value of {of} has no {field}",
            remedy=f"store the id that the provider lists for it as `{field}` beside the value, then adopt it",
        )
    return CredentialId(value[field].get_secret_value())
