"""Against a double that verifies the assertion's signature, audience and times, as Google does."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lifecycle.connectors.pubsub_spooler import _CODES, LOGIN, PubSubSpoolerSettings, PubSubSpoolerVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double

PUBLISH, CONSUME = "pubsub.topics.publish", "pubsub.subscriptions.consume"
EMAIL = "spool@acme-prod.iam.gserviceaccount.com"
KEY, OTHER = (generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
JSON = {"Content-Type": "application/json; charset=UTF-8"}


def _pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _json(status: int, body: object) -> Reply:
    return Reply(status=status, body=json.dumps(body).encode(), headers=JSON)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _token(request: Request) -> Reply:
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    head, claims, signature = form["assertion"].split(".")
    try:
        KEY.public_key().verify(_decoded(signature), f"{head}.{claims}".encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    said = json.loads(_decoded(claims))
    if said["iss"] != EMAIL or not str(said["aud"]).endswith("/token"):
        return _json(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
    if abs(said["iat"] - NOW.timestamp()) > 300 or said["exp"] - said["iat"] > 3600:
        words = "Invalid JWT: Token must be a short-lived token (60 minutes)"
        return _json(400, {"error": "invalid_grant", "error_description": words})
    return _json(200, {"access_token": "ya29.token", "expires_in": 3599, "token_type": "Bearer"})


def _answer(request: Request) -> Reply:
    if request.path == "/token":
        return _token(request)
    if request.headers.get("Authorization") != "Bearer ya29.token":
        return _json(401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "no"}})
    held = {
        "/v1/projects/acme-prod/topics/spool:testIamPermissions": [PUBLISH],
        "/v1/projects/acme-prod/subscriptions/spool:testIamPermissions": [CONSUME],
    }.get(request.path, [])
    asked = json.loads(request.body)["permissions"]
    granted = [right for right in asked if right in held]
    return _json(200, {"permissions": granted} if granted else {})


def _make(url: str) -> PubSubSpoolerVerifier:
    return PubSubSpoolerVerifier(url, token_url=f"{url}/token", clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """The suite, and what Pub/Sub adds."""

    @pytest.fixture
    def bench(self) -> Iterator[ConnectorBench]:
        with http_double(_answer) as url:
            valid = {"client_email": EMAIL, "private_key": _pem(KEY), "private_key_id": "k1"}
            yield ConnectorBench(
                make=_make,
                url=url,
                target=PubSubSpoolerSettings(project="acme-prod", topic="spool", subscription="spool"),
                valid=secret_value(valid),
                invalid=secret_value({**valid, "private_key": _pem(OTHER)}),
                proves=(LOGIN, PUBLISH, CONSUME),
            )

    def test_missing_right_or_absent_topic_is_told(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=PubSubSpoolerSettings(project="acme-prod", topic="other"))
        assert (result.reason, result.proved) == (Reason.NO_PERMISSION, (LOGIN,))
        assert result.detail == f"{PUBLISH} on projects/acme-prod/topics/other, or it is absent"

    def test_deleted_account_is_invalid(self, bench: ConnectorBench) -> None:
        value = {**bench.valid, "client_email": SecretText("gone@acme-prod.iam.gserviceaccount.com")}
        assert bench.verify(value).reason is Reason.WRONG_VALUE

    def test_value_that_is_no_key_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED
        broken = {**bench.valid, "private_key": SecretText("not a key")}
        assert bench.verify(broken).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("status", "error", "description", "reason"),
    [
        (400, "invalid_grant", "Invalid JWT Signature.", Reason.WRONG_VALUE),
        (400, "invalid_grant", "Invalid grant: account not found", Reason.WRONG_VALUE),
        (400, "invalid_grant", "Token must be a short-lived token", Reason.CLOCK_SKEW),
        (401, "deleted_client", "The OAuth client was deleted.", Reason.REVOKED),
        (400, "invalid_grant", "reworded", Reason.AMBIGUOUS),
        (401, "invalid_client", "", Reason.WRONG_VALUE),
        (503, "invalid_grant", "Invalid JWT Signature.", Reason.SERVICE_FAULT),
    ],
)
def test_answers_of_the_token_endpoint(status: int, error: str, description: str, reason: Reason) -> None:
    with http_double(lambda _request: _json(status, {"error": error, "error_description": description})) as url:
        assert _verify(url) is reason


@pytest.mark.parametrize(
    ("status", "detail", "code", "reason"),
    [
        (401, "", "UNAUTHENTICATED", Reason.WRONG_VALUE),
        (401, "ACCESS_TOKEN_EXPIRED", "UNAUTHENTICATED", Reason.EXPIRED),
        (403, "", "PERMISSION_DENIED", Reason.NO_PERMISSION),
        (403, "USER_PROJECT_DENIED", "PERMISSION_DENIED", Reason.NO_PERMISSION),
        (403, "SERVICE_DISABLED", "PERMISSION_DENIED", Reason.NOT_CONFIGURED),
        (403, "BILLING_DISABLED", "PERMISSION_DENIED", Reason.NOT_CONFIGURED),
        (403, "CONSUMER_INVALID", "PERMISSION_DENIED", Reason.WRONG_TENANT),
        (403, "API_KEY_IP_ADDRESS_BLOCKED", "PERMISSION_DENIED", Reason.NETWORK_POLICY),
        (429, "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", Reason.THROTTLED),
        (429, "RESOURCE_QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED", Reason.THROTTLED),
        (400, "", "FAILED_PRECONDITION", Reason.NOT_CONFIGURED),
        (400, "", "UNHEARD_OF", Reason.AMBIGUOUS),
        (500, "", "UNAUTHENTICATED", Reason.SERVICE_FAULT),
    ],
)
def test_codes_of_the_api(status: int, detail: str, code: str, reason: Reason) -> None:
    error = {"code": status, "status": code, "message": "no", "details": [{"reason": detail}] if detail else []}
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return _token(request) if request.path == "/token" else _json(status, {"error": error})

    with http_double(answer) as url:
        assert _verify(url) is reason
    # A refused token is fetched once more before the key is judged by it.
    assert asked.count("/token") == (2 if reason in (Reason.WRONG_VALUE, Reason.EXPIRED) else 1)


def test_what_a_message_could_be_billed_for_never_invalidates() -> None:
    invalid = {code for code, reason in _CODES.items() if reason in (Reason.WRONG_VALUE, Reason.EXPIRED)}
    assert invalid == {"UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"}


def test_a_topic_or_a_subscription_is_needed() -> None:
    with pytest.raises(ValueError, match="name a topic"):
        PubSubSpoolerSettings(project="acme-prod")


def _verify(url: str) -> Reason:
    bench = ConnectorBench(
        make=_make,
        url=url,
        target=PubSubSpoolerSettings(project="acme-prod", topic="spool"),
        valid=secret_value({"client_email": EMAIL, "private_key": _pem(KEY)}),
        invalid={},
        proves=(),
    )
    return bench.verify().reason
