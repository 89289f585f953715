from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import hvac
import pytest

from lifecycle.clients.vault import AppRoleLogin, TokenLogin, VaultClient
from lifecycle.domain.errors import AuthenticationError, RemoteServiceError, UnreachableError
from lifecycle.domain.secret import CandidateId, OperationId, SecretRef, SecretText, secret_value
from lifecycle.secret_stores.vault_kv import VaultKvStore
from tests.servers.openbao import OpenBaoFileServer, OpenBaoServer
from tests.servers.process import free_port

REF = SecretRef(store="default", path="one")
VALUE = secret_value({"token": "value-one"})


@dataclass
class Time:
    """Monotonic time that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Role:
    """An AppRole with a short token life."""

    client: hvac.Client
    login: AppRoleLogin
    name: str


@pytest.fixture
def role(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> Role:
    client, name = openbao_server.client(), f"role-{uuid4()}"
    client.sys.enable_auth_method("approle", path=name)
    rules = f'path "{openbao_kv_mount}/*" {{ capabilities = ["create", "read", "update", "delete", "list"] }}'
    client.sys.create_or_update_policy(name, rules)
    client.auth.approle.create_or_update_approle(
        name, token_policies=[name], token_ttl="60s", token_max_ttl="120s", mount_point=name
    )
    role_id = client.auth.approle.read_role_id(name, mount_point=name)["data"]["role_id"]
    secret_id = client.auth.approle.generate_secret_id(name, mount_point=name)["data"]["secret_id"]
    return Role(client, AppRoleLogin(role_id=role_id, secret_id=SecretText(secret_id), mount=name), name)


def _tokens(role: Role) -> int:
    return len(_accessors(role))


def _accessors(role: Role) -> list[str]:
    answer: Any = role.client.list("auth/token/accessors")
    found: list[str] = answer["data"]["keys"]
    return found


def test_approle_logs_in_once_and_renews_at_two_thirds(
    openbao_server: OpenBaoServer, openbao_kv_mount: str, role: Role
) -> None:
    time = Time()
    store = VaultKvStore(VaultClient(openbao_server.address, role.login, monotonic=time), mount=openbao_kv_mount)
    before = _tokens(role)
    store.prepare(REF)
    store.describe(REF)
    assert _tokens(role) == before + 1
    time.now += 41
    store.describe(REF)
    assert _tokens(role) == before + 1, "renewed, not replaced"


def test_revoked_token_is_replaced_by_a_new_login(
    openbao_server: OpenBaoServer, openbao_kv_mount: str, role: Role
) -> None:
    store = VaultKvStore(VaultClient(openbao_server.address, role.login), mount=openbao_kv_mount)
    store.prepare(REF)
    for accessor in _accessors(role):
        if role.name in role.client.auth.token.lookup_accessor(accessor)["data"]["policies"]:
            role.client.auth.token.revoke_accessor(accessor)
    store.stage(REF, OperationId("op"), CandidateId("1-1"), VALUE, fence=1)
    assert store.describe(REF).pending


def test_missing_right_is_told_without_another_login(
    openbao_server: OpenBaoServer, openbao_kv_mount: str, role: Role
) -> None:
    store = VaultKvStore(VaultClient(openbao_server.address, role.login), mount="elsewhere")
    with pytest.raises(AuthenticationError):
        store.describe(REF)


def test_wrong_secret_id_is_told_without_it(openbao_server: OpenBaoServer, role: Role) -> None:
    login = AppRoleLogin(role_id=role.login.role_id, secret_id=SecretText("canary-secret-id"), mount=role.name)
    with pytest.raises(AuthenticationError) as caught:
        VaultKvStore(VaultClient(openbao_server.address, login)).describe(REF)
    assert "canary-secret-id" not in f"{caught.value!r}{caught.value.remedy}"


def test_token_of_the_environment_is_never_used(
    openbao_server: OpenBaoServer, openbao_kv_mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", openbao_server.root_token)
    client = VaultClient(openbao_server.address, TokenLogin(token=SecretText("")))
    with pytest.raises(AuthenticationError):
        VaultKvStore(client, mount=openbao_kv_mount).describe(REF)


def test_sealed_server_refuses_each_write_and_loses_nothing(
    openbao_file_server: Callable[[], OpenBaoFileServer],
) -> None:
    server = openbao_file_server()
    server.client().sys.enable_secrets_engine("kv", path="kv", options={"version": "2"})
    client = VaultClient(server.address, TokenLogin(token=SecretText(server.root_token)))
    store = VaultKvStore(client)
    revision = store.prepare(REF)
    store.stage(REF, OperationId("op"), CandidateId("1-1"), VALUE, fence=1)
    server.seal()
    for call in (
        lambda: store.prepare(REF),
        lambda: store.stage(REF, OperationId("op"), CandidateId("1-2"), VALUE, fence=1),
        lambda: store.promote(REF, CandidateId("1-1"), expected=revision),
        lambda: store.discard(REF, CandidateId("1-1")),
    ):
        with pytest.raises(RemoteServiceError) as caught:
            call()
        assert caught.value.retryable
    server.unseal()
    store.promote(REF, CandidateId("1-1"), expected=revision)
    server.kill()
    server.start()
    assert store.read(REF, store.describe(REF).revision).value == VALUE


def test_unreachable_server_was_sent_nothing() -> None:
    client = VaultClient(
        f"http://127.0.0.1:{free_port()}", TokenLogin(token=SecretText("x")), timeout=timedelta(seconds=5)
    )
    with pytest.raises(UnreachableError):
        VaultKvStore(client).prepare(REF)


def test_kept_value_is_written_once_and_replaced_on_purpose(
    openbao_server: OpenBaoServer, openbao_kv_mount: str
) -> None:
    client = VaultClient(openbao_server.address, TokenLogin(token=SecretText(openbao_server.root_token)))
    store, other = VaultKvStore(client, mount=openbao_kv_mount), secret_value({"token": "value-two"})
    assert store.keep_once(REF, VALUE) == VALUE
    assert store.keep_once(REF, other) == VALUE
    store.keep(REF, other)
    assert store.recall(REF) == other
