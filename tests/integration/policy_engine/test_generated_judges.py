"""Auditors and managers of AppRoles run under exactly their generated policies, on servers that enforce them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.audit_head import SignedHead
from lifecycle.domain.credential import CredentialId
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.secret import SecretText
from lifecycle.issuers.vault_approle_secret_id import VaultAppRoleSecretIdIssuer
from lifecycle.journals.head_objects import HeadObjects
from lifecycle.journals.head_signers import KmsHeadSigner, TransitHeadSigner
from lifecycle.policy_engine import generate_vault
from lifecycle.policy_engine.generate import generate_policies
from lifecycle.policy_engine.generate_names import Names
from tests.contract.sandbox_server import Double, running_double
from tests.servers.openbao import OpenBaoServer
from tests.unit.policy_engine.generated_spec import reference_spec

# What the emulator checks instead of the action that S3 checks (Service Authorization Reference, Amazon S3).
_EMULATED = {"s3:GetBucketObjectLockConfiguration": "s3:ListBucket"}
_HEAD = SignedHead(name="000001-kms", data=b'{"a":1}\n', signature=b"s", where="here")


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """The emulator with IAM enforced."""
    with running_double("aws", tmp_path_factory.mktemp("judges-aws")) as one:
        yield one


def auditor(double: Double, key: str, bucket: str, *, without: str = "") -> AwsClients:
    """The audit identity, its resources widened for the emulator, which looks at actions only."""
    spec = reference_spec(audit={"signer": {"aws_kms": key}, "write_once": {"bucket": bucket}})
    document = json.loads(generate_policies(spec)["reference/aws/audit.json"])
    kept = [
        {**item, "Resource": "*", "Action": [_EMULATED.get(action, action) for action in item["Action"]]}
        for item in document["Statement"]
        if item["Sid"] != without
    ]
    iam, name = double.aws().writer("iam"), f"audit-{uuid4()}"
    iam.create_user(UserName=name)
    text = json.dumps({"Version": "2012-10-17", "Statement": kept})
    iam.put_user_policy(UserName=name, PolicyName="generated", PolicyDocument=text)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return double.aws(SecretText(made["AccessKeyId"]), SecretText(made["SecretAccessKey"]))


def judged(double: Double, *, without: str = "") -> str:
    """The first step of an auditor that is refused; empty when all are done."""
    admin, bucket = double.aws(), f"heads-{uuid4()}"
    admin.writer("s3").create_bucket(
        Bucket=bucket, ObjectLockEnabledForBucket=True, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    key = admin.writer("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    clients = auditor(double, key, bucket, without=without)
    signer = KmsHeadSigner(clients=clients, key=key)
    heads = HeadObjects(clients, bucket=bucket, prefix="")
    steps: Mapping[str, Callable[[], object]] = {
        "sign": lambda: signer.sign(_HEAD.data),
        "show the key": signer.public_key,
        "keep a head": lambda: heads.put(_HEAD, datetime.now(UTC) + timedelta(days=1)),
        "read the heads": heads.heads,
    }
    for name, step in steps.items():
        try:
            step()
        except AuthenticationError:
            return name
    return ""


def test_an_auditor_signs_and_keeps_heads_under_its_generated_policy(double: Double) -> None:
    assert judged(double) == ""


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("SignHeads", "sign"),
        ("SeeLock", "keep a head"),
        ("KeepHeads", "keep a head"),
        ("ListHeads", "read the heads"),
        ("ReadHeads", "read the heads"),
    ],
)
def test_without_a_statement_a_named_step_of_the_auditor_is_refused(double: Double, statement: str, step: str) -> None:
    assert judged(double, without=statement) == step


_WRITTEN = {
    "audit": generate_vault.audit,
    "report": generate_vault.report,
    "rotate": generate_vault.rotate,
    "verify": generate_vault.verify,
}


class Approles:
    """One AppRole and one signing key on the real server, and tokens with some of the generated stanzas."""

    def __init__(self, server: OpenBaoServer, mount: str) -> None:
        self.server, self.mount = server, mount
        self.auth, self.transit = f"approle-{uuid4().hex[:8]}", f"transit-{uuid4().hex[:8]}"
        self.root("post", f"/sys/auth/{self.auth}", {"type": "approle"})
        self.root("post", f"/auth/{self.auth}/role/agent", {"policies": "default"})
        self.root("post", f"/sys/mounts/{self.transit}", {"type": "transit"})
        self.root("post", f"/{self.transit}/keys/heads", {"type": "ecdsa-p256"})

    def root(self, verb: str, path: str, body: dict[str, Any]) -> Any:
        headers = {"X-Vault-Token": self.server.root_token}
        with httpx.Client(base_url=f"{self.server.address}/v1", trust_env=False, headers=headers) as client:
            answer = client.request(verb, path, json=body).raise_for_status()
            return answer.json() if answer.content else {}

    @property
    def names(self) -> Names:
        """Of a spec with all of that."""
        transit = {"vault_transit": {"key": "heads", "store": "vault", "mount": self.transit}}
        role = {
            "kind": "vault_approle_secret_id",
            "settings": {"role": "agent", "mount": self.auth, "server": "vault"},
            "store": "vault",
            "reason": "R-1",
        }
        store = {"settings": {"mount": self.mount}}
        return Names(
            reference_spec(credentials={"agent-login": role}, secret_stores={"vault": store}, audit={"signer": transit})
        )

    def client(self, stanzas: Iterable[str]) -> VaultClient:
        """Logged in with these stanzas and nothing else."""
        name = f"p-{uuid4()}"
        self.root("put", f"/sys/policies/acl/{name}", {"policy": "\n".join(dict.fromkeys(stanzas))})
        wanted = {"policies": [name], "no_default_policy": True, "ttl": "5m"}
        token = self.root("post", "/auth/token/create", wanted)["auth"]["client_token"]
        return VaultClient(self.server.address, TokenLogin(token=SecretText(token)))

    def rotated(self, *, without: str = "") -> str:
        """The first step of a rotation that is refused; empty when all are done."""
        stanzas = tuple(s for s in generate_vault.rotate(self.names, "vault") if not without or f'{without}"' not in s)
        issuer = VaultAppRoleSecretIdIssuer(self.client(stanzas), mount=self.auth)
        made: list[CredentialId] = []
        steps: Mapping[str, Callable[[], object]] = {
            "list": lambda: issuer.list("agent"),
            "make": lambda: made.append(issuer.mint("agent", "marker", None).credential.id),
            "list again": lambda: issuer.list("agent"),
            "end": lambda: issuer.revoke("agent", made[0]),
        }
        for name, step in steps.items():
            try:
                step()
            except AuthenticationError:
                return name
        return ""


@pytest.fixture
def approles(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> Approles:
    """Mounts that only this test uses."""
    return Approles(openbao_server, openbao_kv_mount)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("", ""),
        ("/role-id", "list"),
        ("role/agent/secret-id", "list"),
        ("secret-id-accessor/lookup", "list again"),
        ("secret-id-accessor/destroy", "end"),
    ],
)
def test_secret_ids_are_rotated_with_exactly_the_generated_stanzas(approles: Approles, path: str, step: str) -> None:
    assert approles.rotated(without=path) == step


def test_only_the_auditor_signs_with_the_transit_key(approles: Approles) -> None:
    names = approles.names
    for identity, written in _WRITTEN.items():
        client = approles.client(written(names, "vault"))
        signer = TransitHeadSigner(client=client, mount=approles.transit, key="heads")
        if identity == "audit":
            assert signer.sign(b"x") and signer.public_key().startswith("-----BEGIN PUBLIC KEY")
            assert VaultAppRoleSecretIdIssuer(client, mount=approles.auth).list("agent").credentials == ()
        else:
            with pytest.raises(AuthenticationError):
                signer.sign(b"x")
