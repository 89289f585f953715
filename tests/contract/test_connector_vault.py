from collections.abc import Callable
from uuid import uuid4

import pytest

from lifecycle.clients.vault import AppRoleLogin, TokenLogin, VaultClient
from lifecycle.connectors.vault import VaultCheckSettings, VaultVerifier
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.openbao import OpenBaoFileServer, OpenBaoServer


class _Login:
    """The verifier with the login that a case asks for: it takes none from the value, being about the tool's own."""

    def __init__(self, url: str, mount: str) -> None:
        self._url = url
        self._mount = mount

    def verify(self, target: object, value: SecretValue, *, deadline: object, via: Egress | None) -> VerificationResult:
        client = VaultClient(self._url, TokenLogin(token=value["token"]))
        verifier = VaultVerifier(client, mount=self._mount, prefix="acme", clock=lambda: NOW)
        return verifier.verify(target, {}, deadline=deadline, via=via)  # type: ignore[arg-type]  # passed through


class TestOnOpenBao(ConnectorContract):
    """Against the real server."""

    @pytest.fixture
    def bench(self, openbao_server: OpenBaoServer, openbao_kv_mount: str) -> ConnectorBench:
        names = ("one", "two")
        client, policy = openbao_server.client(), f"read-{uuid4()}"
        rules = "\n".join(f'path "{openbao_kv_mount}/data/acme/{name}" {{ capabilities = ["read"] }}' for name in names)
        client.sys.create_or_update_policy(policy, rules)
        token = client.auth.token.create(policies=[policy])["auth"]["client_token"]
        return ConnectorBench(
            make=lambda url: _Login(url, openbao_kv_mount),
            url=openbao_server.address,
            target=VaultCheckSettings(can_read=names),
            valid=secret_value({"token": token}),
            invalid=secret_value({"token": "wrong-login"}),
            proves=("login", *names),
        )

    def test_missing_right_is_told(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=VaultCheckSettings(can_read=("one", "three")))
        assert result.reason is Reason.NO_PERMISSION
        assert result.not_proved == ("three",)

    def test_wrong_secret_id_is_invalid(self, openbao_server: OpenBaoServer, openbao_kv_mount: str) -> None:
        client, role = openbao_server.client(), f"role-{uuid4()}"
        mount = f"approle-{role}"
        client.sys.enable_auth_method("approle", path=mount)
        client.auth.approle.create_or_update_approle(role, mount_point=mount)
        role_id = client.auth.approle.read_role_id(role, mount_point=mount)["data"]["role_id"]
        login = AppRoleLogin(role_id=role_id, secret_id=SecretText("wrong"), mount=mount)
        verifier = VaultVerifier(
            VaultClient(openbao_server.address, login), mount=openbao_kv_mount, prefix="", clock=lambda: NOW
        )
        result = verifier.verify(VaultCheckSettings(), {}, deadline=LONG, via=None)
        assert result.reason is Reason.WRONG_VALUE

    def test_sealed_server_is_a_fault(self, openbao_file_server: Callable[[], OpenBaoFileServer]) -> None:
        server = openbao_file_server()
        server.seal()
        client = VaultClient(server.address, TokenLogin(token=SecretText(server.root_token)))
        verifier = VaultVerifier(client, mount="kv", prefix="", clock=lambda: NOW)
        result = verifier.verify(VaultCheckSettings(), {}, deadline=LONG, via=None)
        assert result.reason is Reason.SERVICE_FAULT

    def test_permission_denied_after_the_login_judges_nothing(self, bench: ConnectorBench) -> None:
        with raw_server(page("403 Forbidden", "{}", "application/json")) as odd:
            assert bench.verify(url=odd).status is VerificationStatus.INDETERMINATE
