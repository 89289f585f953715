"""Logins that a platform gives: a token signed by a local key, and Kubernetes, whose TokenReview is a double."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lifecycle.clients.vault import JwtLogin, TokenLogin, VaultClient
from lifecycle.domain.errors import AuthenticationError, ConfigurationError, NotFoundError, RemoteServiceError
from lifecycle.domain.secret import CandidateId, OperationId, SecretRef, SecretText, VersionStage, secret_value
from lifecycle.secret_stores.vault_kv import VaultKvStore
from tests.contract.http_doubles import Reply, Request, http_double
from tests.servers.certificates import write_server_certificate
from tests.servers.openbao import OpenBaoServer

REF, VALUE = SecretRef(store="default", path="one"), secret_value({"token": "value-one"})


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _signed(key: RSAPrivateKey, **claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "nbf": now - 60, "exp": now + 600, **claims}, key, algorithm="RS256")


def _policy(server: OpenBaoServer, mount: str, name: str) -> None:
    rules = f'path "{mount}/*" {{ capabilities = ["create", "read", "update", "list"] }}'
    server.client().sys.create_or_update_policy(name, rules)


@pytest.fixture
def jwt_mount(openbao_server: OpenBaoServer, openbao_kv_mount: str, key: RSAPrivateKey) -> str:
    client, mount = openbao_server.client(), f"jwt-{uuid4()}"
    client.sys.enable_auth_method("jwt", path=mount)
    _policy(openbao_server, openbao_kv_mount, mount)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    client.write_data(f"auth/{mount}/config", data={"jwt_validation_pubkeys": [public], "bound_issuer": "ci"})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": [mount]}
    client.write_data(f"auth/{mount}/role/lifecycle", data={**role, "token_ttl": "60s"})
    return mount


def _store(server: OpenBaoServer, kv: str, login: JwtLogin) -> VaultKvStore:
    return VaultKvStore(VaultClient(server.address, login), mount=kv)


def test_signed_token_of_a_job_logs_in(
    openbao_server: OpenBaoServer, openbao_kv_mount: str, jwt_mount: str, key: RSAPrivateKey, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(_signed(key, iss="ci", aud="vault", sub="repo:acme/infra") + "\n")
    store = _store(openbao_server, openbao_kv_mount, JwtLogin(role="lifecycle", jwt_file=file, mount=jwt_mount))
    assert store.keep_once(REF, VALUE) == VALUE


_RIGHT = {"iss": "ci", "aud": "vault"}


@pytest.mark.parametrize("claims", [{**_RIGHT, "iss": "elsewhere"}, {**_RIGHT, "aud": "other"}, {**_RIGHT, "exp": 1}])
def test_token_of_another_issuer_audience_or_time_is_refused_unprinted(
    openbao_server: OpenBaoServer,
    openbao_kv_mount: str,
    jwt_mount: str,
    key: RSAPrivateKey,
    tmp_path: Path,
    claims: dict[str, Any],
) -> None:
    file, token = tmp_path / "token", _signed(key, sub="job", **claims)
    file.write_text(token)
    store = _store(openbao_server, openbao_kv_mount, JwtLogin(role="lifecycle", jwt_file=file, mount=jwt_mount))
    with pytest.raises((AuthenticationError, RemoteServiceError)) as caught:
        store.describe(REF)
    assert token not in f"{caught.value!r} {caught.value.remedy}"


def test_missing_token_file_is_named(openbao_server: OpenBaoServer, openbao_kv_mount: str, tmp_path: Path) -> None:
    login = JwtLogin(role="lifecycle", jwt_file=tmp_path / "absent", mount="jwt")
    with pytest.raises(ConfigurationError, match="absent"):
        _store(openbao_server, openbao_kv_mount, login).describe(REF)


# -- Kubernetes


@dataclass
class Reviews:
    """A cluster's TokenReview: knows the tokens of its pods."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        """Answer one review."""
        if request.method != "POST" or request.path != "/apis/authentication.k8s.io/v1/tokenreviews":
            return Reply(status=404)
        token = str(json.loads(request.body)["spec"]["token"])
        self.asked.append(token)
        status: dict[str, Any] = {"authenticated": False}
        if token in self.known:
            namespace, name = self.known[token]
            user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": "u-1"}
            status = {"authenticated": True, "user": user}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        return Reply(status=201, body=json.dumps(body).encode(), headers={"Content-Type": "application/json"})


@pytest.fixture
def reviews() -> Iterator[tuple[Reviews, str]]:
    double = Reviews()
    with http_double(double) as url:
        yield double, url


def test_pod_logs_in_with_its_own_token_read_anew(
    openbao_server: OpenBaoServer,
    openbao_kv_mount: str,
    key: RSAPrivateKey,
    reviews: tuple[Reviews, str],
    tmp_path: Path,
) -> None:
    double, url = reviews
    client, mount = openbao_server.client(), f"kubernetes-{uuid4()}"
    client.sys.enable_auth_method("kubernetes", path=mount)
    _policy(openbao_server, openbao_kv_mount, mount)
    write_server_certificate(tmp_path)
    config = {"kubernetes_host": url, "disable_local_ca_jwt": True, "token_reviewer_jwt": _signed(key, sub="reviewer")}
    authority = {"kubernetes_ca_cert": (tmp_path / "ca.pem").read_text()}
    client.write_data(f"auth/{mount}/config", data={**config, **authority})
    role = {"bound_service_account_names": "lifecycle", "bound_service_account_namespaces": "mlops"}
    client.write_data(f"auth/{mount}/role/lifecycle", data={**role, "token_policies": [mount]})
    claims = {
        "iss": "https://kubernetes.default.svc",
        "sub": "system:serviceaccount:mlops:lifecycle",
        "kubernetes.io": {"namespace": "mlops", "serviceaccount": {"name": "lifecycle", "uid": "u-1"}},
    }
    file, first, second = tmp_path / "token", _signed(key, **claims), _signed(key, **claims, jti="2")
    login = JwtLogin(role="lifecycle", jwt_file=file, mount=mount, kubernetes=True)
    file.write_text(first)
    double.known = {second: ("mlops", "lifecycle")}
    with pytest.raises(AuthenticationError) as caught:
        _store(openbao_server, openbao_kv_mount, login).describe(REF)
    assert first not in f"{caught.value!r} {caught.value.remedy}"
    store = _store(openbao_server, openbao_kv_mount, login)
    file.write_text(second)  # the platform renews it in place
    assert store.keep_once(REF, VALUE) == VALUE
    assert double.asked == [first, second]


# -- namespaces, standby, pruning


def test_namespace_is_sent_and_keeps_apart(openbao_server: OpenBaoServer) -> None:
    root = openbao_server.client()
    root.write_data("sys/namespaces/team-a", data={})
    login = TokenLogin(token=SecretText(openbao_server.root_token))
    inside = VaultClient(openbao_server.address, login, namespace="team-a")
    inside.write(
        lambda c: c.sys.enable_secrets_engine("kv", path="kv", options={"version": "2"}), what="enabling a mount"
    )
    store = VaultKvStore(inside, mount="kv")
    assert store.keep_once(REF, VALUE) == VALUE
    with pytest.raises((NotFoundError, AuthenticationError)):
        VaultKvStore(VaultClient(openbao_server.address, login), mount="kv").recall(REF)


@pytest.mark.parametrize("status", [429, 472, 473, 503])
def test_standby_that_does_not_answer_itself_is_waited_for(status: int) -> None:
    with http_double(lambda _request: Reply(status=status, body=b'{"errors": []}')) as url:
        store = VaultKvStore(VaultClient(url, TokenLogin(token=SecretText("t"))))
        with pytest.raises(RemoteServiceError) as caught:
            store.describe(REF)
    assert caught.value.retryable


def test_standby_that_redirects_is_not_followed_with_the_token() -> None:
    asked: list[str] = []

    def elsewhere(request: Request) -> Reply:
        asked.append(request.path)
        return Reply(status=200, body=b"{}")

    with http_double(elsewhere) as active:
        moved = Reply(status=307, headers={"Location": f"{active}/v1/kv/data/one"})
        with http_double(lambda _request: moved) as standby:
            store = VaultKvStore(VaultClient(standby, TokenLogin(token=SecretText("t"))))
            with pytest.raises(RemoteServiceError, match="redirect") as caught:
                store.describe(REF)
    assert "active node" in caught.value.remedy
    assert asked == []


def test_pruned_versions_of_the_document_lose_nothing_that_matters(
    openbao_server: OpenBaoServer, openbao_kv_mount: str
) -> None:
    client = openbao_server.client()
    client.secrets.kv.v2.configure(max_versions=2, mount_point=openbao_kv_mount)
    store = VaultKvStore(
        VaultClient(openbao_server.address, TokenLogin(token=SecretText(openbao_server.root_token))),
        mount=openbao_kv_mount,
    )
    revision = store.prepare(REF)
    for number in range(6):
        operation, candidate = OperationId(f"op-{number}"), CandidateId("1-1")
        store.stage(REF, operation, candidate, secret_value({"token": f"value-{number}"}), fence=1)
        store.promote(REF, candidate, expected=revision)
        revision = store.describe(REF).revision
        if number:
            assert store.read(REF, VersionStage.PREVIOUS).value == secret_value({"token": f"value-{number - 1}"})
    assert store.read(REF, VersionStage.CURRENT).value == secret_value({"token": "value-5"})
    kept = client.secrets.kv.v2.read_secret_metadata("one", mount_point=openbao_kv_mount)["data"]["versions"]
    assert len(kept) == 2, "the server pruned, and nothing was kept in older versions"
