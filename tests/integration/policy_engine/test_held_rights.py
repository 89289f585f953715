"""What a login holds is read from the servers that enforce it, beyond need or not; refusals stay refusals."""

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from lifecycle.bootstrap.held_rights import aws_rights, needed_paths, vault_rights
from lifecycle.clients.aws import AwsClients
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.secret import SecretText
from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.generate import generate_policies
from tests.contract.sandbox_server import Double, running_double
from tests.servers.openbao import OpenBaoServer
from tests.unit.policy_engine.generated_spec import reference_spec

READS = ["iam:ListGroupsForUser", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies"]
READS += ["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListGroupPolicies", "iam:GetGroupPolicy"]
READS += ["iam:ListAttachedGroupPolicies"]


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """The emulator with IAM enforced."""
    with running_double("aws", tmp_path_factory.mktemp("held-aws")) as one:
        yield one


def login(double: Double, *actions: str, group: str = "") -> AwsClients:
    """A user with an inline policy, perhaps in a group with one of its own."""
    iam, name = double.aws().writer("iam"), f"u-{uuid4()}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    iam.put_user_policy(
        UserName=name, PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    if group:
        shared = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:x": "true"}}}
        text = json.dumps({"Version": "2012-10-17", "Statement": [shared]})
        iam.create_group(GroupName=group)
        made = iam.create_policy(PolicyName=f"{group}-wide", PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_group_policy(GroupName=group, PolicyArn=made)
        iam.add_user_to_group(UserName=name, GroupName=group)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return double.aws(SecretText(key["AccessKeyId"]), SecretText(key["SecretAccessKey"]))


def test_statements_of_a_user_and_of_its_groups_are_told(double: Double) -> None:
    group = f"g-{uuid4()}"
    told = list(aws_rights(login(double, *READS, group=group)))
    assert {row[0].partition("/")[0].rpartition(":")[2] for row in told} == {"user"}
    assert any(row[1].startswith("own, inline in user") and row[2].startswith("Allow iam:") for row in told)
    assert any(row[2] == "Allow everything but iam:* on * under conditions" for row in told)


def test_who_may_not_read_its_own_policies_is_refused_and_not_shown_as_without_rights(double: Double) -> None:
    with pytest.raises(AuthenticationError, match="reading the policies of user"):
        list(aws_rights(login(double, "s3:GetObject")))


def held(server: OpenBaoServer, policy: str, mount: str) -> list[tuple[str, ...]]:
    headers, name = {"X-Vault-Token": server.root_token}, f"p-{uuid4()}"
    with httpx.Client(base_url=f"{server.address}/v1", trust_env=False, headers=headers) as client:
        client.put(f"/sys/policies/acl/{name}", json={"policy": policy}).raise_for_status()
        answer = client.post("/auth/token/create", json={"policies": [name], "ttl": "5m"}).raise_for_status().json()
    spec = reference_spec(secret_stores={"vault": {"settings": {"mount": mount}}})
    token = TokenLogin(token=SecretText(answer["auth"]["client_token"]))
    return list(vault_rights(VaultClient(server.address, token), "secret_stores.vault", needed(spec)))


def needed(spec: Spec) -> dict[str, frozenset[str]]:
    return needed_paths(generate_policies(spec), "vault")


def test_a_token_with_exactly_the_least_policy_holds_nothing_beyond_it(
    openbao_server: OpenBaoServer, openbao_kv_mount: str
) -> None:
    spec = reference_spec(secret_stores={"vault": {"settings": {"mount": openbao_kv_mount}}})
    least = generate_policies(spec)["reference/vault/vault/rotate.hcl"]
    told = held(openbao_server, least, openbao_kv_mount)
    assert not [row for row in told if "beyond" in row[2]]
    data = f"create, read, update on {openbao_kv_mount}/data/datarobot/reference/pipeline-oauth"
    assert data in {row[2] for row in told}


def test_what_is_held_beyond_need_is_said(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> None:
    wide = f'path "{openbao_kv_mount}/*" {{ capabilities = ["create", "read", "update", "delete", "list"] }}'
    told = [row[2] for row in held(openbao_server, wide, openbao_kv_mount)]
    assert any("pipeline-oauth; beyond what any identity needs: delete, list" in text for text in told)
    assert told[0].startswith("carries the policies default, p-")
