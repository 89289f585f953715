"""Signers beside the key file, on real Vault transit and the emulator's KMS; write-once storage on its S3."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.audit_head import HeadSigner, SignedHead
from lifecycle.domain.errors import AuthenticationError, ConfigurationError, IntegrityError, LifecycleError
from lifecycle.domain.secret import SecretText
from lifecycle.journals.head_objects import HeadObjects
from lifecycle.journals.head_signers import BundleHeadVerifier, KmsHeadSigner, TransitHeadSigner
from tests.servers.environment import AWS_TEST_REGION
from tests.servers.moto import MotoServer
from tests.servers.openbao import OpenBaoServer

NOW = datetime.now(UTC)


def kms(moto: MotoServer) -> HeadSigner:
    clients = clients_of(moto)
    made = clients.writer("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return KmsHeadSigner(clients=clients, key=made["KeyMetadata"]["KeyId"])


def clients_of(moto: MotoServer) -> AwsClients:
    key = moto.any_key()
    return AwsClients(
        AwsConnection(
            region=AWS_TEST_REGION,
            endpoint=moto.endpoint,
            access_key_id=SecretText(key.access_key_id),
            secret_access_key=SecretText(key.secret_access_key),
        )
    )


class Transit:
    """A transit engine of its own."""

    def __init__(self, server: OpenBaoServer) -> None:
        self._server = server
        self.mount = f"transit-{uuid4()}"
        self.call("POST", f"sys/mounts/{self.mount}", {"type": "transit"})

    def call(self, method: str, path: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
        with httpx.Client(trust_env=False, headers={"X-Vault-Token": self._server.root_token}) as client:
            answer = client.request(method, f"{self._server.address}/v1/{path}", json=body).raise_for_status()
        found: dict[str, dict[str, str]] = answer.json() if answer.content else {}
        return found

    def signer(self, kind: str, *, policy: str = "") -> TransitHeadSigner:
        self.call("POST", f"{self.mount}/keys/{kind}", {"type": kind})
        token = self._server.root_token
        if policy:
            self.call("PUT", f"sys/policies/acl/{self.mount}", {"policy": policy})
            token = self.call("POST", "auth/token/create", {"policies": [self.mount]})["auth"]["client_token"]
        client = VaultClient(self._server.address, TokenLogin(token=SecretText(token)))
        return TransitHeadSigner(client=client, mount=self.mount, key=kind)


@pytest.fixture
def transit(openbao_server: OpenBaoServer) -> Transit:
    return Transit(openbao_server)


@pytest.fixture(params=["kms", "ecdsa-p256", "ed25519"])
def signer(request: pytest.FixtureRequest, moto_server: MotoServer, transit: Transit) -> HeadSigner:
    return kms(moto_server) if request.param == "kms" else transit.signer(request.param)


def bundle(folder: Path, signer: HeadSigner | None) -> BundleHeadVerifier:
    (folder / "audit-keys").mkdir(parents=True, exist_ok=True)
    if signer is not None:
        (folder / "audit-keys" / "audit-team.pem").write_text(signer.public_key())
    return BundleHeadVerifier(signers=folder, environment={})


def test_a_signature_verifies_offline_with_the_committed_key(signer: HeadSigner, tmp_path: Path) -> None:
    assert bundle(tmp_path, signer).signer(b"head\n", signer.sign(b"head\n"), NOW) == "audit-team"


def test_other_data_and_unknown_keys_do_not_verify(signer: HeadSigner, tmp_path: Path) -> None:
    signature = signer.sign(b"head\n")
    with pytest.raises(IntegrityError, match="no key in"):
        bundle(tmp_path / "known", signer).signer(b"other\n", signature, NOW)
    with pytest.raises(IntegrityError, match="no key in"):
        bundle(tmp_path / "unknown", None).signer(b"head\n", signature, NOW)


@pytest.mark.parametrize("engine", ["kms", "transit"])
def test_openssl_alone_verifies_it(engine: str, moto_server: MotoServer, transit: Transit, tmp_path: Path) -> None:
    signer = kms(moto_server) if engine == "kms" else transit.signer("ecdsa-p256")
    (tmp_path / "key.pem").write_text(signer.public_key())
    (tmp_path / "head.json").write_bytes(b"head\n")
    (tmp_path / "head.json.sig").write_bytes(signer.sign(b"head\n"))
    argv = "openssl dgst -sha256 -verify key.pem -signature head.json.sig head.json".split()
    assert shutil.which("openssl")
    subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)


def test_a_login_that_may_not_sign_is_refused(transit: Transit) -> None:
    signer = transit.signer("ecdsa-p256", policy='path "kv/*" { capabilities = ["read"] }')
    with pytest.raises(AuthenticationError, match="Vault refused us"):
        signer.sign(b"head\n")


def test_a_key_that_cannot_sign_is_told(transit: Transit) -> None:
    with pytest.raises(LifecycleError, match="aes256-gcm96"):
        transit.signer("aes256-gcm96").public_key()


@pytest.fixture
def bucket(moto_server: MotoServer) -> Iterator[str]:
    name = f"heads-{uuid4()}"
    s3 = moto_server.any_key().session().client("s3", endpoint_url=moto_server.endpoint)
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    yield name


def head(name: str = "0000000003-ssh", data: bytes = b"{}\n") -> SignedHead:
    return SignedHead(name=name, data=data, signature=b"\x00\xff", where="")


def test_a_kept_head_comes_back_byte_for_byte(moto_server: MotoServer, bucket: str) -> None:
    store = HeadObjects(clients_of(moto_server), bucket=bucket, prefix="/audit/prod/")
    assert store.heads() == ()
    store.put(head(), until=NOW + timedelta(days=1))
    (found,) = store.heads()
    assert (found.name, found.data, found.signature) == ("0000000003-ssh", b"{}\n", b"\x00\xff")


def test_nothing_deletes_a_kept_head(moto_server: MotoServer, bucket: str) -> None:
    store = HeadObjects(clients_of(moto_server), bucket=bucket, prefix="prod")
    store.put(head(), until=NOW + timedelta(days=1))
    s3 = moto_server.any_key().session().client("s3", endpoint_url=moto_server.endpoint)
    (version,) = s3.list_object_versions(Bucket=bucket)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(
            Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"], BypassGovernanceRetention=True
        )


def test_what_is_written_over_a_head_or_hides_it_counts_for_nothing(moto_server: MotoServer, bucket: str) -> None:
    store = HeadObjects(clients_of(moto_server), bucket=bucket, prefix="prod")
    store.put(head(data=b"first\n"), until=NOW + timedelta(days=1))
    store.put(head(data=b"second\n"), until=NOW + timedelta(days=1))
    s3 = moto_server.any_key().session().client("s3", endpoint_url=moto_server.endpoint)
    s3.delete_object(Bucket=bucket, Key="prod/0000000003-ssh.json")
    assert [item.data for item in store.heads()] == [b"first\n"]


def test_a_bucket_without_object_lock_is_refused(moto_server: MotoServer) -> None:
    s3 = moto_server.any_key().session().client("s3", endpoint_url=moto_server.endpoint)
    name = f"plain-{uuid4()}"
    s3.create_bucket(Bucket=name)
    with pytest.raises(ConfigurationError, match="no Object Lock"):
        HeadObjects(clients_of(moto_server), bucket=name, prefix="").put(head(), until=NOW + timedelta(days=1))


def test_something_else_below_the_prefix_is_told(moto_server: MotoServer, bucket: str) -> None:
    s3 = moto_server.any_key().session().client("s3", endpoint_url=moto_server.endpoint)
    s3.put_object(Bucket=bucket, Key="prod/readme.txt", Body=b"hello")
    with pytest.raises(IntegrityError, match="is no signed head"):
        HeadObjects(clients_of(moto_server), bucket=bucket, prefix="prod").heads()
