"""The shim refuses before moto sees the request, in the words of each AWS protocol."""

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from werkzeug.test import Client

from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.strict_aws import StrictAws

DENIED = (
    b"<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>User: u is not</Message></Error></Errors>"
    b"</ErrorResponse>"
)


def moto(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Stands for moto: echoes what it was asked, or denies."""
    denied = "deny" in environ["PATH_INFO"]
    start_response("403 Forbidden" if denied else "200 OK", [("Content-Type", "text/plain")])
    return [DENIED if denied else environ.get("HTTP_X_MOTO_ACCOUNT_ID", "own account").encode()]


@pytest.fixture
def shim() -> Client:
    seeded = threading.Event()
    seeded.set()
    app = StrictAws(moto, is_inactive="AKIAOFF".__eq__, control_token=SecretText("token"), seeded=seeded)
    return Client(app)


def signed(service: str, key: str = "AKIAON", **headers: str) -> dict[str, str]:
    scope = f"{key}/20261124/eu-west-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00", **headers}


JSON = {"X-Amz-Target": "secretsmanager.GetSecretValue"}


@pytest.mark.parametrize(
    ("service", "headers", "status", "code"),
    [
        ("sts", {}, 403, "InvalidClientTokenId"),
        ("iam", {}, 403, "InvalidClientTokenId"),
        ("s3", {}, 403, "InvalidAccessKeyId"),
        ("ec2", {}, 401, "AuthFailure"),
        ("secretsmanager", JSON, 400, "UnrecognizedClientException"),
    ],
)
def test_inactive_key_is_refused_by_every_protocol(
    shim: Client, service: str, headers: dict[str, str], status: int, code: str
) -> None:
    off = shim.post("/", headers=signed(service, "AKIAOFF", **headers))
    assert (off.status_code, code in off.text) == (status, True)
    assert shim.post("/", headers=signed(service, **headers)).status_code == 200


@pytest.mark.parametrize("path", ["/bucket/key", "/bucket/key?X-Amz-Signature=00&X-Amz-Credential=AKIAON"])
def test_unsigned_and_presigned_requests_are_refused(shim: Client, path: str) -> None:
    answer = shim.get(path)
    assert (answer.status_code, "AccessDenied" in answer.text) == (403, True)


def test_unsigned_query_and_json_requests_name_the_missing_token(shim: Client) -> None:
    query = shim.post("/", data={"Action": "ListUsers"})
    assert (query.status_code, "MissingAuthenticationToken" in query.text) == (403, True)
    assert shim.post("/", headers=JSON).get_json(force=True)["__type"] == "MissingAuthenticationTokenException"


def test_no_caller_chooses_another_account(shim: Client) -> None:
    answer = shim.post("/", headers=signed("sts", **{"X-Moto-Account-Id": "999999999999"}))
    assert answer.text == "own account"


def test_motos_own_pages_need_the_control_token(shim: Client) -> None:
    assert shim.get("/moto-api/data.json").status_code == 403
    assert shim.get("/moto-api/data.json", headers=signed("s3")).status_code == 403
    assert shim.get("/moto-api/data.json", headers={"X-Control-Token": "token"}).status_code == 200


def test_denials_of_json_services_are_reworded_as_aws_words_them(shim: Client) -> None:
    answer = shim.post("/deny", headers=signed("secretsmanager", **JSON))
    assert answer.status_code == 400
    assert answer.get_json(force=True) == {"__type": "AccessDeniedException", "message": "User: u is not"}
    assert shim.post("/deny", headers=signed("sts")).data == DENIED
