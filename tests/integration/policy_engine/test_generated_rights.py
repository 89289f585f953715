"""The generated policies against servers that enforce them: enough for every step, and no statement too many.

moto looks at actions only: a resource that is not `*` matches nothing there. So each policy runs twice: on moto with
its resources widened, which proves the actions; and every call that was made is put before our own evaluation of the
exact policy, which proves the resources. What no adapter calls yet is listed, not passed over.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from lifecycle.bootstrap.rehearsal import SecretsManagerPlace
from lifecycle.clients.aws import AwsClients
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.destinations.ecs_service import EcsServiceDestination
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.secret import (
    CandidateId,
    Fingerprint,
    OperationId,
    SecretRef,
    SecretText,
    SecretValue,
    VersionStage,
    secret_value,
)
from lifecycle.domain.spec import Spec
from lifecycle.issuers.aws_iam_access_key import AwsIamAccessKeyIssuer
from lifecycle.operations.rehearse_rotation import SHADOW
from lifecycle.policy_engine import generate_vault
from lifecycle.policy_engine.generate import generate_policies
from lifecycle.policy_engine.generate_names import Names
from lifecycle.policy_engine.iam_documents import parse_document
from lifecycle.policy_engine.iam_semantics import IamIdentity, decide
from lifecycle.secret_stores.aws_secrets_manager import AwsSecretsManagerStore
from lifecycle.secret_stores.vault_kv import VaultKvStore
from tests.contract.sandbox_server import Double, running_double
from tests.servers.openbao import OpenBaoServer
from tests.unit.policy_engine.generated_spec import ACCOUNT, reference_spec

_OPERATION = OperationId("op-1")
_CANDIDATE = CandidateId("candidate-1")
_VALUE = secret_value({"id": "a", "token": "b"})
# The emulator encrypts secrets with nothing; the journal has a test of its own (test_journal_rights, contract suite).
_NOT_RUN = {"UseKeysByAlias", "UseJournal"}
Steps = Mapping[str, Callable[[], object]]


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """The emulator with IAM enforced, behind the shim of the sandbox."""
    with running_double("aws", tmp_path_factory.mktemp("rights-aws")) as one:
        yield one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    store: AwsSecretsManagerStore
    ref: SecretRef

    def load(self) -> SecretValue:
        return self.store.recall(self.ref)

    def save(self, value: SecretValue) -> None:
        self.store.keep(self.ref, value)


@dataclass(slots=True)
class Calls:
    """What the SDK was asked to do, as action and ARN."""

    region: str
    user: str
    seen: list[tuple[str, str]] = field(default_factory=list)

    def watch(self, clients: AwsClients) -> None:
        """Note every call of both kinds of clients."""
        for service in ("secretsmanager", "iam", "ecs", "ssm"):
            for client in (clients.reader(service), clients.writer(service)):
                client.meta.events.register("before-parameter-build", self._note)

    def _note(self, params: Mapping[str, Any], model: Any, **_: object) -> None:
        service = str(model.service_model.service_name)
        self.seen.append((f"{service}:{model.name}", self._arn(service, params)))

    def _arn(self, service: str, params: Mapping[str, Any]) -> str:
        home = f"{self.region}:{ACCOUNT}"
        if service == "secretsmanager":
            return f"arn:aws:secretsmanager:{home}:secret:{params.get('SecretId') or params['Name']}-aBcDeF"
        if service == "iam":
            return f"arn:aws:iam::{ACCOUNT}:user/{params.get('UserName', self.user)}"
        if service == "ssm":
            return f"arn:aws:ssm:{home}:parameter{params['Name']}"
        return f"arn:aws:ecs:{home}:service/{params['cluster']}/{params.get('service') or params['services'][0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One environment on the emulator: what Terraform would have made, and the rotate identity of its spec."""

    double: Double
    spec: Spec

    @property
    def document(self) -> dict[str, Any]:
        """The generated policy."""
        files = generate_policies(self.spec)
        found: dict[str, Any] = json.loads(files[f"{self.spec.environment}/aws/rotate.json"])
        return found

    def furnish(self) -> None:
        """Make the shell of the secret, the user whose keys are rotated, and the service that is restarted."""
        admin, name = self.double.aws(), self.spec.environment
        admin.writer("secretsmanager").create_secret(Name=f"datarobot/{name}/feature-reader-key")
        admin.writer("iam").create_user(UserName=f"{name}-feature-reader")
        admin.writer("ssm").put_parameter(Name=f"/lifecycle-policy/{name}", Value="sha256:0", Type="String")
        ecs = admin.writer("ecs")
        ecs.create_cluster(clusterName="mlops")
        container = {"name": "agent", "image": "agent:1", "memory": 64}
        ecs.register_task_definition(family=name, containerDefinitions=[container])
        ecs.create_service(cluster="mlops", serviceName=f"{name}-eu-1", taskDefinition=name, desiredCount=0)

    def login(self, *, without: str = "") -> AwsClients:
        """The rotate identity, its resources widened for the emulator, perhaps short of one statement."""
        kept = [{**item, "Resource": "*"} for item in self.document["Statement"] if item["Sid"] != without]
        iam, name = self.double.aws().writer("iam"), f"rotate-{uuid4()}"
        iam.create_user(UserName=name)
        text = json.dumps({"Version": "2012-10-17", "Statement": kept})
        iam.put_user_policy(UserName=name, PolicyName="generated", PolicyDocument=text)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.double.aws(SecretText(key["AccessKeyId"]), SecretText(key["SecretAccessKey"]))

    def steps(self, clients: AwsClients) -> Steps:
        """What rotation does, in its order, each step by its name."""
        name = self.spec.environment
        store = AwsSecretsManagerStore(clients, prefix=f"datarobot/{name}")
        ref = SecretRef(store="default", path="feature-reader-key")
        own = SecretRef(store="default", path="lifecycle-fingerprint-key")
        kept = _Kept(store=store, ref=SecretRef(store="default", path=f"agent-key-delivery-{name}-eu-1"))
        issuer, user = AwsIamAccessKeyIssuer(clients), f"{name}-feature-reader"
        settings = SimpleNamespace(prefix=f"datarobot/{name}", kms_key="")
        stores = {"default": SimpleNamespace(settings=settings)}
        # All that the place of a shadow looks at.
        around: Any = SimpleNamespace(spec=SimpleNamespace(secret_stores=stores), aws=clients)
        shadow = SecretsManagerPlace(around, self.spec.credentials["feature-reader-key"], SHADOW)
        service = EcsServiceDestination(clients, kept, cluster="mlops", service=f"{name}-eu-1")

        def key(number: int = 0) -> Any:
            keys = self.double.aws().reader("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
            return keys[number]["AccessKeyId"]

        def revision() -> Any:
            return store.describe(ref).revision

        return {
            "read the pin": lambda: clients.reader("ssm").get_parameter(Name=f"/lifecycle-policy/{name}"),
            "make a shadow": shadow.make,
            "rehearse on it": lambda: store.prepare(SecretRef(store="default", path=f"feature-reader-key{SHADOW}")),
            "remove the shadow": shadow.remove,
            "prepare the secret": lambda: store.prepare(ref),
            "list the keys": lambda: issuer.list(user),
            "make a key": lambda: issuer.mint(user, "marker", None),
            "stage the value": lambda: store.stage(ref, _OPERATION, _CANDIDATE, _VALUE, fence=1),
            "read the staged value": lambda: store.read(ref, VersionStage.PENDING),
            "promote it": lambda: store.promote(ref, _CANDIDATE, expected=revision()),
            "keep a value of the tool": lambda: store.keep_once(own, _VALUE),
            "restart the service": lambda: service.deliver("eu-1", _VALUE, Fingerprint("f:1"), _OPERATION, 1),
            "seal the old value": lambda: store.seal(ref, expected=revision()),
            "see its last use": lambda: issuer.last_used(user, key()),
            "switch the key off": lambda: issuer.set_enabled(user, key(), False),
            "end the key": lambda: issuer.revoke(user, key()),
        }


@pytest.fixture
def house(double: Double) -> House:
    """An environment that only this test uses."""
    name = f"t{uuid4().hex[:12]}"
    stores = {"default": {"settings": {"prefix": f"datarobot/{name}"}}}
    made = House(double=double, spec=reference_spec(environment=name, secret_stores=stores))
    made.furnish()
    return made


def _failing(steps: Steps) -> str:
    """The first step that is refused; empty when all are done."""
    for name, step in steps.items():
        try:
            step()
        except AuthenticationError:
            return name
        except ClientError as error:  # of a step that is the SDK's own call
            assert error.response["Error"]["Code"] == "AccessDeniedException"
            return name
    return ""


def test_rotation_runs_under_exactly_its_generated_policy_and_uses_all_of_it(house: House) -> None:
    clients = house.login()
    calls = Calls(region="eu-west-1", user=f"{house.spec.environment}-feature-reader")
    calls.watch(clients)
    assert _failing(house.steps(clients)) == ""
    statements = parse_document(json.dumps(house.document))
    rotate = IamIdentity(kind="role", name="rotate", arn=f"arn:aws:iam::{ACCOUNT}:role/rotate", statements=statements)
    assert {call for call in calls.seen if not decide(rotate, *call).possible} == set()
    used = {action.lower() for action, _ in calls.seen}
    granted = {action for item in statements if item.sid not in _NOT_RUN for action in item.actions}
    assert used == granted


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        ("ReadPin", "read the pin"),
        ("MakeSecrets", "make a shadow"),
        ("RemoveShadows", "remove the shadow"),
        ("ListVersions", "rehearse on it"),
        ("StageVersions", "rehearse on it"),
        ("ListKeys", "list the keys"),
        ("MakeKeys", "make a key"),
        ("MoveLabels", "stage the value"),
        ("ReadVersions", "read the staged value"),
        ("RestartServices", "restart the service"),
        ("SwitchKeys", "switch the key off"),
        ("EndKeys", "end the key"),
    ],
)
def test_without_a_statement_a_named_step_is_refused(house: House, statement: str, step: str) -> None:
    assert _failing(house.steps(house.login(without=statement))) == step


def test_no_statement_of_the_policy_is_left_untested(house: House) -> None:
    marks = test_without_a_statement_a_named_step_is_refused.pytestmark  # type: ignore[attr-defined] # pytest adds it
    tested = {statement for statement, _ in marks[0].args[1]}
    assert tested | _NOT_RUN == {item["Sid"] for item in house.document["Statement"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """A mount on the real server and the rotate identity of a spec whose store it is."""

    server: OpenBaoServer
    mount: str

    @property
    def stanzas(self) -> tuple[str, ...]:
        """The generated stanzas, without the ones that come twice."""
        settings = {"settings": {"mount": self.mount, "prefix": "datarobot/reference"}}
        spec = reference_spec(secret_stores={"vault": settings})
        return tuple(generate_vault.rotate(Names(spec), "vault"))

    def token(self, stanzas: tuple[str, ...]) -> str:
        """A token with these stanzas and nothing else, not even the default policy."""
        headers, name = {"X-Vault-Token": self.server.root_token}, f"p-{uuid4()}"
        with httpx.Client(base_url=f"{self.server.address}/v1", trust_env=False, headers=headers) as client:
            client.put(f"/sys/policies/acl/{name}", json={"policy": "\n".join(stanzas)}).raise_for_status()
            wanted = {"policies": [name], "no_default_policy": True, "ttl": "5m"}
            answer = client.post("/auth/token/create", json=wanted).raise_for_status().json()
        return str(answer["auth"]["client_token"])

    def write_pin(self, path: str) -> None:
        """As somebody who does not apply."""
        headers = {"X-Vault-Token": self.server.root_token}
        with httpx.Client(base_url=f"{self.server.address}/v1", trust_env=False, headers=headers) as client:
            client.post(f"/{path}", json={"data": {"digest": "sha256:0"}}).raise_for_status()

    def steps(self, stanzas: tuple[str, ...]) -> Steps:
        """What rotation does, in its order, each step by its name."""
        client = VaultClient(self.server.address, TokenLogin(token=SecretText(self.token(stanzas))))
        store = VaultKvStore(client, mount=self.mount, prefix="datarobot/reference")
        ref = SecretRef(store="vault", path="pipeline-oauth")
        own = SecretRef(store="vault", path="pipeline-oauth-registration")
        again = CandidateId("candidate-2")
        pin = f"{self.mount}/data/datarobot/reference/lifecycle.policy"
        self.write_pin(pin)
        return {
            "look at the own token": lambda: client.read(lambda c: c.auth.token.lookup_self(), what="looking"),
            "renew the own token": lambda: client.write(lambda c: c.auth.token.renew_self(), what="renewing"),
            "see whether the pin can be moved": lambda: client.read(
                lambda c: c.adapter.post("/v1/sys/capabilities-self", json={"paths": [pin]}), what="asking"
            ),
            "read the pin": lambda: client.read(lambda c: c.read(pin), what="reading"),
            "prepare the secret": lambda: store.prepare(ref),
            "see what is pending": lambda: store.describe(ref),
            "stage the value": lambda: store.stage(ref, _OPERATION, _CANDIDATE, _VALUE, fence=1),
            "promote it": lambda: store.promote(ref, _CANDIDATE, expected=store.describe(ref).revision),
            "stage another": lambda: store.stage(ref, _OPERATION, again, _VALUE, fence=1),
            "discard that": lambda: store.discard(ref, again),
            "seal the old value": lambda: store.seal(ref, expected=store.describe(ref).revision),
            "keep a value of the tool": lambda: store.keep(own, _VALUE),
            "retire the secret": lambda: store.purge(ref),
        }


@pytest.fixture
def vault(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> Vault:
    """A mount that only this test uses."""
    return Vault(server=openbao_server, mount=openbao_kv_mount)


def test_rotation_in_vault_runs_under_exactly_its_generated_policy(vault: Vault) -> None:
    assert _failing(vault.steps(vault.stanzas)) == ""


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("auth/token/lookup-self", "look at the own token"),
        ("auth/token/renew-self", "renew the own token"),
        ("sys/capabilities-self", "see whether the pin can be moved"),
        ("data/datarobot/reference/lifecycle.policy", "read the pin"),
        ("data/datarobot/reference/pipeline-oauth", "prepare the secret"),
        ("metadata/datarobot/reference/pipeline-oauth.pending", "see what is pending"),
        ("data/datarobot/reference/pipeline-oauth.pending/+", "stage the value"),
        ("metadata/datarobot/reference/pipeline-oauth.pending/+", "promote it"),
        ("data/datarobot/reference/pipeline-oauth-registration", "keep a value of the tool"),
        ("metadata/datarobot/reference/pipeline-oauth", "retire the secret"),
    ],
)
def test_without_a_stanza_a_named_step_is_refused(vault: Vault, path: str, step: str) -> None:
    kept = tuple(stanza for stanza in vault.stanzas if not re.search(rf'["/]{re.escape(path)}"', stanza))
    assert len(kept) == len(vault.stanzas) - 1
    assert _failing(vault.steps(kept)) == step


def test_no_stanza_of_the_vault_policy_is_left_untested(vault: Vault) -> None:
    marks = test_without_a_stanza_a_named_step_is_refused.pytestmark  # type: ignore[attr-defined] # pytest adds it
    assert len(marks[0].args[1]) == len(vault.stanzas)
