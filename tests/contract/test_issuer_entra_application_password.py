from collections.abc import Iterator
from datetime import timedelta

import pytest

from lifecycle.clients.rest import RestClient
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.verification import Reason
from lifecycle.issuers.entra_application_password import EntraApplicationPasswordIssuer
from lifecycle.testing.driven import Driven, rotates_and_retires, survives_a_lost_answer
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.contract.entra_bench import EntraBench, entra_bench, now
from tests.contract.graph_double import TENANT
from tests.contract.http_doubles import Reply
from tests.servers.entra import EntraAuthority

_THROTTLED = Reply(
    status=429, body=b'{"error": {"code": "TooManyRequests"}}', headers={"request-id": "1", "Retry-After": "7"}
)


@pytest.fixture(scope="module")
def entra(tmp_path_factory: pytest.TempPathFactory, entra_authority: EntraAuthority) -> Iterator[EntraBench]:
    with entra_bench(tmp_path_factory.mktemp("graph"), entra_authority) as bench:
        yield bench


@pytest.fixture(autouse=True)
def _no_faults_left(entra: EntraBench) -> Iterator[None]:
    yield
    entra.faults.waiting.clear()
    entra.double.lagging = entra.double.immature = 0


def _issuer(client: RestClient, lifetime: timedelta = timedelta(days=180)) -> EntraApplicationPasswordIssuer:
    return EntraApplicationPasswordIssuer(client, tenant_id=TENANT, lifetime=lifetime, clock=now)


class TestOnGraphDouble(IssuerContract):
    """Against the double; administrators log in at a certified authority through azure-identity."""

    @pytest.fixture
    def bench(self, entra: EntraBench) -> IssuerBench:
        return IssuerBench(
            issuer=_issuer(entra.client()),
            principal=entra.double.register(),
            works=lambda value: str(entra.verify(value).status) == "valid",
            unreachable=_issuer(entra.closed()),
            refused=_issuer(entra.client(secret="wrong-login")),
        )

    @pytest.fixture
    def driven(self, bench: IssuerBench, entra: EntraBench) -> Driven:
        return Driven(issuer=bench.issuer, principal=bench.principal, verify=entra.verify)

    def test_driver_issues_rotates_and_retires(self, driven: Driven) -> None:
        rotates_and_retires(driven)

    def test_driver_survives_a_lost_answer(self, driven: Driven) -> None:
        survives_a_lost_answer(driven, "mint")

    def test_driver_waits_for_a_secret_that_is_not_everywhere_yet(self, driven: Driven, entra: EntraBench) -> None:
        entra.double.immature = 1
        assert driven.works(driven.rotated())

    def test_driver_finds_a_lost_secret_that_the_list_shows_late(self, driven: Driven, entra: EntraBench) -> None:
        driven.rotated()
        entra.faults.lose_next("POST")
        entra.double.lagging = 1
        driven.rotate()
        current = driven.rotated()
        assert driven.ids() == {driven.issuer.identify(current)}

    def test_lost_answer_is_ambiguous_and_found_by_its_marker(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.lose_next("POST")
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
        found = [item for item in bench.issuer.list(bench.principal).credentials if item.marker == MARKER]
        assert len(found) == 1

    def test_every_secret_is_listed_with_its_end(self, bench: IssuerBench) -> None:
        minted = [bench.mint(f"{MARKER}-{number}").credential for number in range(12)]
        listed = bench.issuer.list(bench.principal)
        assert listed.ids() == {item.id for item in minted}
        assert all(item.expires and item.expires > now() + timedelta(days=179) for item in listed.credentials)
        assert all(item.created and abs(item.created - now()) < timedelta(minutes=1) for item in listed.credentials)

    def test_full_application_has_no_slot(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.double.applications[bench.principal].keys = [{"keyId": str(number)} for number in range(120)]
        with pytest.raises(SlotOccupiedError):
            bench.mint()

    def test_lifetime_that_the_tenant_forbids_is_told(self, bench: IssuerBench, entra: EntraBench) -> None:
        issuer = _issuer(entra.client(), timedelta(days=4000))
        with pytest.raises(ConfigurationError, match="policy of the tenant") as caught:
            issuer.mint(bench.principal, MARKER, None)
        assert "lifetime" in caught.value.remedy

    def test_name_that_graph_would_cut_is_refused_before_anything_is_sent(
        self, bench: IssuerBench, entra: EntraBench
    ) -> None:
        before = len(entra.faults.seen)
        with pytest.raises(ConfigurationError, match="90 characters"):
            bench.mint("lifecycle:" + "x" * 90)
        assert len(entra.faults.seen) == before

    def test_throttled_mint_made_nothing_and_says_when(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("POST", _THROTTLED)
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert (caught.value.retryable, caught.value.retry_after) == (True, timedelta(seconds=7))
        assert bench.ids() == frozenset()

    def test_throttled_list_is_read_again(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("GET", Reply(status=429, headers={"Retry-After": "0"}))
        assert bench.ids() == frozenset()

    def test_mint_is_never_repeated(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("POST", Reply(status=503))
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
        assert bench.ids() == frozenset()

    def test_change_by_somebody_else_is_worth_another_run(self, bench: IssuerBench, entra: EntraBench) -> None:
        body = b'{"error": {"code": "Directory_ConcurrencyViolation"}}'
        entra.faults.next("POST", Reply(status=409, body=body, headers={"request-id": "1"}))
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert caught.value.retryable

    def test_admin_that_owns_nothing_is_told_which_right(self, bench: IssuerBench, entra: EntraBench) -> None:
        stranger = entra.authority.register_with_secret()
        with pytest.raises(AuthenticationError) as caught:
            _issuer(entra.client(stranger)).mint(bench.principal, MARKER, None)
        assert "Application.ReadWrite.OwnedBy" in caught.value.remedy

    def test_token_that_graph_does_not_take_is_told(self, bench: IssuerBench, entra: EntraBench) -> None:
        body = b'{"error": {"code": "InvalidAuthenticationToken"}}'
        entra.faults.next("GET", Reply(status=401, body=body, headers={"request-id": "1"}))
        with pytest.raises(AuthenticationError, match="InvalidAuthenticationToken"):
            bench.ids()

    def test_answer_of_something_in_between_judges_nobody(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("GET", Reply(status=403, body=b"<html>blocked"))
        with pytest.raises(RemoteServiceError, match="not by Microsoft Graph"):
            bench.ids()

    def test_refused_removal_of_a_live_secret_is_no_success(self, bench: IssuerBench, entra: EntraBench) -> None:
        minted = bench.mint()
        body = b'{"error": {"code": "Request_BadRequest"}}'
        entra.faults.next("POST", Reply(status=400, body=body, headers={"request-id": "1"}))
        with pytest.raises(RemoteServiceError) as caught:
            bench.issuer.revoke(bench.principal, minted.credential.id)
        assert not isinstance(caught.value, NotFoundError)
        assert bench.works(minted.value)

    def test_unknown_application_is_not_found(self, bench: IssuerBench) -> None:
        with pytest.raises(NotFoundError):
            bench.issuer.list("00000000-0000-0000-0000-000000000000")

    def test_list_without_the_collection_is_no_empty_list(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("GET", Reply(body=b"{}", headers={"request-id": "1"}))
        with pytest.raises(RemoteServiceError, match="does not show"):
            bench.ids()

    def test_mint_without_a_secret_in_the_answer_is_ambiguous(self, bench: IssuerBench, entra: EntraBench) -> None:
        entra.faults.next("POST", Reply(body=b"{}", headers={"request-id": "1"}))
        with pytest.raises(AmbiguousEffectError):
            bench.mint()

    def test_ended_secret_is_told_as_expired(self, bench: IssuerBench, entra: EntraBench) -> None:
        minted = _issuer(entra.client(), timedelta(seconds=-1)).mint(bench.principal, MARKER, None)
        assert entra.verify(minted.value).reason is Reason.EXPIRED
