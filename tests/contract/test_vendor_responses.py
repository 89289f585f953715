"""Every labelled answer of a vendor gets the label's reason; the accuracy is printed (`-s` shows it)."""

import errno
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lifecycle.bootstrap.surroundings import utc_now
from lifecycle.clients import postgres as postgres_client
from lifecycle.clients.transport import transport_reason
from lifecycle.clients.vault import AppRoleLogin, TokenLogin, VaultClient
from lifecycle.connectors import azure_blob, databricks_sql, entra_codes, kafka_spooler, oauth_token, snowflake_codes
from lifecycle.connectors.aws_codes import CODES as AWS_CODES
from lifecycle.connectors.aws_codes import aws_reason
from lifecycle.connectors.azure_blob import AzureBlobSettings, AzureBlobVerifier
from lifecycle.connectors.databricks_sql import DatabricksSqlSettings, DatabricksSqlVerifier
from lifecycle.connectors.datarobot import DataRobotSettings, DataRobotVerifier
from lifecycle.connectors.datarobot_prediction_server import PredictionServerSettings, PredictionServerVerifier
from lifecycle.connectors.github import GitHubSettings, GitHubVerifier
from lifecycle.connectors.jenkins import JenkinsSettings, JenkinsVerifier
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.connectors.prometheus import PrometheusSettings, PrometheusVerifier
from lifecycle.connectors.snowflake import SnowflakeSettings, SnowflakeVerifier
from lifecycle.connectors.vault import VaultCheckSettings, VaultVerifier
from lifecycle.connectors.web_proxy import WebProxySettings, WebProxyVerifier
from lifecycle.domain.ports import ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Reason, outcome
from tests.contract import vendor_responses as labels
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import raw_server
from tests.contract.vendor_responses import Response

_LONG = timedelta(seconds=20)
_JSON = {"Content-Type": "application/json"}
_KEY = generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _ask(verifier: ConnectorVerifier, target: Any, **fields: str) -> Reason:
    value: SecretValue = secret_value(fields)
    return verifier.verify(target, value, deadline=_LONG, via=None).reason


@contextmanager
def _answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    with http_double(lambda _request: Reply(status=status, body=body, headers=headers)) as url:
        yield url


def _header(response: Response) -> dict[str, str]:
    name, _, text = response.code.partition(":")
    return {name: text} if text else {}


def _aws(response: Response) -> Reason:
    answer: Any = {
        "Error": {"Code": response.code, "Message": response.text},
        "ResponseMetadata": {"HTTPStatusCode": response.status},
    }
    return aws_reason(ClientError(answer, "Do"))


def _entra(response: Response) -> Reason:
    return entra_codes.entra_reason(f"AADSTS90100: outer. AADSTS{response.code}: text. Trace ID: x")


def _snowflake(response: Response) -> Reason:
    body = json.dumps({"code": response.code, "message": response.text} if response.code else {}).encode()
    with _answering(response.status, body, **_JSON, Date=formatdate(usegmt=True)) as url:
        verifier = SnowflakeVerifier(clock=utc_now)
        return _ask(verifier, SnowflakeSettings(endpoint=url), account="acme", user="SVC", private_key=_PEM)


def _azure(response: Response) -> Reason:
    body = (
        f"<?xml version='1.0' encoding='utf-8'?><Error><Code>{response.code}</Code><Message>refused</Message>"
        f"<AuthenticationErrorDetail>{response.text}</AuthenticationErrorDetail></Error>"
    ).encode()
    headers = {"x-ms-error-code": response.code, "x-ms-request-id": "1", "Content-Type": "application/xml"}
    if not response.code:
        body, headers = b"<html>blocked</html>", {"Content-Type": "text/html"}
    with _answering(response.status, body, **headers) as url:
        target = AzureBlobSettings(account="acme", container="features", url=url)
        return _ask(AzureBlobVerifier(url, clock=utc_now), target, account_key="a2V5")


def _oauth(response: Response) -> Reason:
    base: list[str] = []
    error = {"error": response.code, "error_description": response.text} if response.code else {}

    def answer(request: Request) -> Reply:
        if request.method == "GET":
            document = {"issuer": base[0], "token_endpoint": f"{base[0]}/token"}
            return Reply(body=json.dumps(document).encode(), headers=_JSON)
        return Reply(status=response.status, body=json.dumps(error).encode(), headers=_JSON)

    with http_double(answer) as url:
        base.append(url)
        verifier = OAuthTokenVerifier(url, clock=utc_now)
        return _ask(verifier, OAuthTokenSettings(), client_id="svc", client_secret="wrong")


def _datarobot(response: Response) -> Reason:
    with _answering(response.status, json.dumps({"message": response.text}).encode(), **_JSON) as url:
        return _ask(DataRobotVerifier(url, api_version="2.49", clock=utc_now), DataRobotSettings(), api_token="x")


def _github(response: Response) -> Reason:
    body = json.dumps({"message": response.text}).encode()
    with _answering(response.status, body, **_JSON, **_header(response)) as url:
        return _ask(GitHubVerifier(url, clock=utc_now), GitHubSettings(), token="x")


def _jenkins(response: Response) -> Reason:
    with _answering(response.status, response.text.encode(), **_header(response)) as url:
        return _ask(JenkinsVerifier(url, clock=utc_now), JenkinsSettings(url=url), username="svc", api_token="x")


def _vault(response: Response) -> Reason:
    body = json.dumps({"errors": response.text.split(";")}).encode()
    with _answering(response.status, body, **_JSON) as url:
        by_role = AppRoleLogin(role_id="role", secret_id=SecretText("wrong"), mount="approle")
        login = by_role if response.code == "approle" else TokenLogin(token=SecretText("wrong"))
        verifier = VaultVerifier(VaultClient(url, login), mount="kv", prefix="acme", clock=utc_now)
        return _ask(verifier, VaultCheckSettings())


def _prometheus(response: Response) -> Reason:
    with _answering(response.status, response.text.encode(), **_header(response)) as url:
        return _ask(PrometheusVerifier(url, clock=utc_now), PrometheusSettings(url=url), token="x")


def _proxy(response: Response) -> Reason:
    headers = "".join(f"{name}: {text}\r\n" for name, text in _header(response).items())
    head = f"HTTP/1.1 {response.status} x\r\n{headers}Content-Length: {len(response.text)}\r\n\r\n"
    with raw_server(f"{head}{response.text}".encode()) as url:
        return _ask(WebProxyVerifier(clock=utc_now), WebProxySettings(passes=("target.example:443",), proxy=url))


def _kafka(response: Response) -> Reason:
    return kafka_spooler.kafka_reason(int(response.code), response.text)


def _postgres(response: Response) -> Reason:
    return postgres_client.reason_of(response.code, response.text, connected=bool(response.status))


def _databricks(response: Response) -> Reason:
    body = json.dumps({"error_code": response.code, "message": response.text} if response.code else {}).encode()
    with _answering(response.status, body, **_JSON) as url:
        return _ask(DatabricksSqlVerifier(url, clock=utc_now), DatabricksSqlSettings(url=url), token="x")


def _prediction_server(response: Response) -> Reason:
    """The answers of the API are good: it is the prediction server that refuses."""
    features = {"data": [{"name": "f", "featureType": "Text"}], "next": None}

    def answer(request: Request) -> Reply:
        if request.path.startswith("/predApi"):
            refused = json.dumps({"message": response.text} if response.text else {}).encode()
            return Reply(status=response.status, body=refused, headers=_JSON)
        body = features if "features" in request.path else {"email": "svc@acme.example"}
        return Reply(body=json.dumps(body).encode(), headers=_JSON)

    with http_double(answer) as url:
        verifier = PredictionServerVerifier(f"{url}/api/v2", server=url, clock=utc_now)
        target = PredictionServerSettings(deployment="d1", row={"f": "x"})
        return _ask(verifier, target, api_token="x", datarobot_key="y")


VENDORS: dict[str, tuple[tuple[Response, ...], Callable[[Response], Reason]]] = {
    "AWS": (labels.AWS, _aws),
    "Entra": (labels.ENTRA, _entra),
    "Snowflake": (labels.SNOWFLAKE, _snowflake),
    "Azure Blob": (labels.AZURE, _azure),
    "OAuth, Okta": (labels.OAUTH, _oauth),
    "DataRobot": (labels.DATAROBOT, _datarobot),
    "GitHub": (labels.GITHUB, _github),
    "Jenkins": (labels.JENKINS, _jenkins),
    "Vault": (labels.VAULT, _vault),
    "Prometheus": (labels.PROMETHEUS, _prometheus),
    "proxies": (labels.PROXIES, _proxy),
    "PostgreSQL, Redshift": (labels.POSTGRES, _postgres),
    "Kafka, Event Hubs": (labels.KAFKA, _kafka),
    "Databricks": (labels.DATABRICKS, _databricks),
    "DataRobot prediction server": (labels.PREDICTION_SERVER, _prediction_server),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_labelled_answer_gets_its_reason(vendor: str) -> None:
    responses, judge = VENDORS[vendor]
    found = [(response, judge(response)) for response in responses]
    wrong = [
        f"{row.code} {row.status} {row.text!r}: {got}, not {row.reason}" for row, got in found if got != row.reason
    ]
    print(f"\n{vendor}: {len(found) - len(wrong)} of {len(found)}, accuracy {1 - len(wrong) / len(found):.1%}")  # noqa: T201 - the report of this test
    assert wrong == []


@pytest.mark.parametrize(
    ("table", "responses"),
    [
        (AWS_CODES, labels.AWS),
        (entra_codes.CODES, labels.ENTRA),
        (snowflake_codes.CODES, labels.SNOWFLAKE),
        (azure_blob._CODES, labels.AZURE),
        (oauth_token._CODES, labels.OAUTH),
        (postgres_client._STATES, labels.POSTGRES),
        (databricks_sql._CODES, labels.DATABRICKS),
        ({str(code): reason for code, reason in kafka_spooler._CODES.items()}, labels.KAFKA),
    ],
    ids=["aws", "entra", "snowflake", "azure", "oauth", "postgres", "databricks", "kafka"],
)
def test_no_code_of_a_connector_is_unlabelled(table: dict[str, Reason], responses: tuple[Response, ...]) -> None:
    assert sorted(table.keys() - {response.code for response in responses}) == []


def test_only_a_rejection_of_the_credential_is_invalid() -> None:
    rejections = {"expired", "revoked", "value"}
    judged = {name for name, reason in labels.LABELS.items() if outcome(reason) == "invalid"}
    assert judged == rejections


def _refused_certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


def _alert(name: str) -> ssl.SSLError:
    error = ssl.SSLError(1, name)
    error.reason = name
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (_refused_certificate(10), Reason.TLS_EXPIRED),
        *((_refused_certificate(code), Reason.TLS_UNKNOWN_ISSUER) for code in (18, 19, 20, 21, 23, 26, 66, 67, 68, 92)),
        (_refused_certificate(62), Reason.TLS_NAME_MISMATCH),
        (_refused_certificate(9), Reason.CLOCK_SKEW),
        (_alert("WRONG_VERSION_NUMBER"), Reason.TLS_NOT_SPOKEN),
        (_alert("UNSUPPORTED_PROTOCOL"), Reason.VERSION_NOT_SUPPORTED),
        (_alert("TLSV1_ALERT_PROTOCOL_VERSION"), Reason.VERSION_NOT_SUPPORTED),
        (_alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Reason.NOT_CONFIGURED),
        # These judge a certificate of ours, and nothing here presents one: something on the way spoke.
        (_alert("TLSV1_ALERT_UNKNOWN_CA"), Reason.AMBIGUOUS),
        (_alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), Reason.AMBIGUOUS),
        (_alert("UNEXPECTED_EOF_WHILE_READING"), Reason.AMBIGUOUS),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Reason.AMBIGUOUS),
        (OSError(errno.EHOSTUNREACH, "no route"), Reason.AMBIGUOUS),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Reason.NAME_NOT_RESOLVED),
        (socket.gaierror(socket.EAI_AGAIN, "again"), Reason.NAME_NOT_RESOLVED),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Reason.CONNECTION_REFUSED),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Reason.TIMEOUT_READ),
    ],
    ids=lambda item: str(item)[:40],
)
def test_transport(error: Exception, reason: Reason) -> None:
    assert transport_reason(error) is reason
