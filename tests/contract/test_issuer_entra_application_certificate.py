from collections.abc import Iterator
from datetime import timedelta

import pytest

from lifecycle.clients.rest import RestClient
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import secret_value
from lifecycle.issuers.entra_application_certificate import EntraApplicationCertificateIssuer
from lifecycle.testing.driven import Driven, rotates_and_retires
from lifecycle.testing.setting_contract import SettingBench, SettingContract
from tests.contract.entra_bench import EntraBench, entra_bench, now, stranger_key
from tests.contract.graph_double import TENANT
from tests.contract.http_doubles import Reply
from tests.servers.entra import EntraAuthority

_NONE = secret_value({})


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory, entra_authority: EntraAuthority) -> Iterator[EntraBench]:
    with entra_bench(tmp_path_factory.mktemp("graph"), entra_authority) as bench:
        yield bench


@pytest.fixture(autouse=True)
def _no_faults_left(entra: EntraBench) -> Iterator[None]:
    yield
    entra.faults.waiting.clear()


def _issuer(client: RestClient, app_id: str) -> EntraApplicationCertificateIssuer:
    return EntraApplicationCertificateIssuer(
        client, tenant_id=TENANT, client_id=app_id, lifetime=timedelta(days=365), clock=now
    )


class TestOnGraphDouble(SettingContract):
    """Against the double; the assertions that azure-identity signs are verified there."""

    @pytest.fixture
    def bench(self, entra: EntraBench) -> SettingBench:
        app_id = entra.double.register()
        mine = _issuer(entra.client(), app_id)

        def occupy(slot: str) -> None:
            other = stranger_key() | {"displayName": f"lifecycle-{slot}"}
            entra.double.applications[app_id].keys.append(other)

        return SettingBench(
            issuer=mine,
            principal=app_id,
            admin=_NONE,
            slots=("1", "2"),
            works=lambda value: str(entra.verify(value).status) == "valid",
            occupy=occupy,
            unreachable=_issuer(entra.closed(), app_id),
            refused=_issuer(entra.client(secret="wrong-login"), app_id),
            refused_admin=_NONE,
            driven=Driven(issuer=mine, principal=app_id, verify=entra.verify),
        )

    def test_certificates_of_others_survive_rotation_and_retirement(
        self, bench: SettingBench, entra: EntraBench
    ) -> None:
        other = stranger_key()
        entra.double.applications[bench.principal].keys.append(other)
        (before,) = bench.issuer.list(bench.principal).credentials
        rotates_and_retires(bench.driven, foreign=frozenset({before.id}))
        assert entra.double.applications[bench.principal].keys == [other]

    def test_end_and_age_are_listed(self, bench: SettingBench) -> None:
        bench.set("1", bench.issuer.generate("1"))
        listed = bench.in_slot("1")
        assert listed is not None
        assert listed.expires is not None
        assert listed.expires > now() + timedelta(days=364)

    def test_entry_whose_key_is_not_shown_is_kept_and_named(self, bench: SettingBench, entra: EntraBench) -> None:
        hidden = stranger_key() | {"key": None}
        entra.double.applications[bench.principal].keys.append(hidden)
        bench.set("1", bench.issuer.generate("1"))
        assert f"key {hidden['keyId']}" in bench.issuer.list(bench.principal).ids()

    def test_full_application_has_no_slot(self, bench: SettingBench, entra: EntraBench) -> None:
        other = stranger_key()
        entra.double.applications[bench.principal].keys = [other | {"keyId": str(number)} for number in range(120)]
        with pytest.raises(SlotOccupiedError):
            bench.set("1", bench.issuer.generate("1"))

    def test_unanswered_update_may_have_landed(self, bench: SettingBench, entra: EntraBench) -> None:
        value = bench.issuer.generate("1")
        entra.faults.lose_next("PATCH")
        with pytest.raises(AmbiguousEffectError):
            bench.set("1", value)
        assert bench.in_slot("1") is not None
        assert bench.works(value)

    def test_refused_update_is_told_with_its_code(self, bench: SettingBench, entra: EntraBench) -> None:
        body = b'{"error": {"code": "Request_BadRequest"}}'
        entra.faults.next("PATCH", Reply(status=400, body=body, headers={"request-id": "1"}))
        with pytest.raises(RemoteServiceError, match="Request_BadRequest"):
            bench.set("1", bench.issuer.generate("1"))

    def test_admin_that_owns_nothing_is_told_which_right(self, bench: SettingBench, entra: EntraBench) -> None:
        issuer = _issuer(entra.client(entra.authority.register_with_secret()), bench.principal)
        with pytest.raises(AuthenticationError) as caught:
            issuer.set(bench.principal, "1", bench.issuer.generate("1"), expected=None, admin=None)
        assert "owner" in caught.value.remedy

    def test_certificate_that_cannot_be_read_is_told_without_it(self, bench: SettingBench) -> None:
        with pytest.raises(ConfigurationError) as caught:
            bench.issuer.identify(secret_value({"certificate": "nonsense"}))
        assert "nonsense" not in str(caught.value)
