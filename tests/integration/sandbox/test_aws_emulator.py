"""The AWS emulator refuses what AWS refuses: each test is one deviation of moto that the shim closes."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lifecycle.sandbox.aws_resources import (
    CLUSTER,
    FEATURES_BUCKET,
    FEATURES_KEY,
    STATE_BUCKET,
    SUBNET_IDS,
    VPC_ID,
)
from tests.integration.sandbox.conftest import Sandbox

Connect = Callable[..., Any]


@pytest.fixture
def connect(shared: Callable[[Sequence[str]], Sandbox]) -> Connect:
    """Makes a client, with the administrator's key unless told otherwise."""
    sandbox = shared(["aws"])
    keys, endpoint = sandbox.bootstrap.aws, sandbox.up("aws").endpoints["aws"]

    def client(service: str, key: str = "", secret: str = "") -> Any:
        make: Any = boto3.client  # the service is not a literal here
        return make(
            service,
            endpoint_url=endpoint,
            region_name=keys.region,
            aws_access_key_id=key or keys.access_key_id,
            aws_secret_access_key=secret or keys.secret_access_key.get_secret_value(),
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    return client


def refused(call: Callable[[], Any]) -> tuple[str, int]:
    """Code and status of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def new_secret(manager: Any, value: str = "") -> str:
    """A secret of its own, with a first version if a value is given."""
    name = f"test/{uuid4().hex}"
    manager.create_secret(Name=name, **({"SecretString": value} if value else {}))
    return name


def version(manager: Any, name: str, stage: str) -> str:
    """The version that a label names."""
    versions = manager.describe_secret(SecretId=name)["VersionIdsToStages"]
    return str(next(version for version, stages in versions.items() if stage in stages))


def test_what_the_sandbox_refers_to_is_there(connect: Connect) -> None:
    assert connect("s3").get_bucket_versioning(Bucket=STATE_BUCKET)["Status"] == "Enabled"
    assert connect("s3").get_bucket_encryption(Bucket=STATE_BUCKET)["ServerSideEncryptionConfiguration"]
    assert connect("s3").get_object(Bucket=FEATURES_BUCKET, Key=FEATURES_KEY)["Body"].read()
    vpcs = connect("ec2").describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["lifecycle-sandbox"]}])["Vpcs"]
    assert [vpc["VpcId"] for vpc in vpcs] == [VPC_ID]
    subnets = connect("ec2").describe_subnets(Filters=[{"Name": "vpc-id", "Values": [VPC_ID]}])["Subnets"]
    assert {subnet["SubnetId"] for subnet in subnets} == set(SUBNET_IDS)
    assert connect("ecs").describe_clusters(clusters=[CLUSTER])["clusters"][0]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("sts", "get_caller_identity", ("InvalidClientTokenId", 403)),
        ("iam", "list_users", ("InvalidClientTokenId", 403)),
        ("s3", "list_buckets", ("InvalidAccessKeyId", 403)),
        ("ec2", "describe_vpcs", ("AuthFailure", 401)),
        ("secretsmanager", "list_secrets", ("UnrecognizedClientException", 400)),
    ],
)
def test_unknown_and_inactive_keys_are_refused_alike(
    connect: Connect, service: str, operation: str, answer: tuple[str, int]
) -> None:
    iam, name = connect("iam"), f"user-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(everything))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    client = connect(service, made["AccessKeyId"], made["SecretAccessKey"])
    call = getattr(client, operation)
    call()
    iam.update_access_key(UserName=name, AccessKeyId=made["AccessKeyId"], Status="Inactive")
    assert refused(call) == answer
    iam.update_access_key(UserName=name, AccessKeyId=made["AccessKeyId"], Status="Active")
    call()
    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    assert refused(call) == answer


def test_user_can_do_exactly_what_the_policy_says(connect: Connect) -> None:
    iam, name = connect("iam"), f"user-{uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{FEATURES_BUCKET}/features/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    s3 = connect("s3", made["AccessKeyId"], made["SecretAccessKey"])
    assert s3.get_object(Bucket=FEATURES_BUCKET, Key=FEATURES_KEY)["Body"].read()
    assert refused(lambda: s3.put_object(Bucket=FEATURES_BUCKET, Key=FEATURES_KEY, Body=b"")) == ("AccessDenied", 403)
    assert refused(lambda: s3.get_object(Bucket=STATE_BUCKET, Key="features/x")) == ("AccessDenied", 403)
    manager = connect("secretsmanager", made["AccessKeyId"], made["SecretAccessKey"])
    assert refused(manager.list_secrets) == ("AccessDeniedException", 400)


def test_emulator_pages_that_show_all_values_are_closed(connect: Connect) -> None:
    endpoint = connect("sts").meta.endpoint_url
    assert httpx.get(f"{endpoint}/moto-api/data.json", trust_env=False).status_code == 403
    assert httpx.post(f"{endpoint}/moto-api/reset", trust_env=False).status_code == 403


def test_token_that_stands_for_another_value_is_refused_and_the_same_value_changes_nothing(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name, token = new_secret(manager, "first"), str(uuid4())

    def put(value: str, *stages: str) -> Any:
        return manager.put_secret_value(
            SecretId=name, ClientRequestToken=token, SecretString=value, VersionStages=list(stages)
        )

    put("candidate", "AWSPENDING")
    assert refused(lambda: put("other", "AWSPENDING")) == ("ResourceExistsException", 400)
    assert put("candidate", "AWSPENDING")["VersionId"] == token
    stored = manager.get_secret_value(SecretId=name, VersionId=token, VersionStage="AWSPENDING")
    assert stored["SecretString"] == "candidate"


def test_get_without_a_stage_is_current_also_after_promotion_and_the_next_rotation(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager, "v0")
    for number in (1, 2, 3):
        token, current = str(uuid4()), version(manager, name, "AWSCURRENT")
        manager.put_secret_value(
            SecretId=name, ClientRequestToken=token, SecretString=f"v{number}", VersionStages=[f"candidate-{number}"]
        )
        assert manager.get_secret_value(SecretId=name)["SecretString"] == f"v{number - 1}"
        manager.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current
        )
        assert manager.get_secret_value(SecretId=name)["SecretString"] == f"v{number}"
        assert version(manager, name, "AWSPREVIOUS") == current
        assert version(manager, name, f"candidate-{number}") == token


def test_current_is_never_removed_without_a_target_nor_moved_from_a_version_that_lacks_it(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name, token = new_secret(manager, "first"), str(uuid4())
    current = version(manager, name, "AWSCURRENT")
    manager.put_secret_value(SecretId=name, ClientRequestToken=token, SecretString="x", VersionStages=["c"])
    before = manager.describe_secret(SecretId=name)["VersionIdsToStages"]

    def move(**arguments: str) -> Any:
        return manager.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", **arguments)

    wrong = ("InvalidParameterException", 400)
    assert refused(lambda: move(RemoveFromVersionId=current)) == wrong
    assert refused(lambda: move(MoveToVersionId=token)) == wrong
    assert refused(lambda: move(MoveToVersionId=token, RemoveFromVersionId=token)) == wrong
    assert refused(lambda: move(MoveToVersionId=str(uuid4()), RemoveFromVersionId=current)) == wrong
    assert manager.describe_secret(SecretId=name)["VersionIdsToStages"] == before


def test_a_new_current_version_leaves_other_labels_alone(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager, "first")
    first = version(manager, name, "AWSCURRENT")
    manager.update_secret_version_stage(SecretId=name, VersionStage="mine", MoveToVersionId=first)
    manager.put_secret_value(SecretId=name, SecretString="second")
    assert sorted(manager.describe_secret(SecretId=name)["VersionIdsToStages"][first]) == ["AWSPREVIOUS", "mine"]


def test_put_on_a_secret_scheduled_for_deletion_is_refused(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager, "first")
    manager.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    answer = refused(lambda: manager.put_secret_value(SecretId=name, SecretString="second"))
    assert answer == ("InvalidRequestException", 400)
    manager.restore_secret(SecretId=name)
    assert manager.get_secret_value(SecretId=name)["SecretString"] == "first"


def test_values_end_at_64_kib_and_labels_at_twenty(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager, "x" * 65_536)
    too_long = "x" * 65_537
    wrong = ("InvalidParameterException", 400)
    assert refused(lambda: manager.put_secret_value(SecretId=name, SecretString=too_long)) == wrong
    assert refused(lambda: manager.create_secret(Name=f"{name}-2", SecretString=too_long)) == wrong
    current = version(manager, name, "AWSCURRENT")

    def label(number: int) -> Any:
        return manager.update_secret_version_stage(SecretId=name, VersionStage=f"l{number}", MoveToVersionId=current)

    for number in range(19):
        label(number)
    assert refused(lambda: label(19)) == ("LimitExceededException", 400)


def test_first_version_becomes_current_by_itself(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager)
    manager.put_secret_value(SecretId=name, SecretString="candidate", VersionStages=["candidate"])
    stages = next(iter(manager.describe_secret(SecretId=name)["VersionIdsToStages"].values()))
    assert sorted(stages) == ["AWSCURRENT", "candidate"]


def test_versions_without_a_label_are_pruned_at_a_hundred(connect: Connect) -> None:
    manager = connect("secretsmanager")
    name = new_secret(manager, "v")
    for number in range(104):
        manager.put_secret_value(SecretId=name, SecretString=f"v{number}")
    versions = manager.describe_secret(SecretId=name)["VersionIdsToStages"]
    assert len(versions) == 100
    assert manager.get_secret_value(SecretId=name)["SecretString"] == "v103"
