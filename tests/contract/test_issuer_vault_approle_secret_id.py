from datetime import UTC, datetime
from uuid import uuid4

import pytest

from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.connectors.vault_approle import VaultAppRoleCheck, VaultAppRoleVerifier
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.vault_approle_secret_id import VaultAppRoleSecretIdIssuer
from tests.contract.issuer_contract import IssuerBench, IssuerContract
from tests.contract.odd_servers import closed_port
from tests.contract.rotation_bench import LONG, Driven, rotates_and_retires, survives_a_lost_answer
from tests.servers.openbao import OpenBaoServer


class TestOnOpenBao(IssuerContract):
    """Against the real server."""

    @pytest.fixture
    def mount(self, openbao_server: OpenBaoServer) -> str:
        mount = f"approle-{uuid4()}"
        client = openbao_server.client()
        client.sys.enable_auth_method("approle", path=mount)
        client.auth.approle.create_or_update_approle("ingest", mount_point=mount)
        return mount

    @pytest.fixture
    def driven(self, openbao_server: OpenBaoServer, mount: str) -> Driven:
        verifier = VaultAppRoleVerifier(openbao_server.address, clock=lambda: datetime.now(UTC))

        def verify(value: SecretValue) -> VerificationResult:
            return verifier.verify(VaultAppRoleCheck(mount=mount), value, deadline=LONG, via=None)

        client = VaultClient(openbao_server.address, TokenLogin(token=SecretText(openbao_server.root_token)))
        return Driven(issuer=VaultAppRoleSecretIdIssuer(client, mount=mount), principal="ingest", verify=verify)

    @pytest.fixture
    def bench(self, openbao_server: OpenBaoServer, mount: str, driven: Driven) -> IssuerBench:
        def other(address: str, token: str) -> VaultAppRoleSecretIdIssuer:
            return VaultAppRoleSecretIdIssuer(VaultClient(address, TokenLogin(token=SecretText(token))), mount=mount)

        return IssuerBench(
            issuer=other(openbao_server.address, openbao_server.root_token),
            principal="ingest",
            works=driven.works,
            unreachable=other(closed_port(), "x"),
            refused=other(openbao_server.address, "wrong-login"),
        )

    def test_driver_rotates_and_retires_beside_somebody_elses(
        self, driven: Driven, openbao_server: OpenBaoServer, mount: str
    ) -> None:
        made = openbao_server.client().auth.approle.generate_secret_id("ingest", mount_point=mount)
        rotates_and_retires(driven, foreign=frozenset({made["data"]["secret_id_accessor"]}))

    def test_driver_survives_a_lost_answer(self, driven: Driven) -> None:
        survives_a_lost_answer(driven, "mint")

    def test_age_is_told(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        listed = bench.issuer.list(bench.principal).find(minted.credential.id)
        assert listed is not None
        assert listed.created is not None
        assert listed.expires is None

    def test_missing_role_does_not_pass_for_an_empty_list(self, bench: IssuerBench) -> None:
        with pytest.raises(ConfigurationError, match="no AppRole"):
            bench.issuer.list("nobody")


def test_own_login_comes_last(openbao_server: OpenBaoServer) -> None:
    client = VaultClient(openbao_server.address, TokenLogin(token=SecretText("x")))
    assert VaultAppRoleSecretIdIssuer(client, self_admin=True).traits.self_admin
