"""The secret of an OAuth client at glewlwyd, the second implementation: a replaced secret dies at once (class D)."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from lifecycle.clients.oauth import ClientLogin, OAuthClient
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.domain.change_window import ALWAYS
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.secret import SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.oauth_client_secret import OAuthClientSecretIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import FINGERPRINT, LONG, Driven, lost_answer
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.servers.glewlwyd import Glewlwyd
from tests.servers.process import free_port


@dataclass
class Kept:
    """Where the registration access token and our notes lie."""

    value: SecretValue

    def load(self) -> SecretValue:
        return self.value

    def save(self, value: SecretValue) -> None:
        self.value = value


@dataclass(frozen=True, kw_only=True)
class Registered(IssuerBench):
    """A fresh client at the server."""

    kept: Kept
    first: SecretValue
    url: str

    def verify(self, value: SecretValue) -> VerificationResult:
        verifier = OAuthTokenVerifier(self.url, clock=lambda: datetime.now(UTC))
        return verifier.verify(OAuthTokenSettings(scope="read"), value, deadline=LONG, via=None)

    def driven(self) -> Driven:
        """Under the driver, the secret of the registration adopted."""
        driven = Driven(issuer=self.issuer, principal=self.principal, verify=self.verify, admin=self.kept.load)
        driven.store.put_current(self.first)
        driven.context = replace(driven.context, policy=replace(driven.context.policy, window=ALWAYS))
        assert adopt(driven.context).standing is Standing.DONE
        return driven


def _issuer(url: str, kept: Kept, *, uri: str = "") -> OAuthClientSecretIssuer:
    return OAuthClientSecretIssuer(
        OAuthClient(url),
        kept,
        FINGERPRINT,
        clock=lambda: datetime.now(UTC),
        readback=True,
        overlap=timedelta(),
        registration_client_uri=uri,
    )


def _works(url: str, value: SecretValue) -> bool:
    client = OAuthClient(url)
    login = ClientLogin(client_id=value["client_id"].get_secret_value(), client_secret=value["client_secret"])
    return client.request_token(client.discover(), login, scope="read").status == 200


@pytest.fixture
def bench(glewlwyd: Glewlwyd) -> Registered:
    made = glewlwyd.register()
    first = {name: made[name] for name in ("registration_access_token", "registration_client_uri")}
    closed = f"http://127.0.0.1:{free_port()}"
    kept = Kept(secret_value(first))
    return Registered(
        issuer=_issuer(glewlwyd.url, kept),
        principal=made["client_id"],
        works=partial(_works, glewlwyd.url),
        unreachable=_issuer(closed, kept, uri=f"{closed}/register/x"),
        refused=_issuer(glewlwyd.url, Kept(secret_value({**first, "registration_access_token": "wrong-login"}))),
        kept=kept,
        first=secret_value({"client_id": made["client_id"], "client_secret": made["client_secret"]}),
        url=glewlwyd.url,
    )


class TestOnGlewlwyd(IssuerContract):
    """The suite of every minting issuer, where a server keeps one secret."""

    def test_minted_credential_is_listed_and_works(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        assert bench.ids() == {minted.credential.id} == {bench.issuer.identify(minted.value)}
        assert bench.works(minted.value)

    def test_two_live_side_by_side(self, bench: IssuerBench) -> None:
        """They do not: the old one dies with the call, as class D says."""
        first = bench.mint()
        second = bench.mint("op-2", first.value)
        assert bench.issuer.traits.credential_class is CredentialClass.D
        assert bench.ids() == {second.credential.id}
        assert (bench.works(first.value), bench.works(second.value)) == (False, True)

    def test_revoked_credential_is_gone_and_refused(self, bench: IssuerBench) -> None:
        first = bench.mint()
        second = bench.mint("op-2", first.value)
        with pytest.raises(NotFoundError):
            bench.issuer.revoke(bench.principal, first.credential.id)
        assert bench.works(second.value)


def test_initial_secret_is_the_one_of_the_registration(bench: Registered) -> None:
    (initial,) = bench.issuer.list(bench.principal).credentials
    assert initial.id == bench.issuer.identify(bench.first)
    assert initial.marker == ""


def test_registration_survives_the_update(bench: Registered) -> None:
    minted = bench.mint()
    again = _issuer(bench.url, bench.kept)
    assert again.list(bench.principal).ids() == {minted.credential.id}
    assert bench.works(again.mint(bench.principal, MARKER, minted.value).value)


def test_secret_is_rotated_under_the_driver(bench: Registered) -> None:
    driven = bench.driven()
    second = driven.rotated()
    assert driven.works(second)
    assert not bench.works(bench.first), "a 403 without a code, which a verifier takes for no judgement of the secret"
    assert driven.ids() == {bench.issuer.identify(second)}
    assert rotate(driven.context, wait=True).standing is Standing.NOT_DUE


def test_lost_answer_is_read_back(bench: Registered) -> None:
    driven = bench.driven()
    with lost_answer(bench.issuer, "mint"):
        driven.rotate()
        outcome = resume(driven.context, wait=True)
    assert (outcome.state, outcome.outcome) == (State.CLOSED, Outcome.DONE), outcome
    assert driven.works(driven.current())
    assert driven.ids() == {bench.issuer.identify(driven.current())}
