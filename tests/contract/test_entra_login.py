"""Logins of administrators at the certified authority, through azure-identity."""

from collections.abc import Callable

import pytest

from lifecycle.clients.entra import EntraLogin, EntraPlace
from lifecycle.domain.errors import AuthenticationError, ConfigurationError, UnreachableError
from lifecycle.domain.secret import SecretValue, secret_value
from tests.contract.odd_servers import closed_port
from tests.servers.entra import SCOPE, EntraApplication, EntraAuthority


def _login(authority: EntraAuthority, read: Callable[[], SecretValue] | None) -> EntraLogin:
    place = EntraPlace(authority=authority.authority, ca_file=str(authority.ca_file))
    return EntraLogin(scope=SCOPE, read=read, place=place)


def _value(authority: EntraAuthority, application: EntraApplication) -> SecretValue:
    return secret_value(
        {"tenant_id": authority.tenant, "client_id": application.client_id, "client_secret": application.secret}
    )


def test_machine_identity_of_the_environment_logs_in(
    entra_authority: EntraAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = entra_authority.register_with_secret()
    monkeypatch.setenv("AZURE_TENANT_ID", entra_authority.tenant)
    monkeypatch.setenv("AZURE_CLIENT_ID", application.client_id)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", application.secret)
    header = _login(entra_authority, None).authorization().get_secret_value()
    assert header.startswith("Bearer ")


def test_token_is_kept_until_the_login_changes(entra_authority: EntraAuthority) -> None:
    values = [_value(entra_authority, entra_authority.register_with_secret()) for _ in range(2)]
    current = [values[0]]
    login = _login(entra_authority, lambda: current[0])
    first, again = login.authorization(), login.authorization()
    current[0] = values[1]
    assert first == again
    assert login.authorization() != first


def test_refused_login_is_told_without_the_secret(entra_authority: EntraAuthority) -> None:
    application = entra_authority.register_with_secret()
    value = {**_value(entra_authority, application), **secret_value({"client_secret": "wrong-login"})}
    with pytest.raises(AuthenticationError, match=application.client_id) as caught:
        _login(entra_authority, lambda: value).authorization()
    assert "wrong-login" not in f"{caught.value!r} {caught.value.remedy}"


def test_closed_port_is_unreachable(entra_authority: EntraAuthority) -> None:
    value = _value(entra_authority, entra_authority.register_with_secret())
    place = EntraPlace(authority=closed_port().replace("http:", "https:"), ca_file=str(entra_authority.ca_file))
    with pytest.raises(UnreachableError):
        EntraLogin(scope=SCOPE, read=lambda: value, place=place).authorization()


def test_value_that_is_no_login_is_told_what_to_store(entra_authority: EntraAuthority) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _login(entra_authority, lambda: secret_value({"token": "x"})).authorization()
    assert "client_secret" in caught.value.remedy


def test_login_never_shows_its_token(entra_authority: EntraAuthority) -> None:
    value = _value(entra_authority, entra_authority.register_with_secret())
    login = _login(entra_authority, lambda: value)
    token = login.authorization().get_secret_value().removeprefix("Bearer ")
    assert token not in repr(login)
    assert value["client_secret"].get_secret_value() not in repr(login)
