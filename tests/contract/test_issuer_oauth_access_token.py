"""Access tokens at a certified provider, and exchanged by a double of RFC 8693 that asks that provider."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from lifecycle.clients.oauth import ClientLogin, OAuthClient
from lifecycle.connectors.generic_https import GenericHttpsSettings, GenericHttpsVerifier
from lifecycle.connectors.oauth_access_token import OAuthAccessTokenCheck, OAuthAccessTokenVerifier
from lifecycle.domain.credential import CredentialId, Minted, NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    NotFoundError,
    RemoteServiceError,
    UnreachableError,
)
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_policy import RotationPolicy
from lifecycle.domain.secret import SecretText, SecretValue, VersionStage, secret_value
from lifecycle.domain.verification import Reason, VerificationResult
from lifecycle.issuers.oauth_access_token import OAuthAccessTokenIssuer, OAuthAccessTokenSettings, ServerLogin
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import FINGERPRINT, LONG, Driven, rotates_and_retires, survives_a_lost_answer
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server
from tests.contract.token_exchange_double import TYPES, ExchangeDouble
from tests.servers.oidc import OidcProvider
from tests.servers.process import free_port

_LIFE = timedelta(minutes=10)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Client:
    """A client of the provider, and what a store would hold of its tokens."""

    url: str
    login: ClientLogin
    stored: list[SecretValue] = field(default_factory=list)

    def grant(self, *, url: str = "", secret: str = "", scope: str = "read") -> ServerLogin:
        login = self.login if not secret else ClientLogin(client_id="x", client_secret=SecretText(secret))
        return ServerLogin(server=OAuthClient(url or self.url), login=lambda: login, scope=scope)

    def issuer(
        self,
        grant: ServerLogin | None = None,
        exchange: ServerLogin | None = None,
        *,
        lifetime: timedelta = _LIFE,
        clock: Callable[[], datetime] = _now,
    ) -> OAuthAccessTokenIssuer:
        return OAuthAccessTokenIssuer(
            grant or self.grant(),
            exchange,
            FINGERPRINT,
            stored=lambda: list(self.stored),
            clock=clock,
            lifetime=lifetime,
        )

    def verify(self, value: SecretValue) -> VerificationResult:
        verifier = OAuthAccessTokenVerifier(self.url, lambda: self.login, clock=_now)
        return verifier.verify(OAuthAccessTokenCheck(), value, deadline=LONG, via=None)

    def active(self, token: str) -> bool:
        return str(self.verify({"access_token": SecretText(token)}).status) == "valid"

    def driven(self, issuer: OAuthAccessTokenIssuer, verify: Callable[[SecretValue], VerificationResult]) -> Driven:
        """Under the driver; the issuer reads the driver's store."""
        driven = Driven(issuer=issuer, principal="client", verify=verify)

        def stored() -> list[SecretValue]:
            state = driven.store.describe(driven.ref)
            found = [state.current, state.previous, state.retiring, *state.pending]
            return [driven.store.read(driven.ref, item.version).value for item in found if item is not None]

        issuer._stored = stored
        return driven


@pytest.fixture
def client(oidc_provider: OidcProvider) -> Client:
    metadata = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "read"}
    headers = {"Authorization": f"Bearer {oidc_provider.initial_access_token}"}
    with httpx.Client(trust_env=False) as http:
        made = http.post(f"{oidc_provider.issuer}/reg", json=metadata, headers=headers).raise_for_status().json()
    login = ClientLogin(client_id=made["client_id"], client_secret=SecretText(made["client_secret"]))
    return Client(url=oidc_provider.issuer, login=login)


@dataclass(frozen=True, kw_only=True)
class TokenBench(IssuerBench):
    """Keeps what it mints, as the driver does."""

    client: Client

    def driven(self) -> Driven:
        assert isinstance(self.issuer, OAuthAccessTokenIssuer)
        return self.client.driven(self.issuer, self.client.verify)

    def mint(self, marker: str = MARKER, previous: SecretValue | None = None) -> Minted:
        minted = super().mint(marker, previous)
        self.client.stored.append(minted.value)
        return minted


class TestOnOidcProvider(IssuerContract):
    """Client credentials at a certified provider, which introspects and revokes."""

    @pytest.fixture
    def bench(self, client: Client) -> TokenBench:
        closed = f"http://127.0.0.1:{free_port()}"
        return TokenBench(
            issuer=client.issuer(),
            principal="client",
            works=lambda value: str(client.verify(value).status) == "valid",
            unreachable=client.issuer(client.grant(url=closed)),
            refused=client.issuer(client.grant(secret="wrong-login")),
            client=client,
        )


def test_token_carries_its_end_and_nothing_else(client: Client) -> None:
    before = _now()
    minted = client.issuer().mint("client", MARKER, None)
    assert minted.value.keys() == {"access_token", "expires"}
    assert minted.credential.expires is not None
    assert timedelta(seconds=-1) <= minted.credential.expires - (before + _LIFE) <= timedelta(minutes=1)


def test_two_thirds_of_the_life_decide_when_it_is_replaced() -> None:
    settings = OAuthAccessTokenSettings(issuer="https://idp.example", client="svc", lifetime=timedelta(minutes=15))
    assert settings.refresh_after == timedelta(minutes=10)


def test_server_that_gives_less_than_declared_is_refused_with_the_number(client: Client) -> None:
    with pytest.raises(RemoteServiceError, match="600 seconds") as caught:
        client.issuer(lifetime=timedelta(hours=1)).mint("client", MARKER, None)
    assert caught.value.remedy == "set `lifetime: 600s`"
    assert not caught.value.retryable


def test_lapsed_token_is_not_listed_and_needs_no_end(client: Client) -> None:
    issuer = client.issuer(clock=lambda: _now() + timedelta(hours=1))
    value = client.issuer().mint("client", MARKER, None).value
    client.stored.append(value)
    assert issuer.list("client").ids() == frozenset()
    with pytest.raises(NotFoundError):
        issuer.revoke("client", issuer.identify(value))


def test_token_that_somebody_revoked_is_not_listed(client: Client) -> None:
    value = client.issuer().mint("client", MARKER, None).value
    client.stored.append(value)
    client.issuer().revoke("client", client.issuer().identify(value))
    assert client.issuer().list("client").ids() == frozenset(), "by the server's word, in another process"
    assert client.verify(value).reason is Reason.WRONG_VALUE


def test_issue_refresh_and_retire_under_the_driver(client: Client) -> None:
    rotates_and_retires(client.driven(client.issuer(), client.verify))


def test_lost_answer_ends_with_one_token_in_use(client: Client) -> None:
    survives_a_lost_answer(client.driven(client.issuer(), client.verify), "mint")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("503 Service Unavailable", "{}", AmbiguousEffectError),
        ("429 Too Many Requests", "{}", RemoteServiceError),
        ("401 Unauthorized", '{"error": "invalid_client"}', AuthenticationError),
        ("400 Bad Request", '{"error": "invalid_scope"}', RemoteServiceError),
        ("200 OK", "not json", RemoteServiceError),
        ("200 OK", '{"access_token": "t", "token_type": "DPoP", "expires_in": 900}', RemoteServiceError),
        ("200 OK", '{"token_type": "Bearer", "expires_in": 900}', RemoteServiceError),
    ],
)
def test_answers_that_hold_no_usable_token(
    client: Client, monkeypatch: pytest.MonkeyPatch, status: str, body: str, error: type[Exception]
) -> None:
    endpoints = OAuthClient(client.url).discover()
    with raw_server(page(status, body, "application/json")) as odd:
        grant = client.grant()
        monkeypatch.setattr(grant.server, "discover", lambda: type(endpoints)(issuer=client.url, token=f"{odd}/token"))
        with pytest.raises(error):
            client.issuer(grant).mint("client", MARKER, None)


# -- RFC 8693


@pytest.fixture
def exchange(client: Client) -> Iterator[ExchangeDouble]:
    double = ExchangeDouble(live=client.active)
    with http_double(double) as url:
        double.url = url
        yield double


def _at(double: ExchangeDouble, **asked: str) -> ServerLogin:
    return ServerLogin(server=OAuthClient(double.url), login=None, **asked)


def test_exchange_sends_what_datarobot_documents_and_keeps_what_it_gives(
    client: Client, exchange: ExchangeDouble
) -> None:
    value = client.issuer(exchange=_at(exchange)).mint("client", MARKER, None).value
    (form,) = exchange.asked
    assert form.keys() == {"grant_type", "subject_token", "subject_token_type"}
    assert value["access_token"].get_secret_value() in exchange.given
    assert client.active(form["subject_token"]), "the subject token is the provider's own"


def _usable(double: ExchangeDouble) -> Callable[[SecretValue], VerificationResult]:
    verifier = GenericHttpsVerifier(f"{double.url}/use", clock=_now)
    target = GenericHttpsSettings(url=f"{double.url}/use")
    return lambda value: verifier.verify(target, value, deadline=LONG, via=None)


def test_exchanged_token_is_kept_fresh_and_the_old_one_waited_for(client: Client, exchange: ExchangeDouble) -> None:
    issuer = client.issuer(exchange=_at(exchange), lifetime=timedelta(minutes=15))
    driven = client.driven(issuer, _usable(exchange))
    issuer._clock = driven.clock.now
    policy = RotationPolicy(period=timedelta(minutes=10), minimum=timedelta(minutes=5))  # as bootstrap makes it
    driven.context = replace(driven.context, policy=policy)
    first = driven.rotated()
    assert rotate(driven.context, wait=True).standing is Standing.NOT_DUE
    driven.clock.sleep(policy.period)
    refreshed = rotate(driven.context, wait=True)
    assert (refreshed.state, refreshed.outcome) == (State.CLOSED, Outcome.DONE), refreshed
    second = driven.current()
    assert driven.works(second)
    assert driven.ids() == {issuer.identify(second)}
    assert datetime.fromisoformat(first["expires"].get_secret_value()) <= driven.clock.now(), "waited for, not failed"


def test_token_that_nobody_can_end_says_until_when_it_lives(client: Client, exchange: ExchangeDouble) -> None:
    issuer = client.issuer(exchange=_at(exchange))
    value = issuer.mint("client", MARKER, None).value
    client.stored.append(value)
    with pytest.raises(RemoteServiceError, match="ends no tokens") as caught:
        issuer.revoke("client", issuer.identify(value))
    assert caught.value.retryable
    assert caught.value.retry_after is not None
    assert timedelta(minutes=14) < caught.value.retry_after <= timedelta(minutes=15)


def test_unknown_audience_is_invalid_target(client: Client, exchange: ExchangeDouble) -> None:
    exchange.audiences = ("https://app.datarobot.com",)
    issuer = client.issuer(exchange=_at(exchange, audience="https://other.example"))
    with pytest.raises(RemoteServiceError, match="exchange_audience"):
        issuer.mint("client", MARKER, None)
    right = client.issuer(exchange=_at(exchange, audience="https://app.datarobot.com"))
    assert right.mint("client", MARKER, None).value["access_token"].get_secret_value() in exchange.given


def test_expired_subject_token_is_told_and_the_next_run_brings_a_fresh_one(
    client: Client, exchange: ExchangeDouble
) -> None:
    asks_the_provider, exchange.live = exchange.live, lambda _token: False
    issuer = client.issuer(exchange=_at(exchange))
    with pytest.raises(RemoteServiceError, match="subject token") as caught:
        issuer.mint("client", MARKER, None)
    assert exchange.asked[0]["subject_token"] not in f"{caught.value!r} {caught.value.remedy}"
    exchange.live = asks_the_provider
    issuer.mint("client", MARKER, None)
    assert exchange.asked[0]["subject_token"] != exchange.asked[1]["subject_token"]


def test_wrong_type_of_subject_token_is_told(client: Client, exchange: ExchangeDouble) -> None:
    exchange.subject_type = "jwt"
    issuer = client.issuer(exchange=_at(exchange))
    with pytest.raises(RemoteServiceError, match="of another type"):
        issuer.mint("client", MARKER, None)
    issuer._subject_type = "jwt"
    assert issuer.mint("client", MARKER, None).value


@pytest.mark.parametrize(
    "answers",
    [{"issued_type": f"{TYPES}refresh_token"}, {"issued_type": ""}, {"token_type": "N_A"}, {"life": 60}],
)
def test_what_is_no_access_token_of_that_life_is_refused(
    client: Client, exchange: ExchangeDouble, answers: dict[str, str]
) -> None:
    for name, answer in answers.items():
        setattr(exchange, name, answer)
    with pytest.raises(RemoteServiceError):
        client.issuer(exchange=_at(exchange)).mint("client", MARKER, None)


def test_server_that_does_not_say_the_life_is_taken_by_the_spec(client: Client, exchange: ExchangeDouble) -> None:
    exchange.life = None
    expires = client.issuer(exchange=_at(exchange)).mint("client", MARKER, None).credential.expires
    assert expires is not None
    assert timedelta(minutes=9) < expires - _now() <= _LIFE


def test_refused_exchange_makes_nothing_current(client: Client, exchange: ExchangeDouble) -> None:
    exchange.audiences = ("https://app.datarobot.com",)
    driven = client.driven(client.issuer(exchange=_at(exchange)), _usable(exchange))
    outcome = driven.rotate()
    assert (outcome.state, outcome.outcome) == (State.CLOSED, Outcome.FAILED)
    with pytest.raises(NotFoundError):
        driven.store.read(driven.ref, VersionStage.CURRENT)


def test_closed_exchange_is_unreachable(client: Client) -> None:
    closed = ServerLogin(server=OAuthClient(f"http://127.0.0.1:{free_port()}"), login=None)
    with pytest.raises(UnreachableError):
        client.issuer(exchange=closed).mint("client", MARKER, None)


# -- servers that end nothing, or say nothing


@pytest.mark.parametrize("refusal", [{"error": "unsupported_token_type"}, {"error": "invalid_client"}])
def test_refused_revocation(client: Client, refusal: dict[str, str]) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/revoke":
            return Reply(status=400, body=json.dumps(refusal).encode())
        return Reply(status=403)

    issuer = client.issuer()
    value = issuer.mint("client", MARKER, None).value
    client.stored.append(value)
    endpoints = OAuthClient(client.url).discover()
    with http_double(answer) as odd, pytest.MonkeyPatch.context() as patch:
        changed = type(endpoints)(
            issuer=client.url, token=endpoints.token, introspection=f"{odd}/introspect", revocation=f"{odd}/revoke"
        )
        patch.setattr(issuer._home.server, "discover", lambda: changed)
        assert issuer.list("client").ids() == {issuer.identify(value)}, "not allowed to introspect is no evidence"
        wanted = RemoteServiceError if refusal["error"] == "unsupported_token_type" else AuthenticationError
        with pytest.raises(wanted):
            issuer.revoke("client", issuer.identify(value))


def test_nothing_is_claimed_that_the_server_does_not_tell(client: Client) -> None:
    issuer = client.issuer()
    assert issuer.last_used("client", CredentialId("x")) is NotReported.UNKNOWN
    assert issuer.read_back("client") is NotReported.UNKNOWN


def test_verifier_tells_lapsed_from_revoked(client: Client) -> None:
    over = (_now() - timedelta(minutes=1)).isoformat()
    assert client.verify(secret_value({"access_token": "gone", "expires": over})).reason is Reason.EXPIRED
    assert client.verify(secret_value({"access_token": "gone"})).reason is Reason.WRONG_VALUE
    assert client.verify(secret_value({"expires": over})).reason is Reason.NOT_CONFIGURED
