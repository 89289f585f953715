from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest

from lifecycle.clients.oauth import ClientLogin, OAuthClient
from lifecycle.clients.web import WebClient
from lifecycle.domain.credential import CredentialClass, NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LostRaceError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import SecretText, SecretValue, fingerprint, secret_value
from lifecycle.issuers.oauth_client_secret import OAuthClientSecretIssuer
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.contract.sandbox_server import Double, running_double
from tests.servers.oidc import OidcProvider
from tests.servers.process import free_port

_FINGERPRINT = partial(fingerprint, key=b"k" * 32, key_id="test")


@dataclass
class Kept:
    """A kept value that can fail to take a write."""

    value: SecretValue
    failing: bool = False

    def load(self) -> SecretValue:
        return self.value

    def save(self, value: SecretValue) -> None:
        if self.failing:
            raise LostRaceError("the store is away", remedy="wait")
        self.value = value


def _register(issuer: str, initial_access_token: str) -> dict[str, str]:
    metadata = {"grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "read"}
    headers = {"Authorization": f"Bearer {initial_access_token}"}
    with httpx.Client(trust_env=False) as client:
        discovery = client.get(f"{issuer}/.well-known/openid-configuration").json()
        answer = client.post(discovery["registration_endpoint"], json=metadata, headers=headers)
    assert answer.status_code == 201, answer.text
    registered: dict[str, str] = answer.json()
    return registered


@dataclass(frozen=True, kw_only=True)
class OAuthBench(IssuerBench):
    """A fresh client at a server."""

    kept: Kept
    issuer_url: str

    def another(self, *, readback: bool = True, overlap: timedelta = timedelta(hours=1)) -> OAuthClientSecretIssuer:
        """A second process's issuer for the same client, which may not end the initial secret."""
        return _issuer(self.issuer_url, self.kept, readback=readback, overlap=overlap, end_initial_secret=False)


def _issuer(
    url: str,
    kept: Kept,
    *,
    readback: bool = True,
    overlap: timedelta = timedelta(hours=1),
    end_initial_secret: bool = True,
    registration_client_uri: str = "",
) -> OAuthClientSecretIssuer:
    return OAuthClientSecretIssuer(
        OAuthClient(url, web=WebClient(timeout=timedelta(seconds=20))),
        kept,
        _FINGERPRINT,
        clock=lambda: datetime.now(UTC),
        readback=readback,
        overlap=overlap,
        end_initial_secret=end_initial_secret,
        registration_client_uri=registration_client_uri,
    )


def _bench(url: str, initial_access_token: str) -> OAuthBench:
    registered = _register(url, initial_access_token)
    client = OAuthClient(url)
    first = {name: registered[name] for name in ("registration_access_token", "registration_client_uri")}

    def works(value: SecretValue) -> bool:
        login = ClientLogin(client_id=value["client_id"].get_secret_value(), client_secret=value["client_secret"])
        return client.request_token(client.discover(), login).status == 200

    kept = Kept(secret_value(first))
    closed = f"http://127.0.0.1:{free_port()}"
    wrong = Kept(secret_value({**first, "registration_access_token": "wrong-login"}))
    return OAuthBench(
        issuer=_issuer(url, kept),
        principal=registered["client_id"],
        works=works,
        unreachable=_issuer(closed, kept, registration_client_uri=f"{closed}/reg/x"),
        refused=_issuer(url, wrong),
        kept=kept,
        issuer_url=url,
    )


class OAuthContract(IssuerContract):
    """What the management of a registration adds."""

    def test_initial_secret_is_listed_and_not_ours(self, bench: OAuthBench) -> None:
        (initial,) = bench.issuer.list(bench.principal).credentials
        assert initial.marker == ""
        bench.mint()
        listed = bench.issuer.list(bench.principal).find(initial.id)
        assert listed is not None
        assert listed.expires is not None
        assert listed.marker == ""

    def test_initial_secret_blocks_a_second_mint_unless_declared(self, bench: OAuthBench) -> None:
        minted = bench.mint()
        with pytest.raises(SlotOccupiedError):
            bench.another().mint(bench.principal, MARKER, minted.value)
        assert bench.works(minted.value)

    def test_third_mint_would_end_a_secret_in_use_and_is_refused(self, bench: OAuthBench) -> None:
        first = bench.mint()
        second = bench.mint("op-2", first.value)
        with pytest.raises(SlotOccupiedError):
            bench.mint("op-3", second.value)
        assert bench.works(first.value)
        assert bench.works(second.value)

    def test_current_secret_is_not_revoked_while_the_one_before_lives(self, bench: OAuthBench) -> None:
        first = bench.mint()
        second = bench.mint("op-2", first.value)
        with pytest.raises(RemoteServiceError, match="cannot be revoked"):
            bench.issuer.revoke(bench.principal, second.credential.id)
        assert bench.works(first.value)
        assert bench.works(second.value)

    def test_notes_survive_a_restart_of_the_tool(self, bench: OAuthBench) -> None:
        first = bench.mint()
        second = bench.mint("op-2", first.value)
        listed = bench.another().list(bench.principal)
        assert listed.ids() == {first.credential.id, second.credential.id}
        bench.another().revoke(bench.principal, first.credential.id)
        assert not bench.works(first.value)

    def test_a_store_that_fails_after_the_update_does_not_lose_the_secret(self, bench: OAuthBench) -> None:
        bench.mint()
        notes = bench.kept.value
        bench.kept.failing = True
        with pytest.raises(LostRaceError):
            bench.mint("op-2")
        assert bench.kept.value == notes, "refused before the update"

    def test_notes_that_could_not_be_kept_are_kept_later(self, bench: OAuthBench) -> None:
        class Once(Kept):
            """Takes the first write, refuses the second, takes the rest."""

            writes = 0

            def save(self, value: SecretValue) -> None:
                self.writes += 1
                self.failing = self.writes == 2
                super().save(value)

        kept = Once(bench.kept.value)
        issuer = _issuer(bench.issuer_url, kept)
        minted = issuer.mint(bench.principal, MARKER, None)
        assert bench.works(minted.value)
        assert issuer.list(bench.principal).find(minted.credential.id) is not None
        assert _issuer(bench.issuer_url, kept).list(bench.principal).find(minted.credential.id) is not None

    def test_without_overlap_it_is_class_d(self, bench: OAuthBench) -> None:
        traits = bench.another(overlap=timedelta()).traits
        assert (traits.credential_class, traits.slots) == (CredentialClass.D, 1)

    def test_without_readback_nothing_is_read_back(self, bench: OAuthBench) -> None:
        issuer = bench.another(readback=False)
        assert issuer.read_back(bench.principal) is NotReported.UNKNOWN
        assert not issuer.traits.stamp

    def test_another_client_is_refused(self, bench: OAuthBench) -> None:
        with pytest.raises(ConfigurationError, match="another client"):
            bench.issuer.list("somebody-else")


class TestOnOidcProvider(OAuthContract):
    """Against a certified provider with the two-secret policy."""

    @pytest.fixture
    def bench(self, oidc_provider: OidcProvider) -> OAuthBench:
        return _bench(oidc_provider.issuer, oidc_provider.initial_access_token)


class TestOnDouble(OAuthContract):
    """Against the sandbox's double."""

    @pytest.fixture
    def bench(self, double: Double) -> OAuthBench:
        return _bench(double.url, double.bootstrap.oauth.initial_access_token.get_secret_value())

    def test_lost_answer_of_an_update_is_ambiguous_then_refused(self, bench: OAuthBench, double: Double) -> None:
        first = bench.mint()
        double.fault(method="PUT", path="/reg/*", when="after", reset=True)
        with pytest.raises(AmbiguousEffectError):
            bench.mint("op-2", first.value)
        with pytest.raises(AuthenticationError) as caught:
            bench.issuer.list(bench.principal)
        assert "registration access token" in caught.value.remedy
        assert bench.works(first.value), "the old secret lives through the overlap"

    def test_update_that_never_arrived_leaves_everything_as_it_was(self, bench: OAuthBench, double: Double) -> None:
        first = bench.mint()
        double.fault(method="PUT", path="/reg/*", reset=True)
        with pytest.raises(AmbiguousEffectError):
            bench.mint("op-2", first.value)
        listed = bench.issuer.list(bench.principal)
        assert first.credential.id in listed.ids()
        assert all(item.marker != "op-2" for item in listed.credentials)
        again = bench.issuer.mint(bench.principal, "op-2", first.value)
        assert bench.works(again.value)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("oauth", tmp_path_factory.mktemp("oauth")) as double:
        yield double


@pytest.fixture
def double(running: Double) -> Iterator[Double]:
    yield running
    running.clear_faults()


def test_wrong_secret_is_refused_by_the_double(double: Double) -> None:
    client = OAuthClient(double.url)
    login = ClientLogin(client_id="lifecycle-pipeline", client_secret=SecretText("wrong"))
    assert client.request_token(client.discover(), login).status == 401
