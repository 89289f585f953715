"""Each server starts and does the one thing for which it was chosen."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import hvac.exceptions
import pytest
from botocore.exceptions import ClientError

from tests.servers.moto import AwsKey, MotoServer
from tests.servers.openbao import OpenBaoFileServer, OpenBaoServer
from tests.servers.provisioned import installed_package, provisioned
from tests.servers.versitygw import VersityGateway


def error_code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


# OpenBao


def test_openbao_refuses_a_stale_check_and_set(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> None:
    kv = openbao_server.client().secrets.kv.v2
    kv.create_or_update_secret("a", {"v": "1"}, cas=0, mount_point=openbao_kv_mount)
    with pytest.raises(hvac.exceptions.InvalidRequest, match="check-and-set"):
        kv.create_or_update_secret("a", {"v": "2"}, cas=0, mount_point=openbao_kv_mount)


def test_openbao_on_disk_keeps_acknowledged_writes_when_killed(
    openbao_file_server: Callable[[], OpenBaoFileServer],
) -> None:
    server = openbao_file_server()
    server.client().sys.enable_secrets_engine("kv", path="kv", options={"version": "2"})
    server.client().secrets.kv.v2.create_or_update_secret("a", {"v": "1"}, mount_point="kv")
    server.kill()
    server.start()
    answer = server.client().secrets.kv.v2.read_secret_version("a", mount_point="kv", raise_on_deleted_version=True)
    assert answer["data"]["data"] == {"v": "1"}


def test_openbao_audit_log_hashes_values(openbao_file_server: Callable[[], OpenBaoFileServer]) -> None:
    server = openbao_file_server()
    server.client().sys.enable_secrets_engine("kv", path="kv", options={"version": "2"})
    server.client().secrets.kv.v2.create_or_update_secret("a", {"v": "canary-value"}, mount_point="kv")
    log = server.audit_log.read_text()
    assert "kv/data/a" in log
    assert "canary-value" not in log


def test_openbao_sealed_answers_503(openbao_file_server: Callable[[], OpenBaoFileServer]) -> None:
    server = openbao_file_server()
    server.seal()
    with pytest.raises(hvac.exceptions.VaultDown):
        server.client().secrets.kv.v2.read_secret_version("a", raise_on_deleted_version=True)


# moto


def test_moto_accepts_any_key_until_authentication_is_enforced(fresh_moto: MotoServer) -> None:
    any_key = fresh_moto.any_key().session()
    any_key.client("sts", endpoint_url=fresh_moto.endpoint).get_caller_identity()
    admin = fresh_moto.enforce_auth().session()
    assert admin.client("iam", endpoint_url=fresh_moto.endpoint).list_users()["Users"]
    with pytest.raises(ClientError) as refused:
        any_key.client("sts", endpoint_url=fresh_moto.endpoint).get_caller_identity()
    assert error_code(refused.value) == "InvalidClientTokenId"


def test_moto_checks_signatures(fresh_moto: MotoServer) -> None:
    admin = fresh_moto.enforce_auth()
    forged = AwsKey(access_key_id=admin.access_key_id, secret_access_key="wrong")
    with pytest.raises(ClientError) as refused:
        forged.session().client("sts", endpoint_url=fresh_moto.endpoint).get_caller_identity()
    assert error_code(refused.value) == "SignatureDoesNotMatch"


# versitygw


def test_versitygw_refuses_a_deactivated_key(versitygw: VersityGateway) -> None:
    iam = versitygw.root.session().client("iam", endpoint_url=versitygw.iam_endpoint)
    user = f"user-{uuid4()}"
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key = AwsKey(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
    sts = key.session().client("sts", endpoint_url=versitygw.iam_endpoint)
    assert user in sts.get_caller_identity()["Arn"]
    iam.update_access_key(UserName=user, AccessKeyId=key.access_key_id, Status="Inactive")
    with pytest.raises(ClientError) as refused:
        sts.get_caller_identity()
    assert error_code(refused.value) == "InvalidClientTokenId"


def test_versitygw_s3_enforces_user_policies(versitygw: VersityGateway) -> None:
    iam = versitygw.root.session().client("iam", endpoint_url=versitygw.iam_endpoint)
    bucket, user = f"bucket-{uuid4()}", f"user-{uuid4()}"
    versitygw.root.session().client("s3", endpoint_url=versitygw.s3_endpoint).create_bucket(Bucket=bucket)
    iam.create_user(UserName=user)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    key = AwsKey(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
    s3 = key.session().client("s3", endpoint_url=versitygw.s3_endpoint)
    with pytest.raises(ClientError, match="s3:PutObject"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=user, PolicyName="put", PolicyDocument=document)
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")


# Terraform, OpenTofu, OPA, squid


@pytest.mark.parametrize("binary", ["terraform_binary", "tofu_binary"])
def test_terraform_and_tofu_plan_without_a_provider(
    binary: str, request: pytest.FixtureRequest, tmp_path: Path, terraform_environment: dict[str, str]
) -> None:
    cli = request.getfixturevalue(binary)
    (tmp_path / "main.tf.json").write_text(json.dumps({"resource": {"terraform_data": {"a": {"input": "1"}}}}))
    for argv, code in ((["init"], 0), (["plan", "-detailed-exitcode", "-out=p"], 2), (["apply", "p"], 0)):
        done = subprocess.run(
            [str(cli), *argv[:1], "-input=false", *argv[1:]],
            cwd=tmp_path,
            env=terraform_environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr


def test_terraform_applies_to_moto_through_the_shared_provider(
    terraform_binary: Path,
    tmp_path: Path,
    terraform_environment: dict[str, str],
    aws_provider_reattach: dict[str, str],
    moto_server: MotoServer,
) -> None:
    name = f"/test/{uuid4()}"
    settings = {"skip_credentials_validation": True, "skip_metadata_api_check": True, "max_retries": 2}
    source = {"source": "registry.terraform.io/hashicorp/aws", "version": "5.100.0"}
    root = {
        "terraform": {"required_providers": {"aws": source}},
        "provider": {"aws": {"region": "us-east-1", **settings}},
        "resource": {"aws_ssm_parameter": {"a": {"name": name, "type": "String", "value": "1"}}},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(root))
    env = {**terraform_environment, **moto_server.environment(), **aws_provider_reattach}
    for argv in (["init"], ["apply", "-auto-approve"]):
        command = [str(terraform_binary), *argv, "-input=false"]
        done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    ssm = moto_server.any_key().session().client("ssm", endpoint_url=moto_server.endpoint)
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == "1"


def test_opa_evaluates_rego() -> None:
    argv = [str(provisioned("opa")), "eval", "--format=raw", "1 + 1"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip() == "2"


def test_squid_refuses_an_unknown_directive(tmp_path: Path) -> None:
    (tmp_path / "squid.conf").write_text("not_a_directive on\nhttp_port 127.0.0.1:3128\n")
    argv = [str(installed_package("squid")), "-k", "parse", "-f", str(tmp_path / "squid.conf")]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "unrecognized" in done.stderr


# Provisioning


def test_a_missing_build_names_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=r"python -m tests\.servers\.provision openbao"):
        provisioned("openbao")


def test_a_missing_toolchain_is_named_with_exit_code_2(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    argv = [sys.executable, "-m", "tests.servers.provision", "openbao"]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("openbao: `go` is missing: install Go")
    assert done.stderr.count("\n") == 1
