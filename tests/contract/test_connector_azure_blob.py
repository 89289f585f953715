from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_container_sas,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lifecycle.connectors.azure_blob import LOGIN, AzureBlobSettings, AzureBlobVerifier
from lifecycle.connectors.entra_codes import entra_reason
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server
from tests.servers.azurite import ACCOUNT, Azurite, new_account_key
from tests.servers.entra import EntraApplication, EntraAuthority
from tests.servers.process import free_port

_AZURE_REFUSAL = (
    b'<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to '
    b"authenticate the request.</Message><AuthenticationErrorDetail>The MAC signature found in the HTTP request is "
    b"not the same as any computed signature.</AuthenticationErrorDetail></Error>"
)
_FORWARDED = ("authorization", "x-ms-", "range", "accept", "content-type", "date", "user-agent")


def _azure_words(azurite: Azurite) -> Callable[[Request], Reply]:
    """Azurite in Azure's words: it says AuthorizationFailure for a wrong key, where Azure says AuthenticationFailed."""

    def answer(request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name.lower().startswith(_FORWARDED)}
        with httpx.Client(trust_env=False) as client:
            url = f"http://127.0.0.1:{azurite.port}{request.path}"
            found = client.request(request.method, url, headers=headers)
        kept = {name: value for name, value in found.headers.items() if name.startswith(("x-ms-", "content-type"))}
        kept |= {
            name: found.headers[name] for name in ("content-range", "etag", "last-modified") if name in found.headers
        }
        if found.headers.get("x-ms-error-code") == "AuthorizationFailure":
            return Reply(status=403, body=_AZURE_REFUSAL, headers=kept | {"x-ms-error-code": "AuthenticationFailed"})
        return Reply(status=found.status_code, body=found.content, headers=kept)

    return answer


def _make(url: str) -> AzureBlobVerifier:
    return AzureBlobVerifier(f"{url}/{ACCOUNT}", clock=lambda: NOW, instance_discovery=False)


def _container(azurite: Azurite) -> str:
    name = f"c-{uuid4()}"
    container = azurite.client().create_container(name)
    container.upload_blob("features.csv", b"a,b")
    container.upload_blob("empty.csv", b"")
    return name


def _target(container: str, **more: object) -> AzureBlobSettings:
    settings = {"account": ACCOUNT, "container": container, "can": ("list", "read"), "blob": "features.csv"}
    return AzureBlobSettings.model_validate(settings | more)


def _container_sas(azurite: Azurite, container: str, *, read: bool) -> str:
    permission = ContainerSasPermissions(list=True, read=read)
    expiry = datetime.now(UTC) + timedelta(hours=1)
    return generate_container_sas(ACCOUNT, container, account_key=azurite.keys[0], permission=permission, expiry=expiry)


class BlobContract(ConnectorContract):
    """The suite, for each form of a value."""

    overloaded = ("<Error><Code>ServerBusy</Code></Error>", "application/xml")
    values: Callable[[Azurite, str], tuple[SecretValue, SecretValue]]

    @pytest.fixture
    def bench(self, azurite: Azurite) -> Iterator[ConnectorBench]:
        container = _container(azurite)
        valid, invalid = type(self).values(azurite, container)
        with http_double(_azure_words(azurite)) as url:
            yield ConnectorBench(
                make=_make,
                url=url,
                target=_target(container),
                valid=valid,
                invalid=invalid,
                proves=(LOGIN, "list", "read"),
            )


def _keys(azurite: Azurite, _container: str) -> tuple[SecretValue, SecretValue]:
    return secret_value({"account_key": azurite.keys[1]}), secret_value({"account_key": new_account_key()})


def _sas(azurite: Azurite, container: str) -> tuple[SecretValue, SecretValue]:
    good = _container_sas(azurite, container, read=True)
    broken = good[:-8] + ("AAAA" if not good[:-4].endswith("AAAA") else "BBBB") + good[-4:]
    return secret_value({"sas_token": good}), secret_value({"sas_token": broken})


def _connection_strings(azurite: Azurite, _container: str) -> tuple[SecretValue, SecretValue]:
    def text(key: str) -> SecretValue:
        parts = f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key};EndpointSuffix=core.windows.net"
        return secret_value({"connection_string": parts})

    return text(azurite.keys[0]), text(new_account_key())


class TestAccountKey(BlobContract):
    """An account key, against Azurite in Azure's words."""

    values = staticmethod(_keys)

    def test_empty_blob_can_be_read_too(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=_target(bench.target.container, blob="empty.csv")).reason is Reason.WORKS

    def test_absent_blob_and_container_are_wrong_settings(self, bench: ConnectorBench) -> None:
        absent = bench.verify(target=_target(bench.target.container, blob="absent"))
        assert (absent.reason, absent.proved) == (Reason.NOT_CONFIGURED, (LOGIN, "list"))
        assert bench.verify(target=_target("absent-container")).reason is Reason.NOT_CONFIGURED

    def test_value_that_is_nothing_of_azure_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"token": "x"})).reason is Reason.NOT_CONFIGURED


class TestSas(BlobContract):
    """A shared access signature."""

    values = staticmethod(_sas)

    def test_right_that_the_signature_lacks_is_named(self, bench: ConnectorBench, azurite: Azurite) -> None:
        sas = _container_sas(azurite, bench.target.container, read=False)
        result = bench.verify(secret_value({"sas_token": sas}))
        assert result.reason is Reason.NO_PERMISSION
        assert (result.proved, result.not_proved) == ((LOGIN, "list"), ("read",))

    def test_account_signature_works_as_well(self, bench: ConnectorBench, azurite: Azurite) -> None:
        sas = generate_account_sas(
            ACCOUNT,
            account_key=azurite.keys[0],
            resource_types=ResourceTypes(container=True, object=True),
            permission=AccountSasPermissions(list=True, read=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        assert bench.verify(secret_value({"sas_token": sas})).reason is Reason.WORKS


class TestConnectionString(BlobContract):
    """A connection string: its login counts, where it leads is the spec's to say."""

    values = staticmethod(_connection_strings)


def test_azurites_own_word_for_a_wrong_key_stays_a_network_policy(azurite: Azurite) -> None:
    url = f"http://127.0.0.1:{azurite.port}"
    value = secret_value({"account_key": new_account_key()})
    result = _make(url).verify(_target(_container(azurite)), value, deadline=LONG, via=None)
    assert result.reason is Reason.NETWORK_POLICY


@pytest.mark.parametrize(
    ("status", "code", "detail", "reason"),
    [
        ("403 F", "AuthenticationFailed", "sv is not well formed", Reason.VERSION_NOT_SUPPORTED),
        ("403 F", "AuthenticationFailed", "Access without signed resource access level", Reason.NO_PERMISSION),
        ("403 F", "AuthenticationFailed", "something new", Reason.AMBIGUOUS),
        ("403 F", "AuthorizationFailure", "", Reason.NETWORK_POLICY),
        ("403 F", "AuthorizationSourceIPMismatch", "", Reason.NETWORK_POLICY),
        ("403 F", "AuthorizationPermissionMismatch", "", Reason.NO_PERMISSION),
        ("403 F", "KeyBasedAuthenticationNotPermitted", "", Reason.NOT_CONFIGURED),
        ("403 F", "AccountIsDisabled", "", Reason.LOCKED),
        ("503 S", "ServerBusy", "", Reason.THROTTLED),
        ("403 F", "UnheardOf", "", Reason.AMBIGUOUS),
    ],
)
def test_codes_of_storage(status: str, code: str, detail: str, reason: Reason) -> None:
    body = (
        f"<Error><Code>{code}</Code><Message>no</Message>"
        f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail></Error>"
    )
    with raw_server(page(status, body, "application/xml", f"x-ms-error-code: {code}\r\n")) as url:
        value = secret_value({"account_key": new_account_key()})
        result = _make(url).verify(_target("c", can=("list",)), value, deadline=LONG, via=None)
    assert result.reason is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AADSTS7000215: Invalid client secret provided", Reason.WRONG_VALUE),
        ("AADSTS7000222: The provided client secret keys are expired", Reason.EXPIRED),
        ("AADSTS700016: Application was not found in the directory", Reason.WRONG_TENANT),
        ("AADSTS7000112: Application is disabled", Reason.LOCKED),
        ("AADSTS53003: Access has been blocked by Conditional Access policies", Reason.CONDITIONAL_ACCESS),
        ("AADSTS70000: outer; AADSTS700024: assertion is not within its valid time range", Reason.CLOCK_SKEW),
        ("AADSTS9999999: something new invalid_client", Reason.AMBIGUOUS),
        ("a page of a middlebox", Reason.AMBIGUOUS),
    ],
)
def test_codes_of_entra(text: str, reason: Reason) -> None:
    assert entra_reason(text) is reason


class TestEntra:
    """A client secret, against an authority that azure-identity accepts."""

    def _verify(self, authority: EntraAuthority, secret: str, client_id: str, url: str) -> VerificationResult:
        value = secret_value({"tenant_id": authority.tenant, "client_id": client_id, "client_secret": secret})
        target = _target("c", authority=authority.authority, ca_file=str(authority.ca_file))
        result = _make(url).verify(target, value, deadline=LONG, via=None)
        assert secret not in repr(result)
        return result

    def test_refusal_without_entras_codes_decides_nothing(self, entra_authority: EntraAuthority) -> None:
        application = entra_authority.register_with_secret()
        result = self._verify(entra_authority, "wrong-secret", application.client_id, "https://127.0.0.1:1")
        assert result.reason is Reason.AMBIGUOUS, result
        assert result.proved == ()

    def test_unreachable_authority_decides_nothing(self, entra_authority: EntraAuthority) -> None:
        value = secret_value({"tenant_id": entra_authority.tenant, "client_id": "c", "client_secret": "s"})
        target = _target("c", authority="https://127.0.0.1:1", ca_file=str(entra_authority.ca_file))
        result = _make("https://127.0.0.1:1").verify(target, value, deadline=LONG, via=None)
        assert result.status is VerificationStatus.INDETERMINATE

    def test_login_by_certificate(self, entra_authority: EntraAuthority) -> None:
        application = entra_authority.register_with_certificate()
        result = self._login(
            entra_authority,
            {
                "tenant_id": entra_authority.tenant,
                "client_id": application.client_id,
                "certificate": application.certificate.decode(),
            },
        )
        assert (result.reason, result.proved) == (Reason.CONNECTION_REFUSED, (LOGIN,))  # storage is away, Entra is not

    def test_login_by_secret(self, entra_authority: EntraAuthority) -> None:
        application = entra_authority.register_with_secret()
        value = {"tenant_id": entra_authority.tenant, "client_id": application.client_id}
        result = self._login(entra_authority, {**value, "client_secret": application.secret})
        assert (result.reason, result.proved) == (Reason.CONNECTION_REFUSED, (LOGIN,))

    def test_certificate_of_another_application_is_refused(self, entra_authority: EntraAuthority) -> None:
        application, other = (entra_authority.register_with_certificate() for _ in range(2))
        value = {"tenant_id": entra_authority.tenant, "client_id": application.client_id}
        result = self._login(entra_authority, {**value, "certificate": other.certificate.decode()})
        assert (result.reason, result.proved) == (Reason.AMBIGUOUS, ())  # without Entra's codes nothing is decided

    @pytest.mark.parametrize("certificate", ["", "-----BEGIN CERTIFICATE-----\nhidden\n-----END CERTIFICATE-----"])
    def test_certificate_that_cannot_be_read_is_a_wrong_setting(
        self, entra_authority: EntraAuthority, certificate: str
    ) -> None:
        value = {"tenant_id": entra_authority.tenant, "client_id": "c", "certificate": certificate}
        result = self._login(entra_authority, value)
        assert result.reason is Reason.NOT_CONFIGURED
        assert "hidden" not in repr(result)

    @pytest.mark.parametrize(("own", "proved"), [(True, (LOGIN,)), (False, ())], ids=["own token", "another's token"])
    def test_login_by_workload_identity(
        self, entra_authority: EntraAuthority, tmp_path: Path, own: bool, proved: tuple[str, ...]
    ) -> None:
        application = entra_authority.register_with_certificate()
        signer = application if own else entra_authority.register_with_certificate()
        token_file = tmp_path / "token"
        token_file.write_text(_assertion(entra_authority, application.client_id, signer.certificate))
        assert (
            self._login(entra_authority, {}, self._workload(entra_authority, application, token_file)).proved == proved
        )

    def test_pod_without_its_token_is_a_wrong_setting(self, entra_authority: EntraAuthority, tmp_path: Path) -> None:
        application = entra_authority.register_with_certificate()
        workload = self._workload(entra_authority, application, tmp_path / "absent")
        assert self._login(entra_authority, {}, workload).reason is Reason.NOT_CONFIGURED

    @staticmethod
    def _workload(authority: EntraAuthority, application: EntraApplication, token_file: Path) -> dict[str, str]:
        return {"tenant_id": authority.tenant, "client_id": application.client_id, "identity_file": str(token_file)}

    @staticmethod
    def _login(
        authority: EntraAuthority, value: dict[str, str], workload: dict[str, str] | None = None
    ) -> VerificationResult:
        target = _target("c", authority=authority.authority, ca_file=str(authority.ca_file), workload_identity=workload)
        return _make(f"https://127.0.0.1:{free_port()}").verify(target, secret_value(value), deadline=LONG, via=None)


def _assertion(authority: EntraAuthority, client_id: str, certificate: bytes) -> str:
    """What Kubernetes would write: a token that the identity's federated issuer signs."""
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": authority.authority,
        "jti": uuid4().hex,
        "iat": now,
        "exp": now + 300,
    }
    key = load_pem_private_key(certificate, None)
    assert isinstance(key, RSAPrivateKey)
    return jwt.encode(claims, key, algorithm="RS256")
