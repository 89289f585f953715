"""Refresh tokens at a certified provider, which revokes the whole family when a used token is presented again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.clients.oauth import ClientLogin, OAuthClient
from lifecycle.connectors.oauth_refresh_token import OAuthRefreshTokenCheck, OAuthRefreshTokenVerifier
from lifecycle.domain.credential import Minted, NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    UnreachableError,
)
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.oauth_refresh_token import OAuthRefreshTokenIssuer, traits_of
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import FINGERPRINT, LONG, Driven, lost_answer
from tests.contract.odd_servers import closed_port, page, raw_server
from tests.servers.oidc import OidcProvider
from tests.servers.oidc_login import register_refresh_client

_DECLARED = timedelta(minutes=10)


@dataclass(kw_only=True)
class Grant:
    """One authorisation: a client and the newest token that a person obtained for it."""

    url: str
    login: ClientLogin
    first: SecretValue
    stored: list[SecretValue] = field(default_factory=list)

    def issuer(
        self, *, overlap: timedelta = timedelta(), url: str = "", login: ClientLogin | None = None
    ) -> OAuthRefreshTokenIssuer:
        return OAuthRefreshTokenIssuer(
            OAuthClient(url or self.url), lambda: login or self.login, FINGERPRINT, current=self.read, overlap=overlap
        )

    def read(self) -> SecretValue:
        if not self.stored:
            raise NotFoundError("nothing is stored", remedy="store it")
        return self.stored[-1]

    def verify(self, value: SecretValue) -> VerificationResult:
        verifier = OAuthRefreshTokenVerifier(self.url, lambda: self.login, clock=lambda: datetime.now(UTC))
        return verifier.verify(OAuthRefreshTokenCheck(), value, deadline=LONG, via=None)

    def alive(self, value: SecretValue) -> bool:
        return str(self.verify(value).status) == "valid"

    def driven(self, issuer: OAuthRefreshTokenIssuer) -> Driven:
        """Under the driver, the first token adopted; the issuer reads the same store."""
        driven = Driven(issuer=issuer, principal=self.login.client_id, verify=self.verify)
        issuer._current = lambda: driven.current()  # noqa: PLW0108 - the store is the driver's
        driven.store.put_current(self.first)
        assert adopt(driven.context).standing is Standing.DONE
        return driven


@pytest.fixture
def grant(oidc_provider: OidcProvider) -> Grant:
    client = register_refresh_client(oidc_provider)
    login = ClientLogin(client_id=client.id, client_secret=SecretText(client.secret))
    first = {"client_id": SecretText(client.id), "refresh_token": SecretText(client.refresh_token)}
    return Grant(url=oidc_provider.issuer, login=login, first=first, stored=[first])


def _fail_once(issuer: Any, monkeypatch: pytest.MonkeyPatch) -> list[SecretValue]:
    """The next exchange is lost on its way there; returns what is presented from then on."""
    mint, presented = issuer.mint, list[SecretValue]()

    def lose(principal: str, marker: str, previous: SecretValue) -> Minted:
        presented.append(previous)
        if len(presented) == 1:
            raise AmbiguousEffectError("the request was lost", remedy="read")
        minted: Minted = mint(principal, marker, previous)
        return minted

    monkeypatch.setattr(issuer, "mint", lose)
    return presented


def test_exchange_gives_the_next_token_and_ends_the_one_before(grant: Grant) -> None:
    issuer = grant.issuer()
    minted = issuer.mint(grant.login.client_id, "op-1", grant.first)
    assert issuer.identify(minted.value) == minted.credential.id
    assert grant.alive(minted.value)
    assert not grant.alive(grant.first)
    token = minted.value["refresh_token"].get_secret_value()
    assert token not in repr(minted)


def test_stored_token_is_listed_while_it_lives(grant: Grant) -> None:
    issuer, principal = grant.issuer(), grant.login.client_id
    assert issuer.list(principal).ids() == {issuer.identify(grant.first)}
    issuer.mint(principal, "op-1", grant.first)
    assert issuer.list(principal).ids() == frozenset()
    grant.stored.clear()
    assert issuer.list(principal).ids() == frozenset()


def test_used_token_is_refused_for_good(grant: Grant) -> None:
    issuer, principal = grant.issuer(), grant.login.client_id
    minted = issuer.mint(principal, "op-1", grant.first)
    with pytest.raises(RemoteServiceError, match="invalid_grant") as caught:
        issuer.mint(principal, "op-2", grant.first)
    assert not caught.value.retryable
    assert not grant.alive(minted.value), "the server takes it for theft and ends the family"


def test_revoked_token_is_gone(grant: Grant) -> None:
    issuer, principal = grant.issuer(), grant.login.client_id
    issuer.revoke(principal, issuer.identify(grant.first))
    assert issuer.list(principal).ids() == frozenset()
    assert not grant.alive(grant.first)
    with pytest.raises(NotFoundError):
        issuer.revoke(principal, issuer.identify(grant.first))


def test_nothing_is_claimed_that_the_server_does_not_tell(grant: Grant) -> None:
    issuer, principal = grant.issuer(), grant.login.client_id
    known = issuer.identify(grant.first)
    assert issuer.read_back(principal) is NotReported.UNKNOWN
    assert issuer.last_used(principal, known) is NotReported.UNKNOWN
    with pytest.raises(RemoteServiceError):
        issuer.set_enabled(principal, known, False)


def test_first_token_is_a_persons_affair(grant: Grant) -> None:
    with pytest.raises(ConfigurationError, match="no refresh token yet"):
        grant.issuer().mint(grant.login.client_id, "op-1", None)


def test_closed_port_is_unreachable_and_the_token_unused(grant: Grant) -> None:
    with pytest.raises(UnreachableError):
        grant.issuer(url=closed_port()).mint(grant.login.client_id, "op-1", grant.first)
    assert grant.alive(grant.first)


def test_refused_client_is_told_without_its_secret_and_the_token_lives(grant: Grant) -> None:
    wrong = ClientLogin(client_id=grant.login.client_id, client_secret=SecretText("wrong-login"))
    with pytest.raises(AuthenticationError) as caught:
        grant.issuer(login=wrong).mint(grant.login.client_id, "op-1", grant.first)
    assert "wrong-login" not in f"{caught.value!r} {caught.value.remedy}"
    assert grant.alive(grant.first)


def test_driver_rotates_and_retires(grant: Grant) -> None:
    driven = grant.driven(grant.issuer())
    values = [driven.rotated() for _ in range(2)]
    assert grant.alive(values[1])
    assert not grant.alive(values[0])
    assert driven.ids() == {driven.issuer.identify(values[1])}
    assert retire(driven.context, wait=True).standing is Standing.DONE
    assert not grant.alive(values[1])
    assert driven.ids() == frozenset()


def test_undeclared_server_is_never_asked_twice(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = grant.issuer()
    driven = grant.driven(issuer)
    presented = _fail_once(issuer, monkeypatch)
    driven.rotate()
    outcome = resume(driven.context, wait=True)
    assert outcome.state is State.QUARANTINED
    assert "authorise again" in outcome.remedy
    assert presented == [grant.first]
    assert grant.alive(grant.first), "nobody presented it: the family lives"


def test_lost_answer_of_an_undeclared_server_keeps_the_family(grant: Grant) -> None:
    issuer, fresh = grant.issuer(), list[Minted]()
    mint = issuer.mint

    def remember(*args: Any) -> Minted:
        fresh.append(mint(*args))
        return fresh[-1]

    driven = grant.driven(issuer)
    issuer.mint = remember  # type: ignore[method-assign, assignment]  # watches what the server gave
    with lost_answer(issuer, "mint"):
        assert driven.rotate().state is State.QUARANTINED
    assert resume(driven.context, wait=True).state is State.QUARANTINED
    assert [grant.alive(minted.value) for minted in fresh] == [True]


def test_declared_server_is_asked_once_more_with_the_same_token(grant: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = grant.issuer(overlap=_DECLARED)
    driven = grant.driven(issuer)
    presented = _fail_once(issuer, monkeypatch)
    driven.rotate()
    assert resume(driven.context, wait=True).state is State.CLOSED
    assert presented == [grant.first, grant.first]
    assert grant.alive(driven.current())


def test_wrong_declaration_ends_in_quarantine_not_in_a_third_try(grant: Grant) -> None:
    issuer = grant.issuer(overlap=_DECLARED)
    driven = grant.driven(issuer)
    with lost_answer(issuer, "mint"):
        driven.rotate()
        outcome = resume(driven.context, wait=True)
    assert outcome.state is State.QUARANTINED
    assert "authorise again" in outcome.remedy


@pytest.mark.parametrize(
    ("status", "error"),
    [("503 Service Unavailable", AmbiguousEffectError), ("429 Too Many Requests", RemoteServiceError)],
)
def test_token_endpoint_that_fails_may_have_used_the_token(
    grant: Grant, monkeypatch: pytest.MonkeyPatch, status: str, error: type[Exception]
) -> None:
    endpoints = OAuthClient(grant.url).discover()
    with raw_server(page(status, "{}", "application/json")) as odd:
        client = OAuthClient(grant.url)
        monkeypatch.setattr(client, "discover", lambda: type(endpoints)(issuer=grant.url, token=f"{odd}/token"))
        issuer = OAuthRefreshTokenIssuer(client, lambda: grant.login, FINGERPRINT, current=grant.read)
        with pytest.raises(error):
            issuer.mint(grant.login.client_id, "op-1", grant.first)


def test_fapi_declares_a_window() -> None:
    plain: Callable[..., Any] = traits_of
    assert plain(fapi2=False, overlap=timedelta()).overlap == timedelta()
    assert plain(fapi2=True, overlap=timedelta()).overlap > timedelta(minutes=2)
    assert plain(fapi2=True, overlap=timedelta(days=1)).overlap == timedelta(days=1)
