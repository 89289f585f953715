import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formatdate

import pytest

from lifecycle.clients.rest import RestClient
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.okta_client_secret import OKTA, OktaClientSecretIssuer
from lifecycle.operations.rotate_credential import resume
from lifecycle.testing.driven import LONG, Driven, lost_answer, rotates_and_retires
from lifecycle.testing.issuer_contract import IssuerBench, IssuerContract
from tests.contract.entra_bench import QUICK, now
from tests.contract.faults import Faults
from tests.contract.http_doubles import Reply, http_double
from tests.contract.odd_servers import closed_port
from tests.contract.okta_double import LIVE, POWERLESS, OktaDouble


@dataclass(frozen=True, kw_only=True)
class Okta:
    """The running double."""

    double: OktaDouble
    faults: Faults

    def issuer(self, app_id: str, token: str = LIVE, url: str = "") -> OktaClientSecretIssuer:
        """An issuer for one application."""
        authorization = SecretText(f"SSWS {token}")
        client = RestClient(url or self.double.url, OKTA, lambda: authorization, retry=QUICK)
        return OktaClientSecretIssuer(client, client_id=app_id)

    def verify(self, value: SecretValue) -> VerificationResult:
        """Log in with a secret."""
        verifier = OAuthTokenVerifier(self.double.issuer, clock=now)
        return verifier.verify(OAuthTokenSettings(scope="read"), value, deadline=LONG, via=None)


@pytest.fixture(scope="module")
def okta() -> Iterator[Okta]:
    double = OktaDouble()
    faults = Faults(real=double.answer)
    with http_double(faults) as url:
        double.url = url
        yield Okta(double=double, faults=faults)


@pytest.fixture(autouse=True)
def _no_faults_left(okta: Okta) -> Iterator[None]:
    yield
    okta.faults.waiting.clear()


class TestOnDouble(IssuerContract):
    """Against the double."""

    @pytest.fixture
    def bench(self, okta: Okta) -> IssuerBench:
        app_id = okta.double.register()
        return IssuerBench(
            issuer=okta.issuer(app_id),
            principal=app_id,
            works=lambda value: str(okta.verify(value).status) == "valid",
            unreachable=okta.issuer(app_id, url=closed_port()),
            refused=okta.issuer(app_id, "wrong-login"),
        )

    @pytest.fixture
    def driven(self, bench: IssuerBench, okta: Okta) -> Driven:
        return Driven(issuer=bench.issuer, principal=bench.principal, verify=okta.verify)

    def test_driver_issues_rotates_and_retires(self, driven: Driven) -> None:
        rotates_and_retires(driven)

    def test_driver_asks_a_person_about_a_lost_secret_and_keeps_the_current_one(self, driven: Driven) -> None:
        current = driven.rotated()
        with lost_answer(driven.issuer, "mint"):
            driven.rotate()
        assert resume(driven.context, wait=True).state is State.QUARANTINED
        assert driven.current() == current
        assert driven.works(current)
        assert len(driven.ids()) == 2

    def test_third_secret_finds_no_slot(self, bench: IssuerBench) -> None:
        bench.mint()
        bench.mint()
        with pytest.raises(SlotOccupiedError):
            bench.mint()

    def test_inactive_secret_still_fills_its_slot(self, bench: IssuerBench) -> None:
        first = bench.mint()
        bench.mint()
        bench.issuer.set_enabled(bench.principal, first.credential.id, False)
        with pytest.raises(SlotOccupiedError):
            bench.mint()

    def test_age_is_listed(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        listed = bench.issuer.list(bench.principal).find(minted.credential.id)
        assert listed is not None
        assert listed.created is not None
        assert abs(listed.created - now()) < timedelta(minutes=1)

    def test_lost_answer_is_ambiguous(self, bench: IssuerBench, okta: Okta) -> None:
        okta.faults.lose_next("POST")
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
        assert len(bench.ids()) == 1

    def test_other_refusal_of_a_mint_is_not_taken_for_a_full_slot(self, bench: IssuerBench, okta: Okta) -> None:
        okta.faults.next("POST", Reply(status=400, body=b'{"errorCode": "E0000003"}'))
        with pytest.raises(RemoteServiceError, match="E0000003") as caught:
            bench.mint()
        assert not isinstance(caught.value, SlotOccupiedError)

    def test_throttled_mint_says_when_by_oktas_own_clock(self, bench: IssuerBench, okta: Okta) -> None:
        then = int(time.time()) - 1000
        headers = {"Date": formatdate(then, usegmt=True), "X-Rate-Limit-Reset": str(then + 42)}
        okta.faults.next("POST", Reply(status=429, body=b'{"errorCode": "E0000047"}', headers=headers))
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert caught.value.retryable
        assert caught.value.retry_after is not None

    def test_token_without_the_role_is_told(self, bench: IssuerBench, okta: Okta) -> None:
        with pytest.raises(AuthenticationError, match="E0000006") as caught:
            okta.issuer(bench.principal, POWERLESS).mint(bench.principal, "m", None)
        assert "role" in caught.value.remedy

    def test_a_list_with_more_pages_is_refused(self, bench: IssuerBench, okta: Okta) -> None:
        okta.faults.next("GET", Reply(body=b"[]", headers={"Link": '<https://x/?after=1>; rel="next"'}))
        with pytest.raises(RemoteServiceError, match="not as Okta documents"):
            bench.ids()

    def test_unknown_application_is_not_found(self, okta: Okta) -> None:
        with pytest.raises(NotFoundError):
            okta.issuer("nobody").list("nobody")
        with pytest.raises(NotFoundError):
            okta.issuer("nobody").mint("nobody", "m", None)

    def test_secret_without_its_text_is_ambiguous(self, bench: IssuerBench, okta: Okta) -> None:
        okta.faults.next("POST", Reply(status=201, body=b'{"id": "x"}'))
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
