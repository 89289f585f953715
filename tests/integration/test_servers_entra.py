"""azure-identity, unchanged, gets its tokens from the authority of the tests."""

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential

from tests.servers.entra import SCOPE, EntraApplication, EntraAuthority


def secret_credential(authority: EntraAuthority, client_id: str, secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(
        authority.tenant,
        client_id,
        secret,
        authority=authority.authority,
        disable_instance_discovery=True,
        connection_verify=str(authority.ca_file),
        retry_total=0,
    )


def certificate_credential(
    authority: EntraAuthority, client_id: str, application: EntraApplication
) -> CertificateCredential:
    return CertificateCredential(
        authority.tenant,
        client_id,
        certificate_data=application.certificate,
        authority=authority.authority,
        disable_instance_discovery=True,
        connection_verify=str(authority.ca_file),
        retry_total=0,
    )


def test_client_secret_gets_a_token_and_a_wrong_one_does_not(entra_authority: EntraAuthority) -> None:
    application = entra_authority.register_with_secret()
    good = secret_credential(entra_authority, application.client_id, application.secret)
    assert good.get_token(SCOPE).token
    bad = secret_credential(entra_authority, application.client_id, "wrong")
    with pytest.raises(ClientAuthenticationError, match="client authentication failed"):
        bad.get_token(SCOPE)


def test_certificate_gets_a_token_and_another_one_does_not(entra_authority: EntraAuthority) -> None:
    application, other = (entra_authority.register_with_certificate() for _ in range(2))
    good = certificate_credential(entra_authority, application.client_id, application)
    assert good.get_token(SCOPE).token
    bad = certificate_credential(entra_authority, application.client_id, other)
    with pytest.raises(ClientAuthenticationError, match="client authentication failed"):
        bad.get_token(SCOPE)
