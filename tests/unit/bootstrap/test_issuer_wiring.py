"""Every issuer of the registry can be declared, built from a spec, and has something that shows a fresh value works."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifecycle.bootstrap.connectors import Verifiers
from lifecycle.bootstrap.issuers import Issuers
from lifecycle.bootstrap.kinds import registry
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family
from lifecycle.domain.secret import SecretText, fingerprint
from lifecycle.settings import Settings

_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:rotate-database"
_PG = {"kind": "postgres_role_password", "host": "db.acme.example"}
_OAUTH = {"client_id": "ingest", "issuer": "https://login.acme.example"}
_ENTRA = {"tenant_id": "11111111-2222-3333-4444-555555555555", "client_id": "66666666-2222-3333-4444-555555555555"}
_STORAGE = {"subscription_id": "s", "resource_group": "ml", "account": "acmeml", "container": "features"}
_DATABRICKS = {"account_id": "a", "service_principal_id": "12345", "client_id": "app"}
_CREDENTIALS: dict[str, dict[str, Any]] = {
    "access-key": {"kind": "aws_iam_access_key", "user": "ingest"},
    "function": {"kind": "aws_rotation_function", "secret": "theirs/database", "function": _FUNCTION},
    "own-key": {"kind": "aws_iam_access_key", "user": "lifecycle", "self_admin": True},
    "api-key": {"kind": "datarobot_api_key", "principal": "svc@acme.example"},
    "client-secret": {"kind": "oauth_client_secret", "token_endpoint_auth_method": "client_secret_post", **_OAUTH},
    "client-key": {"kind": "oauth_private_key_jwt", "audience": "token_endpoint", **_OAUTH},
    "refresh-by-secret": {"kind": "oauth_refresh_token", "client": "client-secret", **_OAUTH},
    "refresh-by-key": {"kind": "oauth_refresh_token", "client": "client-key", "fapi2": True, **_OAUTH},
    "access-token": {"kind": "oauth_access_token", "client": "okta-app", "issuer": "https://login.acme.example"},
    "exchanged-token": {
        "kind": "oauth_access_token",
        "issuer": "https://login.acme.example",
        "client": "client-key",
        "exchange_issuer": "https://app.datarobot.com",
        "exchange_client": "client-secret",
    },
    "refresh-public": {"kind": "oauth_refresh_token", **_OAUTH},
    "pg-admin": {**_PG, "role": "rotator"},
    "pg-one": {**_PG, "role": "ingest", "admin": "pg-admin"},
    "pg-two": {**_PG, "roles": ["ingest_a", "ingest_b"], "member_of": "ingest", "admin": "pg-admin"},
    "sf-admin": {"kind": "snowflake_key_pair", "account": "acme-prod", "user": "ROTATOR"},
    "sf-named": {"kind": "snowflake_named_key_pair", "account": "acme-prod", "user": "BI", "admin": "sf-admin"},
    "sf-user": {"kind": "snowflake_key_pair", "account": "acme-prod", "user": "INGEST", "admin": "sf-admin"},
    "entra-admin": {"kind": "entra_application_certificate", **_ENTRA},
    "entra-app": {"kind": "entra_application_password", "admin": "entra-admin", **_ENTRA},
    "blob-key": {"kind": "azure_storage_account_key", "admin": "entra-admin", **_STORAGE},
    "okta-app": {"kind": "okta_client_secret", "org": "https://acme.okta.com", **_OAUTH},
    "dbx-admin": {"kind": "databricks_service_principal_secret", **_DATABRICKS},
    "dbx-user": {"kind": "databricks_service_principal_secret", "admin": "dbx-admin", **_DATABRICKS},
    "own-login": {"kind": "vault_approle_secret_id", "role": "lifecycle", "self_admin": True},
}
_NEED_A_CONNECTOR = frozenset({"aws_rotation_function"})  # only its owner knows what its value logs in to


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return _around(tmp_path, _CREDENTIALS)


def _around(root: Path, credentials: dict[str, dict[str, Any]]) -> Surroundings:
    spec = {
        "version": 1,
        "environment": "prod",
        "owner": "ml-platform",
        "aws": {"account_id": "123456789012", "region": "eu-west-1"},
        "datarobot": {"default": {"endpoint": "https://app.eu.datarobot.com/api/v2"}},
        "backend": {"s3": {"bucket": "acme-state", "key": "prod.tfstate", "region": "eu-west-1", "use_lockfile": True}},
        "secret_stores": {"default": {"vault": {"address": "https://vault.acme.example", "auth": {"token": {}}}}},
        "journal": {"dynamodb": {"table": "lifecycle-journal"}},
        "credentials": {name: {"reason": "risk analysis", **entry} for name, entry in credentials.items()},
    }
    folder = root / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(yaml.safe_dump(spec))
    paths = Paths(root=root, env="prod", state_home=root / "state")
    settings = Settings(
        root=root, vault_token=SecretText("t"), datarobot_api_token=SecretText("t"), okta_api_token=SecretText("t")
    )
    return Surroundings(settings=settings, paths=paths, step=lambda _n, _t: None, note=lambda _t: None)


def _stores(around: Surroundings) -> Stores:
    stores = Stores(around)
    stores.__dict__["fingerprinter"] = partial(fingerprint, key=b"k", key_id="t")  # else it is read from the store
    return stores


def test_every_kind_is_tried_here() -> None:
    assert {entry["kind"] for entry in _CREDENTIALS.values()} == set(registry().names(Family.ISSUER))


@pytest.mark.parametrize("name", _CREDENTIALS)
def test_declared_credential_has_issuer_principal_and_login(around: Surroundings, name: str) -> None:
    credential, stores = around.spec.credentials[name], _stores(around)
    bound = Issuers(around, stores).of(credential)
    assert bound.principal
    assert bound.issuer.traits.credential_class in CredentialClass
    if credential.kind in _NEED_A_CONNECTOR:
        with pytest.raises(ConfigurationError, match="nothing shows"):
            Verifiers(around, stores).login(credential)
    else:
        assert Verifiers(around, stores).login(credential).verifier


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("pg-admin", True),
        ("sf-admin", True),
        ("own-login", True),
        ("own-key", True),
        ("pg-one", False),
        ("sf-user", False),
    ],
)
def test_what_others_are_changed_with_comes_last(around: Surroundings, name: str, last: bool) -> None:
    bound = Issuers(around, _stores(around)).of(around.spec.credentials[name])
    assert bound.issuer.traits.self_admin is last
    assert (bound.admin is None) is last


def test_two_roles_make_it_slots(around: Surroundings) -> None:
    bound = Issuers(around, _stores(around)).of(around.spec.credentials["pg-two"])
    assert bound.issuer.traits.slot_names == ("ingest_a", "ingest_b")
    assert bound.principal == "ingest"


def test_client_of_an_access_token_is_one_that_can_log_in(tmp_path: Path) -> None:
    wrong = {"kind": "oauth_access_token", "client": "api-key", "issuer": "https://login.acme.example"}
    around = _around(tmp_path, {"api-key": _CREDENTIALS["api-key"], "token": wrong})
    with pytest.raises(ConfigurationError, match="of kind datarobot_api_key"):
        Issuers(around, _stores(around)).of(around.spec.credentials["token"])


def test_token_exchanged_without_a_client_needs_a_connector_that_uses_it(tmp_path: Path) -> None:
    token = {key: value for key, value in _CREDENTIALS["exchanged-token"].items() if key != "exchange_client"}
    around = _around(tmp_path, {"client-key": _CREDENTIALS["client-key"], "token": token})
    credential = around.spec.credentials["token"]
    assert Issuers(around, _stores(around)).of(credential).principal
    with pytest.raises(ConfigurationError, match="nobody may introspect") as caught:
        Verifiers(around, _stores(around)).login(credential)
    assert "credential: token" in caught.value.remedy


def test_store_in_another_region_is_asked_there(tmp_path: Path) -> None:
    around = _around(tmp_path, {})
    document = around.paths.environment / "environment.yaml"
    stores = {"default": {"aws_secrets_manager": {}}, "us": {"aws_secrets_manager": {"region": "us-east-1"}}}
    document.write_text(yaml.safe_dump({**yaml.safe_load(document.read_text()), "secret_stores": stores}))
    made = Stores(Surroundings(settings=around.settings, paths=around.paths, step=around.step, note=around.note))
    regions = {name: made.named(name)._calls._clients.connection.region for name in stores}  # type: ignore[attr-defined]  # what only this store has
    assert regions == {"default": "eu-west-1", "us": "us-east-1"}


def test_function_and_store_do_not_share_a_secret(tmp_path: Path) -> None:
    around = _around(
        tmp_path, {"database": {"kind": "aws_rotation_function", "secret": "acme/database", "function": _FUNCTION}}
    )
    store = {"default": {"aws_secrets_manager": {"prefix": "acme"}}}
    document = around.paths.environment / "environment.yaml"
    spec = yaml.safe_load(document.read_text())
    document.write_text(yaml.safe_dump({**spec, "secret_stores": store}))
    again = Surroundings(settings=around.settings, paths=around.paths, step=around.step, note=around.note)
    with pytest.raises(ConfigurationError, match="move the labels of one secret"):
        Issuers(again, _stores(again)).of(again.spec.credentials["database"])


def test_client_of_a_refresh_token_is_one_that_can_log_in(tmp_path: Path) -> None:
    wrong = {"kind": "oauth_refresh_token", "client": "api-key", **_OAUTH}
    around = _around(tmp_path, {"api-key": _CREDENTIALS["api-key"], "refresh": wrong})
    with pytest.raises(ConfigurationError, match="of kind datarobot_api_key"):
        Issuers(around, _stores(around)).of(around.spec.credentials["refresh"])


@pytest.mark.parametrize(
    ("name", "last"), [("entra-admin", True), ("entra-app", False), ("dbx-admin", True), ("dbx-user", False)]
)
def test_manager_of_other_identities_comes_last(around: Surroundings, name: str, last: bool) -> None:
    bound = Issuers(around, _stores(around)).of(around.spec.credentials[name])
    assert bound.issuer.traits.self_admin is last


@pytest.mark.parametrize("kind", ["entra_application_password", "entra_application_certificate"])
def test_value_that_ends_before_it_is_replaced_is_refused(tmp_path: Path, kind: str) -> None:
    around = _around(tmp_path, {"short": {"kind": kind, "lifetime": "90d", "rotation_period": "90d", **_ENTRA}})
    with pytest.raises(ConfigurationError) as caught:
        _ = around.spec
    (problem,) = caught.value.problems
    assert problem.key_path == "credentials.short.lifetime" and "a value lives 90 d" in problem.message


def test_okta_without_an_api_token_says_which_setting_when_it_is_asked(around: Surroundings) -> None:
    around.settings = around.settings.model_copy(update={"okta_api_token": SecretText("")})
    bound = Issuers(around, _stores(around)).of(around.spec.credentials["okta-app"])
    with pytest.raises(ConfigurationError) as caught:
        bound.issuer.list(bound.principal)
    assert "LIFECYCLE_OKTA_API_TOKEN" in caught.value.remedy
