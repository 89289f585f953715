from uuid import uuid4

import pytest

from lifecycle.connectors.vault_approle import VaultAppRoleCheck, VaultAppRoleVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.servers.openbao import OpenBaoServer


class TestOnOpenBao(ConnectorContract):
    """Against the real server."""

    @pytest.fixture
    def bench(self, openbao_server: OpenBaoServer) -> ConnectorBench:
        client, mount = openbao_server.client(), f"approle-{uuid4()}"
        client.sys.enable_auth_method("approle", path=mount)
        client.auth.approle.create_or_update_approle("one", mount_point=mount)
        role_id = client.auth.approle.read_role_id("one", mount_point=mount)["data"]["role_id"]
        secret_id = client.auth.approle.generate_secret_id("one", mount_point=mount)["data"]["secret_id"]
        return ConnectorBench(
            make=lambda url: VaultAppRoleVerifier(url, clock=lambda: NOW),
            url=openbao_server.address,
            target=VaultAppRoleCheck(mount=mount),
            valid=secret_value({"role_id": role_id, "secret_id": secret_id}),
            invalid=secret_value({"role_id": role_id, "secret_id": "wrong-login"}),
            proves=("login",),
        )

    def test_value_that_is_no_login_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify(secret_value({"other": "x"})).reason is Reason.NOT_CONFIGURED
