"""What is wrong is said in one place, with the exit code that belongs to it, before anything is started."""

from __future__ import annotations

import os
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.checkout import Checkout
from tests.end_to_end.outside import Outside

# -- documents: exit 2, every place listed, nothing started

WRONG_DOCUMENTS = {
    "broken YAML": ("agents: {a: [}\n", r"extra\.yaml:1:\d+", ""),
    "unknown key": ("agnets: {}\n", r"extra\.yaml:1:1", "agents"),
    "wrong type": ("approvals: {required: many, group: a}\n", r"extra\.yaml:1:\d+", "required"),
    "dangling reference": (
        "connectors:\n  lost: {kind: datarobot, credential: no-such-key}\n",
        r"extra\.yaml:2:\d+",
        "no-such-key",
    ),
    "duplicate name": (
        "connectors:\n  datarobot-api: {kind: datarobot, credential: datarobot-agent-key}\n",
        r"extra\.yaml:2:\d+",
        "datarobot-api",
    ),
    "duplicate key": ("owner: a\nowner: b\n", r"extra\.yaml:2:1", "owner"),
    "a tab": ("agents:\n\ta: {}\n", r"extra\.yaml:2:\d+", ""),
}


@pytest.mark.parametrize("name", sorted(WRONG_DOCUMENTS))
def test_a_wrong_document_is_refused_with_its_place(checkout: Checkout, name: str) -> None:
    text, place, named = WRONG_DOCUMENTS[name]
    checkout.add("extra.yaml", text)
    refused = checkout.run("apply")
    assert refused.code == 2, refused.text
    assert re.search(place, refused.err) and named in refused.err, refused.err
    assert checkout.processes() == {}, "nothing was started"


def test_every_place_of_every_file_is_listed_at_once(checkout: Checkout) -> None:
    checkout.add("extra.yaml", "agnets: {}\nconectors: {}\n")
    checkout.add("more.yaml", "credentails: {}\n")
    refused = checkout.run("apply")
    assert refused.code == 2
    places = ("extra.yaml:1:1", "extra.yaml:2:1", "more.yaml:1:1")
    assert [place for place in places if place not in refused.err] == [], refused.err
    document = checkout.run("apply", "--output", "json").document
    assert len(document["problems"]) == len(places) and document["exit_code"] == 2


def test_a_literal_secret_is_refused_and_not_printed(checkout: Checkout) -> None:
    secret = "AKIA" + "QWERTYUIOPASDFGH"
    checkout.edit("environment.yaml", "owner: ml-platform", f"owner: {secret}")
    refused = checkout.run("check")
    assert refused.code == 2 and "environment.yaml:5:" in refused.err, refused.text
    assert secret not in refused.text


# -- the machine: exit 2


def test_without_terraform_one_line_says_how_to_get_it(checkout: Checkout, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    refused = checkout.run("apply", env={"PATH": str(empty), "LIFECYCLE_TERRAFORM": ""})
    assert refused.code == 2 and "terraform" in refused.err and "install" in refused.err, refused.text
    assert "Traceback" not in refused.text


def test_a_terraform_that_is_too_old_is_refused(checkout: Checkout, tmp_path: Path) -> None:
    old = tmp_path / "terraform"
    old.write_text('#!/bin/sh\nprintf \'{"terraform_version": "1.5.7", "platform": "linux_amd64"}\'\n')
    old.chmod(0o755)
    refused = checkout.run("apply", env={"LIFECYCLE_TERRAFORM": str(old)})
    assert refused.code == 2 and "1.5.7" in refused.err and "1.11" in refused.err, refused.text


def test_without_the_provider_it_says_what_is_needed(checkout: Checkout, tmp_path: Path) -> None:
    empty = tmp_path / "mirror"
    empty.mkdir()
    refused = checkout.run("apply", env={"LIFECYCLE_PROVIDER_MIRROR": str(empty)})
    assert refused.code == 2 and "hashicorp/aws" in refused.err and "next: " in refused.err, refused.text


@pytest.mark.parametrize("name", ["TF_LOG", "TF_LOG_PROVIDER"])
def test_terraform_logging_is_refused(checkout: Checkout, name: str) -> None:
    refused = checkout.run("apply", env={name: "TRACE"})
    assert refused.code == 2 and name in refused.err, refused.text


def test_a_state_directory_that_cannot_be_written_is_named(checkout: Checkout) -> None:
    blocked = checkout.base / "blocked"
    blocked.write_text("a file, where a folder should be")
    refused = checkout.run("apply", env={"LIFECYCLE_STATE_DIR": str(blocked / "state")})
    assert refused.code == 2 and str(blocked) in refused.err and "LIFECYCLE_STATE_DIR" in refused.err, refused.text


@pytest.mark.parametrize("env", ["", "sandbx"])
def test_an_environment_that_does_not_exist_is_answered_with_those_that_do(checkout: Checkout, env: str) -> None:
    refused = checkout.run("--env", env, "check") if env else checkout.run("--env", "nowhere", "apply")
    assert refused.code == 2 and "sandbox, sandbox-vault" in refused.err, refused.text


def test_a_wrong_setting_is_named_without_its_value(checkout: Checkout) -> None:
    refused = checkout.run("check", env={"LIFECYCLE_CONCURRENCY": "many-hunter2"})
    assert refused.code == 2 and "LIFECYCLE_CONCURRENCY" in refused.err, refused.text
    assert "hunter2" not in refused.text


# -- the outside: exit 3


def test_an_endpoint_that_is_down_is_named(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    checkout.add(
        "far.yaml",
        'datarobot:\n  far: {endpoint: "http://127.0.0.1:9", api_version: "2.49"}\n'
        "connectors:\n  far-api: {kind: datarobot, datarobot: far, credential: datarobot-agent-key}\n",
    )
    down = checkout.run("verify", "far-api")
    told = r"^far-api +indeterminate .*connection refused .* at 127\.0\.0\.1:9 as credential datarobot-agent-key\b"
    assert down.code == 3 and re.search(told, down.out, re.MULTILINE) and "next: " in down.out, down.text
    (asked,) = checkout.run("verify", "far-api", "--output", "json").document["connectors"]
    assert (asked["endpoint"], asked["identity"]) == ("127.0.0.1:9", "credential datarobot-agent-key")


FAR_ENVIRONMENT = """\
version: 1
environment: far
owner: ml-platform
aws: {account_id: "123456789012", region: eu-west-1, endpoint: "http://127.0.0.1:9"}
backend: {s3: {bucket: far-tfstate, key: far.tfstate, region: eu-west-1}}
secret_stores:
  default: {aws_secrets_manager: {prefix: lifecycle/far}}
journal: {dynamodb: {table: lifecycle-journal}}
service_accounts:
  reader:
    platform: aws
    purpose: test of a dead endpoint
    trust: {service: ecs-tasks}
    permissions: [{actions: ["s3:GetObject"], resources: ["arn:aws:s3:::far-features/*"]}]
"""


def test_an_account_that_cannot_be_reached_is_named(checkout: Checkout) -> None:
    far = checkout.root / "environments" / "far"
    far.mkdir()
    (far / "environment.yaml").write_text(FAR_ENVIRONMENT)
    login = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    unpinned = checkout.run("--env", "far", "plan", env=login)
    assert unpinned.code == 5 and "no policy bundle is pinned" in unpinned.err, unpinned.text
    login["LIFECYCLE_POLICY_DIGEST"] = re.findall("sha256:[0-9a-f]{64}", unpinned.err)[0]
    down = checkout.run("--env", "far", "plan", env=login)
    assert down.code == 3 and "next: " in down.err, down.text
    assert "(http://127.0.0.1:9): connection refused" in down.err, down.text


def test_a_state_that_cannot_be_had_is_named_with_endpoint_and_identity(checkout: Checkout) -> None:
    checkout.run("sandbox", "up", ok=True)
    outside = Outside.of(checkout)
    admin = outside.bootstrap["aws"]["access_key_id"]
    who = f"at {outside.urls['aws']} as access key {admin}"
    outside.aws("s3").delete_bucket(Bucket="lifecycle-sandbox-tfstate")
    absent = checkout.run("apply")
    assert absent.code == 3 and "next: " in absent.err, absent.text
    assert f"(state in s3://lifecycle-sandbox-tfstate/sandbox.tfstate {who})" in absent.err, absent.text
    outside.aws("iam").update_access_key(UserName="lifecycle-sandbox-admin", AccessKeyId=admin, Status="Inactive")
    refused = checkout.run("apply")
    assert refused.code == 3 and who in refused.err and "next: check the AWS login" in refused.err, refused.text
    assert checkout.journal() == {} and checkout.strangers() == {}


# -- the provider: exit 4


@pytest.mark.timeout(1200)
def test_a_provider_error_amid_the_apply_says_what_is_done_and_how_to_go_on(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    outside = Outside.of(checkout)
    names = [f"batch-{number}" for number in range(8)]
    entry = "{platform: aws, principal: user, purpose: test of faults, permissions: [{actions: [s3:GetObject], "
    entry += 'resources: ["arn:aws:s3:::lifecycle-sandbox-features/*"]}]}'
    accounts = "".join(f"  {name}: {entry}\n" for name in names)
    checkout.add("batch.yaml", f"terraform: {{parallelism: 1}}\nservice_accounts:\n{accounts}")

    def made() -> set[str]:
        users = (user["UserName"] for user in outside.aws("iam").list_users()["Users"])
        return {name for name in users if name.startswith("sandbox-batch-")}

    applying = checkout.start("apply")
    applying.until(lambda: any("terraform apply " in line for line in checkout.strangers().values()), "terraform apply")
    # Every call of AWS's query and JSON protocols is a POST of this path; the state, in S3, is not.
    outside.fault("aws", method="POST", path="/", delay_seconds=0.1, times=None)  # one by one, and not too fast for us
    applying.until(lambda: bool(made()), "the first user")
    outside.no_faults("aws")
    outside.fault("aws", method="POST", path="/", status=400, times=None)
    stopped = applying.finish()
    outside.no_faults("aws")
    assert stopped.code == 4, stopped.text
    told = re.search(r"Done: (.*)\. Not done: (.*)\n +next: .*lifecycle apply --env sandbox", stopped.err)
    assert told is not None, stopped.err
    done, left = ({item for item in part.split(", ") if item != "nothing"} for part in told.groups())
    assert left and not done & left, told.groups()
    assert {f"sandbox-{item.split('_', 2)[2].split('.')[0]}" for item in done} <= made(), told.groups()
    assert checkout.strangers() == {} and not outside.state_is_locked()
    finished = checkout.run("apply", ok=True)
    assert "stopped: " in finished.err and "carrying on" in finished.err, finished.text
    assert made() == {f"sandbox-{name}" for name in names} and checkout.litter() == []
    assert checkout.run("plan", "--detailed-exitcode").code == 0


# -- a reviewed plan: exit 5


@pytest.mark.timeout(1200)
def test_a_plan_that_is_not_what_was_reviewed_is_refused_by_name(checkout: Checkout) -> None:
    folder = checkout.base / "reviewed"
    checkout.run("plan", "--out", str(folder), ok=True)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}

    def refused(named: str) -> None:
        result = checkout.run("apply", "--plan", str(folder))
        assert result.code == 5 and named in result.err and "next: " in result.err, result.text

    (folder / "plan.bin").write_bytes(kept["plan.bin"] + b" ")
    refused("digest of plan")
    (folder / "plan.bin").write_bytes(kept["plan.bin"])
    for name in ("manifest.json", "review.json"):
        (folder / name).write_bytes(kept[name].replace(b"sandbox", b"sandbix", 1))
        refused(f"{name} was edited")
        (folder / name).write_bytes(kept[name])
    access = checkout.spec / "access.yaml"
    spec = access.read_bytes()
    access.write_bytes(spec.replace(b"RA-17", b"RA-18"))
    refused("digest of spec")
    access.write_bytes(spec)
    environment = checkout.spec / "environment.yaml"
    account = environment.read_bytes()
    environment.write_bytes(account.replace(b'"123456789012"', b'"210987654321"'))
    refused("digest of spec")
    other = checkout.run("plan")
    assert other.code == 5 and "AWS account ID not allowed: 123456789012" in other.err, other.text
    assert "aws.account_id" in other.err, other.text
    environment.write_bytes(account)
    rules = next((checkout.root / "policies" / "rules").glob("*.yaml"))
    text = rules.read_bytes()
    rules.write_bytes(text + b"\n# edited\n")
    refused(" is pinned")
    rules.write_bytes(text)
    module = next((checkout.root / "terraform" / "modules").glob("*/main.tf"))
    code = module.read_bytes()
    module.write_bytes(code + b"\n# edited\n")
    refused("digest of modules")
    module.write_bytes(code)
    assert checkout.journal() == {}, "nothing was issued"
    checkout.run("apply", "--plan", str(folder), ok=True)


# -- one run at a time


def test_the_second_of_two_runs_names_the_first(checkout: Checkout) -> None:
    first = checkout.start("apply")
    first.until(lambda: "aws" in checkout.servers(), "the sandbox")
    second = checkout.run("apply")
    assert second.code == 4 and f"process {first.popen.pid}" in second.err, second.text
    assert first.finish().code == 0


# -- two users, and a checkout of somebody else


def _without_the_rights_of_root() -> list[str]:
    """What root must put in front of a command to meet the permissions of files as others do."""
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}", "--"] if os.geteuid() == 0 else []


@pytest.mark.timeout(1200)
def test_two_users_of_one_checkout_do_not_meet_and_a_foreign_checkout_is_named(checkout: Checkout) -> None:
    second = {"LIFECYCLE_STATE_DIR": str(checkout.base / "state-of-the-second")}
    running = checkout.start("apply")
    checkout.run("apply", ok=True, env=second)
    assert running.finish().code == 0, "each has servers, state and locks of their own"
    checkout.run("sandbox", "down", ok=True, env=second)
    assert checkout.servers(), "those of the first user go on"
    # Nothing is written as long as nothing changed, so somebody else's checkout can be used.
    places = [checkout.root, *checkout.root.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    foreign = _without_the_rights_of_root()
    same = checkout.run("plan", prefix=foreign)
    assert same.code == 0 and "no changes" in same.err, same.text
    network = checkout.spec / "network.yaml"
    network.chmod(0o644)
    checkout.edit("network.yaml", "cpu: 256, memory: 512", "cpu: 512, memory: 1024")
    refused = checkout.run("apply", prefix=foreign)
    assert refused.code == 2 and "main.tf.json could not be written: Permission denied" in refused.err, refused.text
    assert "next: " in refused.err and checkout.strangers() == {} and checkout.litter() == []


# -- a full disk: refused before the effect


def _small_files(limit: int) -> Callable[[], None]:
    """Makes a process whose files cannot grow beyond so many bytes."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limited


@pytest.mark.timeout(1200)
def test_a_full_disk_stops_the_apply_before_the_effect(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    checkout.edit("network.yaml", "cpu: 256, memory: 512", "cpu: 512, memory: 1024")
    serial = checkout.run("plan", "--detailed-exitcode")
    assert serial.code == 6, serial.text
    # Enough for the plan, not for the room of a receipt.
    refused = checkout.run("apply", preexec_fn=_small_files(1_000_000))
    assert refused.code == 2 and "no room for the receipt" in refused.err, refused.text
    assert checkout.strangers() == {} and checkout.litter() == []
    assert checkout.run("plan", "--detailed-exitcode").code == 6, "nothing was applied"
    done = checkout.run("apply", ok=True)
    assert "resume" not in done.err


@pytest.mark.timeout(1200)
def test_a_full_disk_under_the_journal_leaves_no_effect_without_a_record(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    outside, name = Outside.of(checkout), "feature-reader-key"
    before, keys = checkout.journal(), outside.access_keys("sandbox-feature-reader")
    # Nothing fits: refused before anything is asked for.
    refused = checkout.run("rotate", "apply", name, preexec_fn=_small_files(2_000))
    assert refused.code == 4 and "journal.sqlite3" in refused.err and "next: free disk space" in refused.err, (
        refused.text
    )
    assert checkout.journal() == before and outside.access_keys("sandbox-feature-reader") == keys
    # A few records fit: what was done stands in the journal, so the next run finishes it.
    stopped = checkout.run("rotate", "apply", name, preexec_fn=_small_files(40_000))
    assert stopped.code == 4 and "disk space" in stopped.text, stopped.text
    assert checkout.journal()[name]["sequence"] > before[name]["sequence"], "the intent came first"
    checkout.run("rotate", "resume", "--wait", ok=True)
    current = outside.current(name)
    assert checkout.journal()[name]["state"] == "CLOSED" and outside.works(name, current)
    assert outside.access_keys("sandbox-feature-reader") == {current["access_key_id"]}
