"""Least policies of the tool's identities: exact, bounded, and judged by the same semantics as everybody else's."""

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.bootstrap import rehearsal
from lifecycle.cli.app import run
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.policy import Severity
from lifecycle.operations import rehearse_rotation
from lifecycle.policy_engine import generate_names
from lifecycle.policy_engine.generate import IDENTITIES, LONGEST, generate_policies, residual_risks
from lifecycle.policy_engine.iam_documents import parse_document
from lifecycle.policy_engine.iam_semantics import IamIdentity, Outcome, decide
from lifecycle.policy_engine.iam_semantics_match import expand, takes_resource
from lifecycle.policy_engine.iam_semantics_rights import escalations
from lifecycle.policy_engine.iam_words import secret_arn
from lifecycle.policy_engine.vault_acl import AclPolicy, parse_acl_policy
from lifecycle.policy_engine.vault_acl_match import compile_acl
from lifecycle.policy_engine.vault_acl_rules import KvMount, vault_findings
from tests.unit.policy_engine.generated_spec import ACCOUNT, reference_spec

_DATA = Path(__file__).parents[3] / "policies/data"
_TABLE = json.loads((_DATA / "iam_actions.json").read_text(encoding="utf-8"))
_COMBINATIONS = json.loads((_DATA / "iam_escalation_paths.json").read_text(encoding="utf-8"))
_VAULT_PATHS = json.loads((_DATA / "vault_paths.json").read_text(encoding="utf-8"))
_FILES = generate_policies(reference_spec())
_AWS = sorted(path for path in _FILES if path.endswith(".json"))
_HCL = sorted(path for path in _FILES if path.endswith(".hcl"))


def _statements(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_FILES[path])["Statement"]
    return found


def _identity(name: str) -> IamIdentity:
    document = parse_document(_FILES[f"reference/aws/{name}.json"])
    return IamIdentity(kind="role", name=name, arn=f"arn:aws:iam::{ACCOUNT}:role/lifecycle-{name}", statements=document)


def _policy(path: str) -> AclPolicy:
    return parse_acl_policy(_FILES[path], name=Path(path).stem, file=path)


def test_the_kept_files_are_what_the_environment_reference_gives(capsys: pytest.CaptureFixture[str]) -> None:
    root = str(Path(__file__).parents[3])
    code = run(["policy", "generate", "--check", "--env", "reference", "--root", root])
    assert (code, capsys.readouterr().out) == (0, "generated rights are current\n")


def test_every_identity_has_its_own_policies() -> None:
    assert {Path(path).stem for path in _AWS} == set(IDENTITIES)
    assert {Path(path).stem for path in _HCL} == set(IDENTITIES)


@pytest.mark.parametrize("path", _AWS)
def test_no_allowed_resource_is_everything_unless_aws_takes_nothing_narrower(path: str) -> None:
    for statement in _statements(path):
        assert "NotAction" not in statement and "NotResource" not in statement
        if statement["Effect"] == "Deny":
            continue
        for action in statement["Action"]:
            known = expand(action, _TABLE)
            assert known.complete and known.actions == {action.lower()}, action
            assert takes_resource(action, _TABLE) is (statement["Resource"] != ["*"]), action
        if statement["Resource"] == ["*"]:
            assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
        assert all(resource == "*" or not resource.endswith(":*:*") for resource in statement["Resource"])


@pytest.mark.parametrize("path", _AWS)
def test_each_statement_has_a_name_of_its_own(path: str) -> None:
    names = [statement["Sid"] for statement in _statements(path)]
    assert len(names) == len(set(names))
    assert all(name.isalnum() for name in names)


@pytest.mark.parametrize("path", _AWS)
def test_policies_fit_into_what_aws_stores(path: str) -> None:
    assert len("".join(_FILES[path].split())) <= LONGEST


def _many(count: int) -> dict[str, Any]:
    settings = {"service_account": "feature-reader"}
    entry = {"kind": "aws_iam_access_key", "settings": settings, "reason": "many of them"}
    return {f"credential-number-{number}": entry for number in range(count)}


def test_more_secrets_than_a_policy_can_list_are_named_by_their_prefix_and_said_to_be() -> None:
    files = generate_policies(reference_spec(credentials=_many(200)))
    rotate = json.loads(files["reference/aws/rotate.json"])["Statement"]
    assert rotate[0]["Resource"] == [f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:datarobot/reference/*"]
    assert all(len("".join(text.split())) <= LONGEST for path, text in files.items() if path.endswith(".json"))
    assert "named by prefix" in files["reference/README.md"]


def test_without_a_prefix_too_many_secrets_are_refused() -> None:
    store = {"kind": "aws_secrets_manager", "settings": {"prefix": None}}
    with pytest.raises(ConfigurationError, match="AWS stores 10240"):
        generate_policies(reference_spec(credentials=_many(200), secret_stores={"default": store}))


@pytest.mark.parametrize("name", sorted(IDENTITIES))
def test_only_rotate_and_verify_read_values_and_only_of_this_environment(name: str) -> None:
    own = secret_arn("eu-west-1", ACCOUNT, "datarobot/reference/feature-reader-key")
    other = secret_arn("eu-west-1", ACCOUNT, "datarobot/reference2/feature-reader-key")
    longer = secret_arn("eu-west-1", ACCOUNT, "datarobot/reference/feature-reader-key-of-others")
    reads = decide(_identity(name), "secretsmanager:GetSecretValue", own).possible
    assert reads is (name in ("rotate", "verify"))
    assert not decide(_identity(name), "secretsmanager:GetSecretValue", other).possible
    assert not decide(_identity(name), "secretsmanager:GetSecretValue", longer).possible


def test_apply_makes_identities_only_below_the_prefix_and_with_the_boundary() -> None:
    apply = _identity("apply")
    inside = decide(apply, "iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/reference-scoring")
    assert inside.only_if == (f"StringEquals iam:PermissionsBoundary arn:aws:iam::{ACCOUNT}:policy/lifecycle-boundary",)
    assert not decide(apply, "iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin").possible
    for action in ("iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"):
        assert decide(apply, action, f"arn:aws:iam::{ACCOUNT}:role/reference-scoring").outcome is Outcome.DENIED
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/lifecycle-boundary"
    assert decide(apply, "iam:CreatePolicyVersion", boundary).outcome is Outcome.DENIED
    own = f"arn:aws:iam::{ACCOUNT}:role/lifecycle-apply"
    assert decide(apply, "iam:PutRolePolicy", own).outcome is Outcome.DENIED
    assert decide(apply, "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/reference-x").outcome is Outcome.CONDITIONAL


def test_what_can_escalate_is_exactly_what_the_list_of_residual_risks_says() -> None:
    found = {
        name: {(item.id, item.conditional) for item in escalations(_identity(name), _TABLE, _COMBINATIONS)}
        for name in IDENTITIES
    }
    assert found == {
        "plan": set(),
        "apply": {
            ("put-role", True),
            ("put-user", True),
            ("trust", False),
            ("pass-ecs-service", True),
            ("pass-ecs-create", True),
            ("secret-policy", False),
        },
        "rotate": {("access-key", False)},
        "verify": set(),
        "audit": set(),
        "report": set(),
    }
    risks = _FILES["reference/README.md"]
    assert "who makes keys for a user can act as that user" in risks
    assert "it decides who may assume the roles of this environment" in risks
    assert "it decides who may read the secrets of this environment" in risks


def test_without_a_boundary_no_rights_to_make_roles_are_written() -> None:
    with pytest.raises(ConfigurationError, match="permissions_boundary is not set") as caught:
        generate_policies(reference_spec(aws={"permissions_boundary": None}))
    assert "boundary policy" in caught.value.remedy


def test_services_keys_and_secrets_of_every_spelling_are_named_exactly() -> None:
    place = {"file": "environment.yaml", "line": 1, "column": 1}
    settings = {"cluster": "arn:aws:ecs:eu-west-1:1:cluster/own", "service": "web"}
    services = [{"kind": "ecs_service", "settings": settings, "place": place}]
    spec = reference_spec(
        backend={"kind": "local", "settings": {}},
        secret_stores={"default": {"settings": {"kms_key": "0ab", "region": "us-east-1"}}},
        credentials={"feature-reader-key": {"deliver_to": services, "settings": {"user": "legacy"}}},
        agents=None,
        service_accounts=None,
        allowlists=None,
        journal=None,
        aws={"permissions_boundary": None},
        connectors=None,
    )
    files = generate_policies(spec)
    found = {item["Sid"]: item["Resource"] for item in json.loads(files["reference/aws/rotate.json"])["Statement"]}
    assert found["RestartServices"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/own/web"]
    assert found["MakeKeys"] == [f"arn:aws:iam::{ACCOUNT}:user/legacy"]
    assert found["UseKeys"] == [f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0ab"]
    assert found["MakeSecrets"][-1].startswith(
        f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:datarobot/reference/"
    )
    plan = {item["Sid"] for item in json.loads(files["reference/aws/plan.json"])["Statement"]}
    assert plan == {"SeeSecrets", "SeeWhatHasNoName", "ReadPin"}
    assert "reference/aws/verify.json" not in files


def _delivered(*chosen: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    place = {"file": "environment.yaml", "line": 1, "column": 1}
    return {"deliver_to": [{"kind": kind, "settings": settings, "place": place} for kind, settings in chosen]}


def test_notes_keys_and_logins_of_destinations_and_declared_copies_are_named_exactly() -> None:
    arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:acme"
    entry = _delivered(
        ("file", {"path": "x"}),
        ("secrets_manager_copy", {"name": "acme/made", "create": True}),
        ("secrets_manager_copy", {"name": f"{arn}/theirs"}),
        ("webhook", {"url": "https://hooks.acme.example"}),
        ("jenkins_credential", {"login": "jenkins"}),
    )
    files = generate_policies(reference_spec(credentials={"feature-reader-key": entry}))
    found = {item["Sid"]: item["Resource"] for item in json.loads(files["reference/aws/rotate.json"])["Statement"]}
    assert found["CopyValues"] == [f"{arn}/made-??????", f"{arn}/theirs", f"{arn}/theirs-??????"]
    assert found["MakeCopies"] == [f"{arn}/made-??????"]
    own = [item.rpartition("/feature-reader-key-")[2] for item in found["MakeSecrets"] if "reader-key-" in item]
    kinds = ("jenkins_credential-5", "secrets_manager_copy-2", "secrets_manager_copy-3", "webhook-4")
    assert own == [*(f"delivery-{kind}-??????" for kind in kinds), "webhook-key-??????"]
    assert [item.endswith("/jenkins-??????") for item in found["ReadLogins"]] == [True]


def test_rotation_functions_and_their_secrets_are_named_exactly() -> None:
    function = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:rotate-database"
    arn = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:theirs"
    entries = {
        name: {
            "kind": "aws_rotation_function",
            "settings": {"secret": secret, "function": function},
            "reason": "RA-17",
            **{key: value for key, value in reference_spec().credentials["agent-key"] if key in ("place", "owner")},
            "name": name,
        }
        for name, secret in (("by-name", "theirs/database"), ("by-arn", f"{arn}/other-AbCdEf"))
    }
    files = generate_policies(reference_spec(credentials=entries))
    found = {item["Sid"]: item["Resource"] for item in json.loads(files["reference/aws/rotate.json"])["Statement"]}
    assert found["StartFunctions"] == [f"{arn}/database-??????", f"{arn}/other-AbCdEf"]
    assert found["RunFunctions"] == [function]


def test_vault_policy_reads_the_login_of_a_destination_and_does_not_write_it() -> None:
    store = {"kind": "vault", "settings": {"mount": "kv", "prefix": "acme"}}
    entry = _delivered(("github_actions_secret", {"login": "github"}))
    spec = reference_spec(
        aws=None,
        secret_stores={"default": store, "vault": None},
        credentials={"pipeline-oauth": None, "feature-reader-key": entry},
    )
    written = generate_policies(spec)["reference/vault/default/rotate.hcl"]
    assert '"kv/data/acme/github" {\n  capabilities = ["read"]' in written
    assert '"kv/data/acme/feature-reader-key-delivery-github_actions_secret-1" {' in written


def test_without_aws_only_vault_policies_are_written() -> None:
    store = {"kind": "vault", "settings": {"mount": "kv", "prefix": "datarobot/reference"}}
    spec = reference_spec(
        aws=None, secret_stores={"default": store, "vault": None}, credentials={"pipeline-oauth": None}
    )
    files = generate_policies(spec)
    assert {path.rpartition(".")[2] for path in files} == {"hcl", "md", "yaml"}
    assert [path for path in files if path.endswith(".yaml")] == ["reference/datarobot/rotate.yaml"]


def test_the_user_at_datarobot_has_its_role_and_calls_written_down_and_the_role_is_a_residual_risk() -> None:
    text = _FILES["reference/datarobot/rotate.yaml"]
    assert "organisation administrator" in text and "makes_keys_for: [svc-mlops@acme.example]" in text
    assert any("DataRobot" in risk for risk in residual_risks(reference_spec()))
    assert "reference/datarobot/rotate.yaml" not in generate_policies(reference_spec(credentials={"agent-key": None}))


@pytest.mark.parametrize("path", _HCL)
def test_vault_policies_stay_in_their_environment_and_pass_their_own_review(path: str) -> None:
    findings = vault_findings(
        (_policy(path),), mounts=(KvMount(path="kv", prefix="datarobot/reference"),), table=_VAULT_PATHS
    )
    assert [finding.message for finding in findings if finding.severity is Severity.ERROR] == []
    allowed = "destroys all versions of a secret for good (delete on metadata/)"
    assert {finding.message.partition('" ')[2] for finding in findings} <= {allowed}


def test_vault_identities_that_look_do_not_read_and_none_writes_beyond_its_paths() -> None:
    value = "kv/data/datarobot/reference/pipeline-oauth"
    may = {Path(path).stem: compile_acl([_policy(path)]).capabilities(value) for path in _HCL}
    assert may == {
        "plan": {"deny"},
        "apply": {"deny"},
        "rotate": {"create", "read", "update"},
        "verify": {"read"},
        "audit": {"deny"},
        "report": {"deny"},
    }
    rotate = compile_acl([_policy("reference/vault/vault/rotate.hcl")])
    assert rotate.capabilities("kv/data/datarobot/reference/other") == {"deny"}
    assert rotate.capabilities("kv/metadata/datarobot/reference/pipeline-oauth") == {"delete"}


def test_nobody_may_move_the_pin_and_whoever_judges_may_read_it() -> None:
    parameter = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/lifecycle-policy/reference"
    secret = "kv/data/datarobot/reference/lifecycle.policy"
    for name in IDENTITIES:
        reads = name in ("plan", "apply", "rotate")
        assert decide(_identity(name), "ssm:GetParameter", parameter).possible is reads
        assert not decide(_identity(name), "ssm:PutParameter", parameter).possible
        held = compile_acl([_policy(f"reference/vault/vault/{name}.hcl")]).capabilities(secret)
        assert held == ({"read"} if reads else {"deny"})
    assert f"LIFECYCLE_POLICY_PIN=ssm:{parameter}" in _FILES["reference/README.md"]
    assert f"/v1/{secret}" in _FILES["reference/README.md"]


def test_only_the_auditor_signs_and_it_deletes_nothing() -> None:
    key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0ab"
    spec = reference_spec(
        audit={"signer": {"aws_kms": key}, "write_once": {"bucket": "acme-heads", "prefix": "reference"}}
    )
    files = generate_policies(spec)
    for name in IDENTITIES:
        document = parse_document(files[f"reference/aws/{name}.json"])
        who = IamIdentity(kind="role", name=name, arn=f"arn:aws:iam::{ACCOUNT}:role/{name}", statements=document)
        assert decide(who, "kms:Sign", key).possible is (name == "audit")
        assert decide(who, "s3:PutObject", "arn:aws:s3:::acme-heads/reference/1.json").possible is (name == "audit")
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
            assert not decide(who, action, "arn:aws:s3:::acme-heads/reference/1.json").possible
    aliased = generate_policies(reference_spec(audit={"signer": {"aws_kms": "alias/heads"}}))
    assert '"kms:ResourceAliases": [\n            "alias/heads"' in aliased["reference/aws/audit.json"]


def test_what_can_be_rehearsed_is_what_the_rehearsal_takes() -> None:
    assert generate_names.REHEARSED == rehearsal._BESIDE
    assert generate_names.SHADOW == rehearse_rotation.SHADOW
