"""The runner against the real binaries: events, exit codes, typed errors, deadlines, interrupts, kills."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lifecycle.domain.errors import ConfigurationError, InterruptedRunError, RemoteServiceError, UnsafePlanError
from lifecycle.domain.plan import Action
from lifecycle.domain.secret import SecretText
from lifecycle.terraform_cli.events import ChangeDone, ChangePlanned, ChangeStarted, Event, Summary, ToolStarted
from lifecycle.terraform_cli.failures import ApplyStoppedError
from lifecycle.terraform_cli.plan_reader import read_plan
from lifecycle.terraform_cli.run_records import RunRecords, start_time
from lifecycle.terraform_cli.workplace import RunLimits
from tests.integration.terraform_cli.roots import cli, data, when, write_root

_CANARY = "canary-5519-value"


@pytest.fixture(params=["terraform", "tofu"])
def binary(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(f"{request.param}_binary")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def _gone(pid: int) -> bool:
    return start_time(pid) == 0


def test_plan_show_and_apply_exactly_the_saved_plan(
    binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    events: list[Event] = []
    write_root(root, data("a", "b", output={"name": {"value": "${terraform_data.a.output}"}}))
    terraform = cli(root, binary, terraform_environment, observer=events.append)
    terraform.init()
    assert terraform.state_bytes() == b""
    assert terraform.plan(root / "p") is True
    plan = read_plan(terraform.show(root / "p"))
    assert [(c.address, c.action) for c in plan.changing()] == [
        ("terraform_data.a", Action.CREATE),
        ("terraform_data.b", Action.CREATE),
    ]
    assert terraform.apply(root / "p").addresses == ("terraform_data.a", "terraform_data.b")
    assert terraform.outputs() == {"name": "a"}
    assert terraform.state_identity().serial >= 1
    assert terraform.plan(root / "p2") is False
    assert terraform.version().name == binary.name.partition("-")[0]
    kinds = [type(event) for event in events]
    assert kinds.index(ToolStarted) < kinds.index(ChangePlanned) < kinds.index(ChangeStarted) < kinds.index(ChangeDone)
    assert Summary(operation="apply", add=2, change=0, remove=0) in events


def test_events_arrive_while_the_command_runs(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    gate = root.parent / "gate"
    seen: list[Event] = []

    def observe(event: Event) -> None:
        seen.append(event)
        if isinstance(event, ChangeStarted) and event.address == "terraform_data.b":
            gate.touch()  # the provisioner waits for this: only a live event can open it

    write_root(root, data("a", "b", run=f"until [ -e {gate} ]; do sleep 0.05; done"))
    terraform = cli(root, terraform_binary, terraform_environment, observer=observe)
    terraform.init()
    terraform.plan(root / "p")
    assert terraform.apply(root / "p").addresses == ("terraform_data.a", "terraform_data.b")


def test_a_stale_saved_plan_is_refused(binary: Path, terraform_environment: dict[str, str], root: Path) -> None:
    write_root(root, data("a"))
    terraform = cli(root, binary, terraform_environment)
    terraform.init()
    terraform.plan(root / "p")
    terraform.plan(root / "q")
    terraform.apply(root / "p")
    with pytest.raises(UnsafePlanError, match="stale"):
        terraform.apply(root / "q")


def test_an_apply_that_fails_halfway_names_what_is_done_and_what_is_not(
    binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    document = data("a", "b", "c")
    document["resource"]["terraform_data"]["b"]["provisioner"] = [{"local-exec": {"command": "exit 3"}}]
    write_root(root, document)
    terraform = cli(root, binary, terraform_environment)
    terraform.init()
    terraform.plan(root / "p")
    with pytest.raises(ApplyStoppedError) as stopped:
        terraform.apply(root / "p")
    assert stopped.value.done == ("terraform_data.a",)
    assert stopped.value.open == ("terraform_data.b", "terraform_data.c")
    assert "lifecycle apply --env test" in stopped.value.remedy
    assert RunRecords(root.parent / "runs").all() == ()


def test_a_broken_root_is_the_configurations_fault_with_its_place(
    binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    write_root(root, {"output": {"x": {"value": "${terraform_data.missing.id}"}}})
    terraform = cli(root, binary, terraform_environment)
    terraform.init()
    with pytest.raises(ConfigurationError, match=r"main\.tf\.json:1"):
        terraform.plan(root / "p")
    assert [d.severity for d in terraform.validate()] == ["error"]


def test_a_provider_that_cannot_be_had_is_named_with_a_remedy(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    from lifecycle.terraform_cli.cli_config import ProviderMirror

    needed = {"nothing": {"source": "registry.terraform.io/acme/nothing", "version": "1.0.0"}}
    write_root(root, {"terraform": {"required_providers": needed}})
    (root.parent / "mirror").mkdir()
    mirror = ProviderMirror(folder=root.parent / "mirror", only=True)
    terraform = cli(root, terraform_binary, terraform_environment, mirror=mirror)
    with pytest.raises(ConfigurationError, match="acme/nothing") as missing:
        terraform.init()
    assert "LIFECYCLE_PROVIDER_MIRROR" in missing.value.remedy


def test_ephemeral_variables_reach_the_run_and_no_file(
    binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    document = data("a", variable={"token": {"type": "string", "ephemeral": True}})
    write_root(root, document)
    terraform = cli(root, binary, terraform_environment, variables={"token": SecretText(_CANARY)})
    terraform.init()
    terraform.plan(root / "p")
    terraform.apply(root / "p")
    for path in root.parent.rglob("*"):
        assert not path.is_file() or _CANARY.encode() not in path.read_bytes()
    without = cli(root, binary, terraform_environment)
    with pytest.raises(ConfigurationError, match="variable"):
        without.plan(root / "q")


def test_a_value_in_a_diagnostic_is_not_shown(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    check = {"condition": '${var.token == "x"}', "error_message": "refused ${var.token}"}
    write_root(root, data("a", variable={"token": {"type": "string", "validation": [check]}}))
    terraform = cli(root, terraform_binary, terraform_environment, variables={"token": SecretText(_CANARY)})
    terraform.init()
    with pytest.raises(ConfigurationError) as refused:
        terraform.plan(root / "p")
    assert "refused" in refused.value.message
    assert _CANARY not in refused.value.message


def test_a_deadline_stops_the_run_in_order(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    write_root(root, data("a", "b", run="sleep 60"))
    limits = RunLimits(apply=timedelta(seconds=1), grace=timedelta(seconds=30))
    terraform = cli(root, terraform_binary, terraform_environment, limits=limits)
    terraform.init()
    terraform.plan(root / "p")
    with pytest.raises(RemoteServiceError, match=r"deadline with 1 of 2 changes done; not done: terraform_data\.b"):
        terraform.apply(root / "p")
    assert b"terraform_data" in terraform.state_bytes()
    assert RunRecords(root.parent / "runs").all() == ()


_STUBBORN = """#!/bin/sh
trap '' INT TERM
sh -c 'echo $$ > child; while :; do sleep 0.1; done' &
wait
"""


def test_a_run_that_does_not_stop_is_killed_with_its_children(
    terraform_environment: dict[str, str], root: Path
) -> None:
    """Terraform itself stops; a program that hangs in spite of SIGINT stands in for it."""
    root.mkdir()
    stubborn = root / "terraform"
    stubborn.write_text(_STUBBORN)
    stubborn.chmod(0o755)
    limits = RunLimits(apply=timedelta(seconds=1), grace=timedelta(milliseconds=300))
    terraform = cli(root, stubborn, terraform_environment, limits=limits)
    with pytest.raises(RemoteServiceError, match="deadline") as stopped:
        terraform.apply(root / "p")
    assert "had to be killed" in stopped.value.remedy
    assert _gone(int((root / "child").read_text()))
    assert len(RunRecords(root.parent / "runs").all()) == 1


def test_a_request_to_stop_ends_the_run_in_order(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    begun = root.parent / "begun"
    write_root(root, data("a", "b", run=f"touch {begun}; sleep 60"))
    terraform = cli(root, terraform_binary, terraform_environment, stop=begun.exists)
    terraform.init()
    terraform.plan(root / "p")
    with pytest.raises(InterruptedRunError, match="1 of 2 changes done"):
        terraform.apply(root / "p")
    assert json.loads(terraform.state_bytes())["resources"][0]["name"] == "a"


def test_ctrl_c_ends_the_run_in_order(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    begun = root.parent / "begun"
    write_root(root, data("a", "b", run=f"touch {begun}; sleep 60"))
    program = _program(root, terraform_binary, terraform_environment)
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, start_new_session=True)
    when(begun.exists, lambda: os.kill(process.pid, signal.SIGINT)).join()
    _, error = process.communicate(timeout=60)
    assert b"InterruptedRunError" in error
    assert RunRecords(root.parent / "runs").all() == ()


def test_terraform_stops_in_order_when_the_orchestrator_is_killed(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    begun = root.parent / "begun"
    write_root(root, data("a", "b", run=f"touch {begun}; sleep 60"))
    process = subprocess.Popen([sys.executable, "-c", _program(root, terraform_binary, terraform_environment)])
    when(begun.exists, lambda: os.kill(process.pid, signal.SIGKILL)).join()
    process.wait(60)
    (record,) = RunRecords(root.parent / "runs").all()
    when(lambda: _gone(record.pid), lambda: None).join()
    assert _gone(record.pid)
    terraform = cli(root, terraform_binary, terraform_environment)
    assert json.loads(terraform.state_bytes())["resources"][0]["name"] == "a"
    assert terraform.plan(root / "next") is True


def test_nothing_is_started_when_terraform_is_missing_or_too_old(
    terraform_environment: dict[str, str], root: Path
) -> None:
    root.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be started"):
        cli(root, root / "absent", terraform_environment).version()
    old = root / "old"
    old.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7", "platform": "linux_amd64"}\'\n')
    old.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"1\.5\.7 is too old"):
        cli(root, old, terraform_environment).init()


def test_the_lock_file_decides_the_providers_and_is_not_changed(
    terraform_binary: Path, terraform_environment: dict[str, str], provider_mirror: Path, root: Path
) -> None:
    from lifecycle.terraform_cli.cli_config import ProviderMirror, this_platform

    aws = {"aws": {"source": "registry.terraform.io/hashicorp/aws", "version": "5.100.0"}}
    write_root(root, {"terraform": {"required_providers": aws}})
    options: dict[str, Any] = {"mirror": ProviderMirror(folder=provider_mirror), "platforms": (this_platform(),)}
    terraform = cli(root, terraform_binary, terraform_environment, **options)
    terraform.init()
    locked = (root / ".terraform.lock.hcl").read_text()
    assert "h1:" in locked
    (root / ".terraform.lock.hcl").write_text(locked.replace("h1:", "h1:AAAA"))
    other = cli(root, terraform_binary, terraform_environment, data_dir=root.parent / "data", **options)
    with pytest.raises(ConfigurationError, match=r"(?i)lock") as refused:
        other.init()
    assert "lock" in refused.value.remedy


def test_the_platforms_working_files_can_lie_elsewhere(
    terraform_binary: Path, terraform_environment: dict[str, str], root: Path
) -> None:
    write_root(root, data("a", terraform={"backend": {"local": {"path": str(root.parent / "t.tfstate")}}}))
    terraform = cli(root, terraform_binary, terraform_environment, data_dir=root.parent / "data")
    terraform.init()
    terraform.plan(root.parent / "p")
    assert (root.parent / "data").is_dir()
    assert [path.name for path in root.iterdir()] == ["main.tf.json"]


def _program(root: Path, binary: Path, environment: dict[str, str]) -> str:
    return textwrap.dedent(
        f"""
        from pathlib import Path
        from tests.integration.terraform_cli.roots import cli
        root = Path({str(root)!r})
        terraform = cli(root, Path({str(binary)!r}), {environment!r})
        terraform.init()
        terraform.plan(root / "p")
        terraform.apply(root / "p")
        """
    )
