"""What python_terraform 0.10.1 would do, row by row of the fact sheet, and what it does here."""

import logging
from pathlib import Path
from typing import Any

import pytest
from python_terraform import IsFlagged, Terraform, VariableFiles

from lifecycle.terraform_cli.runner import ArgvBuilder


@pytest.fixture
def builder() -> ArgvBuilder:
    return ArgvBuilder(terraform_bin_path="terraform")


def test_json_streaming_the_flag_passes_and_nothing_is_run(builder: ArgvBuilder) -> None:
    assert builder.argv("plan", json=IsFlagged) == ["terraform", "plan", "-json"]


def test_detailed_exitcode_is_ours_to_ask_for(builder: ArgvBuilder) -> None:
    assert builder.argv("plan") == ["terraform", "plan"]
    assert builder.argv("plan", detailed_exitcode=IsFlagged)[2:] == ["-detailed-exitcode"]


def test_a_saved_plan_is_applied_without_a_variable_file(builder: ArgvBuilder) -> None:
    assert builder.argv("apply", "p.bin", input=False) == ["terraform", "apply", "-input=false", "p.bin"]


def test_destroy_cannot_send_the_force_flag_that_terraform_dropped(builder: ArgvBuilder) -> None:
    with pytest.raises(TypeError, match="runs nothing"):
        builder.destroy("dir")
    assert builder.argv("plan", destroy=IsFlagged) == ["terraform", "plan", "-destroy"]


@pytest.mark.parametrize("method", ["apply", "plan", "init", "cmd", "set_workspace"])
def test_timeout_cancel_and_signals_nothing_runs_outside_our_supervision(builder: ArgvBuilder, method: str) -> None:
    arguments = ["x"] if method in {"cmd", "set_workspace"} else []
    with pytest.raises(TypeError, match="runs nothing"):
        getattr(builder, method)(*arguments)


def test_async_is_refused_before_it_becomes_a_flag(builder: ArgvBuilder) -> None:
    with pytest.raises(TypeError, match="runs nothing"):
        builder.plan(synchronous=False)


def test_environment_the_builder_reads_none(builder: ArgvBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = builder.argv("plan")
    monkeypatch.setenv("TF_CLI_ARGS", "-lock=false")
    assert builder.argv("plan") == before


@pytest.mark.parametrize("option", ["backend_config", "var"])
def test_secrets_in_argv_a_dict_is_refused(builder: ArgvBuilder, option: str) -> None:
    with pytest.raises(TypeError, match="never dicts"):
        builder.argv("init", **{option: {"secret_key": "canary"}})


def test_secrets_in_logs_its_logger_is_silent(builder: ArgvBuilder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    builder.argv("plan", out="p")
    assert logging.getLogger("python_terraform").getEffectiveLevel() == logging.CRITICAL
    assert not [record for record in caplog.records if record.name.startswith("python_terraform")]


def test_output_with_a_name_is_refused_instead_of_failing_on_the_old_shape(builder: ArgvBuilder) -> None:
    with pytest.raises(TypeError, match="runs nothing"):
        builder.output("name")


def test_typos_are_no_subcommands(builder: ArgvBuilder) -> None:
    assert not hasattr(builder, "aply")
    with pytest.raises(AttributeError):
        builder.aply()
    assert hasattr(Terraform(), "aply")  # why the override is there


def test_state_is_not_loaded_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "terraform.tfstate").write_text('{"canary": 1}')
    monkeypatch.chdir(tmp_path)
    assert ArgvBuilder().tfstate is None


def test_no_variable_file_is_ever_made(monkeypatch: pytest.MonkeyPatch, builder: ArgvBuilder) -> None:
    made: list[Any] = []
    monkeypatch.setattr(VariableFiles, "create", lambda _self, values: made.append(values))
    with pytest.raises(TypeError):
        builder.argv("plan", var={})
    assert made == []


def test_lists_repeat_an_option(builder: ArgvBuilder) -> None:
    argv = builder.argv("providers lock", fs_mirror="m", platform=["linux_amd64", "darwin_arm64"])
    assert argv == ["terraform", "providers", "lock", "-fs-mirror=m", "-platform=linux_amd64", "-platform=darwin_arm64"]
