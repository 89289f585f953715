from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from lifecycle.clients.databricks import DATABRICKS, DatabricksLogin, account_issuer
from lifecycle.clients.rest import RestClient
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.databricks_service_principal_secret import DatabricksServicePrincipalSecretIssuer
from lifecycle.operations.rotate_credential import resume
from lifecycle.testing.driven import LONG, Driven, lost_answer, rotates_and_retires
from lifecycle.testing.issuer_contract import IssuerBench, IssuerContract
from tests.contract.databricks_double import ACCOUNT, DatabricksDouble
from tests.contract.entra_bench import QUICK, now
from tests.contract.faults import Faults
from tests.contract.http_doubles import Reply, http_double
from tests.contract.odd_servers import closed_port


@dataclass(frozen=True, kw_only=True)
class Databricks:
    """The running double."""

    double: DatabricksDouble
    faults: Faults
    admin: str

    def login_of(self, number: str) -> SecretValue:
        """The newest secret of a service principal."""
        found = self.double.principals[number]
        return secret_value({"client_id": found.client_id, "client_secret": found.secrets[-1]["secret"]})

    def issuer(
        self, number: str, login: SecretValue | None = None, *, url: str = ""
    ) -> DatabricksServicePrincipalSecretIssuer:
        """An issuer for one service principal."""
        value = login or self.login_of(self.admin)
        access = DatabricksLogin(issuer=account_issuer(self.double.url, ACCOUNT), read=lambda: value)
        client = RestClient(url or self.double.url, DATABRICKS, access.authorization, retry=QUICK)
        return DatabricksServicePrincipalSecretIssuer(
            client,
            account_id=ACCOUNT,
            client_id=self.double.principals[number].client_id,
            lifetime=timedelta(days=180),
        )

    def verify(self, value: SecretValue) -> VerificationResult:
        """Log in with a secret."""
        verifier = OAuthTokenVerifier(account_issuer(self.double.url, ACCOUNT), clock=now)
        return verifier.verify(OAuthTokenSettings(scope="all-apis"), value, deadline=LONG, via=None)


@pytest.fixture(scope="module")
def databricks() -> Iterator[Databricks]:
    double = DatabricksDouble()
    faults = Faults(real=double.answer)
    admin = double.register(manages=True)
    double.principals[admin].add()
    with http_double(faults) as url:
        double.url = url
        yield Databricks(double=double, faults=faults, admin=admin)


@pytest.fixture(autouse=True)
def _no_faults_left(databricks: Databricks) -> Iterator[None]:
    yield
    databricks.faults.waiting.clear()


class TestOnDouble(IssuerContract):
    """Against the double."""

    @pytest.fixture
    def bench(self, databricks: Databricks) -> IssuerBench:
        number = databricks.double.register()
        wrong = {**databricks.login_of(databricks.admin), **secret_value({"client_secret": "wrong-login"})}
        return IssuerBench(
            issuer=databricks.issuer(number),
            principal=number,
            works=lambda value: str(databricks.verify(value).status) == "valid",
            unreachable=databricks.issuer(number, url=closed_port()),
            refused=databricks.issuer(number, wrong),
        )

    @pytest.fixture
    def driven(self, bench: IssuerBench, databricks: Databricks) -> Driven:
        return Driven(issuer=bench.issuer, principal=bench.principal, verify=databricks.verify)

    def test_driver_issues_rotates_and_retires(self, driven: Driven) -> None:
        rotates_and_retires(driven)

    def test_driver_asks_a_person_about_a_lost_secret_and_keeps_the_current_one(self, driven: Driven) -> None:
        current = driven.rotated()
        with lost_answer(driven.issuer, "mint"):
            driven.rotate()
        assert resume(driven.context, wait=True).state is State.QUARANTINED
        assert driven.works(driven.current())
        assert driven.current() == current

    def test_every_page_is_listed_and_a_sixth_secret_finds_no_slot(self, bench: IssuerBench) -> None:
        ids = {bench.mint().credential.id for _ in range(5)}
        assert bench.ids() == ids
        with pytest.raises(SlotOccupiedError):
            bench.mint()

    def test_age_and_end_are_listed(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        listed = bench.issuer.list(bench.principal).find(minted.credential.id)
        assert listed is not None
        assert listed.created is not None
        assert listed.expires is not None
        assert timedelta(days=179) < listed.expires - now() < timedelta(days=181)
        assert abs(listed.created - now()) < timedelta(minutes=1)

    def test_service_principal_may_manage_itself(self, databricks: Databricks) -> None:
        number = databricks.double.register()
        databricks.double.principals[number].add()
        issuer = databricks.issuer(number, databricks.login_of(number))
        assert str(databricks.verify(issuer.mint(number, "m", None).value).status) == "valid"

    def test_admin_without_the_right_is_told_which(self, bench: IssuerBench, databricks: Databricks) -> None:
        weak = databricks.double.register()
        databricks.double.principals[weak].add()
        issuer = databricks.issuer(bench.principal, databricks.login_of(weak))
        with pytest.raises(AuthenticationError, match="PERMISSION_DENIED") as caught:
            issuer.mint(bench.principal, "m", None)
        assert "manager" in caught.value.remedy

    def test_lost_answer_is_ambiguous(self, bench: IssuerBench, databricks: Databricks) -> None:
        bench.ids()  # logs in
        databricks.faults.lose_next("POST")
        with pytest.raises(AmbiguousEffectError):
            bench.mint()
        assert len(bench.ids()) == 1

    def test_throttled_mint_made_nothing_and_says_when(self, bench: IssuerBench, databricks: Databricks) -> None:
        bench.ids()
        body = b'{"error_code": "REQUEST_LIMIT_EXCEEDED"}'
        databricks.faults.next("POST", Reply(status=429, body=body, headers={"Retry-After": "9"}))
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert (caught.value.retryable, caught.value.retry_after) == (True, timedelta(seconds=9))
        assert bench.ids() == frozenset()

    def test_other_refusal_of_a_mint_is_not_taken_for_a_full_slot(
        self, bench: IssuerBench, databricks: Databricks
    ) -> None:
        bench.ids()
        databricks.faults.next("POST", Reply(status=400, body=b'{"error_code": "MALFORMED_REQUEST"}'))
        with pytest.raises(RemoteServiceError, match="MALFORMED_REQUEST") as caught:
            bench.mint()
        assert not isinstance(caught.value, SlotOccupiedError)

    def test_busy_login_is_worth_another_run(self, bench: IssuerBench, databricks: Databricks) -> None:
        databricks.faults.next("POST", Reply(status=503), times=2)
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert caught.value.retryable
        assert not isinstance(caught.value, AmbiguousEffectError)

    def test_unanswered_login_sent_no_mint(self, bench: IssuerBench, databricks: Databricks) -> None:
        databricks.faults.lose_next("POST")
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert not isinstance(caught.value, AmbiguousEffectError)
        assert bench.ids() == frozenset()

    def test_login_at_a_closed_port_is_unreachable(self) -> None:
        value = secret_value({"client_id": "c", "client_secret": "wrong-login"})
        with pytest.raises(UnreachableError):
            DatabricksLogin(issuer=closed_port(), read=lambda: value).authorization()

    def test_unknown_principal_is_not_found(self, bench: IssuerBench) -> None:
        with pytest.raises(NotFoundError):
            bench.issuer.list("1")

    def test_secret_without_its_text_is_ambiguous(self, bench: IssuerBench, databricks: Databricks) -> None:
        bench.ids()
        databricks.faults.next("POST", Reply(body=b'{"id": "x"}'))
        with pytest.raises(AmbiguousEffectError):
            bench.mint()

    def test_pages_that_do_not_end_are_refused(self, bench: IssuerBench, databricks: Databricks) -> None:
        databricks.faults.next("GET", Reply(body=b'{"next_page_token": "again"}'), times=100)
        with pytest.raises(RemoteServiceError, match="do not end"):
            bench.ids()
