from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from lifecycle.clients.oauth import OAuthClient
from lifecycle.clients.web import WebClient
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.domain.errors import AuthenticationError, ConfigurationError, LostRaceError
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationResult
from lifecycle.foundation.signed_jwt import Algorithm, generate_key, load_key, public_jwk, thumbprint
from lifecycle.issuers.oauth_private_key_jwt import RETIRED, OAuthPrivateKeyJwtIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import LONG, Driven, rotates_and_retires
from lifecycle.testing.setting_contract import SettingBench, SettingContract
from tests.servers.oidc import OidcProvider
from tests.servers.process import free_port


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


def _pair(kid: str) -> tuple[dict[str, str], SecretText]:
    key = generate_key("ES256")
    return {**public_jwk(load_key(key, of="test")), "kid": kid}, key


def _register(provider: OidcProvider, jwk: dict[str, str]) -> dict[str, Any]:
    metadata = {
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
        "scope": "read",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [jwk]},
    }
    headers = {"Authorization": f"Bearer {provider.initial_access_token}"}
    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{provider.issuer}/reg", json=metadata, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@dataclass(frozen=True, kw_only=True)
class KeyBench(SettingBench):
    """A fresh client.

    Attributes:
        kept: its registration access token.
        another: a second process's issuer.
    """

    kept: Kept
    another: Callable[[], OAuthPrivateKeyJwtIssuer]


def _verifier(url: str) -> Callable[[SecretValue], VerificationResult]:
    verifier = OAuthTokenVerifier(url, clock=lambda: datetime.now(UTC), method="private_key_jwt")
    return lambda value: verifier.verify(OAuthTokenSettings(introspect=True), value, deadline=LONG, via=None)


def _bench(provider: OidcProvider, jwk: dict[str, str], algorithm: Algorithm = "ES256") -> KeyBench:
    made, verify = _register(provider, jwk), _verifier(provider.issuer)
    first = {name: made[name] for name in ("registration_access_token", "registration_client_uri")}
    kept = Kept(secret_value(first))
    closed = f"http://127.0.0.1:{free_port()}"

    def issuer(url: str, place: Kept, uri: str = "") -> OAuthPrivateKeyJwtIssuer:
        client = OAuthClient(url, web=WebClient(timeout=timedelta(seconds=20)))
        return OAuthPrivateKeyJwtIssuer(
            client, place, client_id=made["client_id"], algorithm=algorithm, registration_client_uri=uri
        )

    mine = issuer(provider.issuer, kept)

    def occupy(slot: str) -> None:
        """Another administrator adds a key, and shares the registration access token that this gives."""
        foreign, _ = _pair(f"lifecycle-{slot}.theirs")
        client = OAuthClient(provider.issuer)
        token = kept.value["registration_access_token"]
        seen = client.read_registration(first["registration_client_uri"], token)
        metadata = {**seen.metadata, "jwks": {"keys": [*seen.metadata["jwks"]["keys"], foreign]}}
        updated = client.update_registration(replace(seen, metadata=metadata))
        kept.value = {**kept.value, "registration_access_token": updated.access_token}

    return KeyBench(
        issuer=mine,
        principal=made["client_id"],
        admin={},
        slots=("1", "2"),
        works=lambda value: str(verify(value).status) == "valid",
        occupy=occupy,
        unreachable=issuer(closed, kept, f"{closed}/reg/x"),
        refused=issuer(provider.issuer, Kept(secret_value({**first, "registration_access_token": "wrong-login"}))),
        refused_admin={},
        driven=Driven(issuer=mine, principal=made["client_id"], verify=verify),
        kept=kept,
        another=lambda: issuer(provider.issuer, kept),
    )


class TestOnOidcProvider(SettingContract):
    """Against a certified provider; the client is born with a key that nobody keeps."""

    @pytest.fixture(params=["ES256", "RS256"])
    def bench(self, oidc_provider: OidcProvider, request: pytest.FixtureRequest) -> SettingBench:
        return _bench(oidc_provider, _pair(f"{RETIRED}at-birth")[0], request.param)

    def test_driver_goes_on_after_a_retirement(self, bench: SettingBench) -> None:
        rotates_and_retires(bench.driven)
        value = bench.issuer.generate("1")
        bench.set("1", value)
        assert bench.works(value)

    def test_second_process_goes_on_with_the_kept_token(self, bench: KeyBench) -> None:
        value = bench.issuer.generate("1")
        bench.set("1", value)
        assert bench.another().list(bench.principal).ids() == {bench.issuer.identify(value)}

    def test_token_that_could_not_be_kept_is_kept_later(self, bench: KeyBench) -> None:
        bench.kept.failing = True
        value = bench.issuer.generate("1")
        bench.set("1", value)
        bench.kept.failing = False
        assert bench.issuer.list(bench.principal).ids() == {bench.issuer.identify(value)}
        assert bench.another().list(bench.principal).ids() == {bench.issuer.identify(value)}

    def test_lost_token_is_told_with_the_way_back(self, bench: KeyBench) -> None:
        before = bench.kept.value
        bench.set("1", bench.issuer.generate("1"))
        bench.kept.value = before
        with pytest.raises(AuthenticationError) as caught:
            bench.another().list(bench.principal)
        assert "registration access token" in caught.value.remedy

    def test_another_client_is_refused(self, bench: SettingBench) -> None:
        with pytest.raises(ConfigurationError, match="another client"):
            bench.issuer.list("somebody-else")


def test_key_of_somebody_else_survives_everything(oidc_provider: OidcProvider) -> None:
    jwk, key = _pair("theirs")
    bench = _bench(oidc_provider, jwk)
    rotates_and_retires(bench.driven, foreign=frozenset({"theirs"}))
    theirs = {"client_id": SecretText(bench.principal), "key_id": SecretText("theirs"), "private_key": key}
    assert bench.works(theirs)


def test_key_that_was_there_is_adopted_and_rotated_away(oidc_provider: OidcProvider) -> None:
    jwk, key = _pair("old")
    bench = _bench(oidc_provider, jwk)
    old = {"client_id": SecretText(bench.principal), "key_id": SecretText("old"), "private_key": key}
    bench.driven.store.put_current(old)
    assert adopt(bench.driven.context).standing is Standing.DONE
    current = bench.driven.rotated()
    assert bench.driven.ids() == {bench.issuer.identify(current)}
    assert not bench.works(old)


def test_audience_may_be_the_token_endpoint(oidc_provider: OidcProvider) -> None:
    jwk, key = _pair("one")
    bench = _bench(oidc_provider, jwk)
    value = {"client_id": SecretText(bench.principal), "key_id": SecretText("one"), "private_key": key}
    verifier = OAuthTokenVerifier(
        oidc_provider.issuer, clock=lambda: datetime.now(UTC), method="private_key_jwt", audience="token_endpoint"
    )
    # What this server makes of it is its own affair; it must have read the assertion.
    result = verifier.verify(OAuthTokenSettings(), value, deadline=LONG, via=None)
    assert result.reason in (Reason.WORKS, Reason.WRONG_VALUE)


def test_thumbprint_is_that_of_the_standard() -> None:
    # RFC 7638, section 3.1.
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
