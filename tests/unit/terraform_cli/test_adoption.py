"""What a killed apply made: on the disk at once, dropped when Terraform ended by itself, imported by the next plan."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifecycle.terraform_cli.adoption import adoption, ids_in_state, import_id, type_of
from lifecycle.terraform_cli.created_log import Created, CreatedLogs
from lifecycle.terraform_cli.events import Diagnostic
from lifecycle.terraform_cli.failures import Failure, error_of, unadoptable
from lifecycle.terraform_cli.listening import Heard, RecordedRun
from lifecycle.terraform_cli.process import Finished
from lifecycle.terraform_cli.run_records import RunRecords

_USER = "module.service_account_a.aws_iam_user.this[0]"
_POLICY = "module.service_account_a.aws_iam_user_policy.this[0]"


def _event(type_name: str, address: str, action: str = "create", **hook: Any) -> bytes:
    return json.dumps({"type": type_name, "hook": {"resource": {"addr": address}, "action": action, **hook}}).encode()


def _run(folder: Path, *lines: bytes, command: str = "apply") -> tuple[RecordedRun, Heard]:
    recorded = RecordedRun(
        records=RunRecords(folder),
        command=command,
        run_id="r1",
        clock=lambda: datetime(2026, 11, 24, tzinfo=UTC),
        lock_holder=None,
        plan_file="/plan" if command == "apply" else "",
    )
    heard = Heard(None)
    recorded.started(1)
    hear = recorded.hearing(heard)
    for line in lines:
        hear(line)
    return recorded, heard


def _ended(returncode: int, *, killed: bool = False) -> Finished:
    return Finished(returncode=returncode, stdout=b"", stderr=b"", killed=killed, interrupted=False, timed_out=False)


def _state(*instances: dict[str, Any], **resource: Any) -> bytes:
    named = {"module": "module.service_account_a", "mode": "managed", "type": "aws_iam_user", "name": "this"}
    return json.dumps({"resources": [{**named, **resource, "instances": list(instances)}]}).encode()


def test_what_is_being_made_and_what_is_made_is_on_the_disk_before_the_next_event(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    _run(
        folder,
        _event("apply_start", _USER),
        _event("apply_complete", _USER, id_key="id", id_value="a"),
        _event("apply_start", _POLICY),
        _event("apply_start", "x.changed", "update"),
        _event("apply_complete", "x.changed", "update", id_value="b"),
        _event("apply_start", "x.refused"),
        _event("apply_errored", "x.refused"),
    )
    assert RunRecords(folder).created.left() == {
        _USER: Created(address=_USER, id="a", plan="/plan"),
        _POLICY: Created(address=_POLICY, plan="/plan"),
    }
    (log,) = folder.glob("*.created.jsonl")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_plan_logs_nothing(tmp_path: Path) -> None:
    _run(tmp_path, _event("apply_complete", _USER, id_value="a"), command="plan")
    assert RunRecords(tmp_path).created.left() == {}


@pytest.mark.parametrize(
    ("finished", "diagnostic", "stays"),
    [
        (_ended(0), "", False),
        (_ended(1), "creating IAM User (a): AccessDenied", False),
        (_ended(1), "Failed to save state", True),
        (_ended(1), "Failed to persist state to backend", True),
        (_ended(-9), "", True),
        (_ended(1, killed=True), "", True),
    ],
)
def test_the_log_stays_exactly_when_the_state_may_not_have_been_saved(
    tmp_path: Path, finished: Finished, diagnostic: str, stays: bool
) -> None:
    recorded, heard = _run(tmp_path, _event("apply_complete", _USER, id_value="a"))
    if diagnostic:
        heard.diagnostics.append(Diagnostic(severity="error", summary=diagnostic))
    recorded.ended(finished, heard)
    assert bool(RunRecords(tmp_path).created.left()) is stays


def test_a_line_that_was_cut_off_is_no_word(tmp_path: Path) -> None:
    logs = CreatedLogs(tmp_path)
    logs.note("r", Created(address=_USER, id="a"))
    with (tmp_path / "r.created.jsonl").open("ab") as file:
        file.write(b'{"address": "x.y", "i')
    assert list(logs.left()) == [_USER]


def test_a_log_goes_with_its_last_address(tmp_path: Path) -> None:
    logs = CreatedLogs(tmp_path)
    logs.note("r", Created(address=_USER, id="a"))
    logs.note("r", Created(address=_POLICY, id="a:p"))
    logs.forget({_USER})
    assert list(logs.left()) == [_POLICY]
    logs.forget({_POLICY})
    assert list(tmp_path.iterdir()) == []


def test_what_the_state_does_not_hold_is_adopted_and_what_it_holds_is_settled() -> None:
    left = {_USER: Created(address=_USER, id="a"), _POLICY: Created(address=_POLICY, id="a:p")}
    found = adoption(left, _state({"index_key": 0, "attributes": {"id": "a"}}))
    assert found.adopted == {_POLICY: "a:p"}
    assert found.settled == {_USER}
    assert adoption(left, b"").adopted == {_USER: "a", _POLICY: "a:p"}


def test_the_newer_object_of_a_killed_replacement_is_named_and_never_adopted() -> None:
    found = adoption({_USER: Created(address=_USER, id="new")}, _state({"index_key": 0, "attributes": {"id": "old"}}))
    assert (found.adopted, found.replaced) == ({}, {_USER: "new"})


def test_what_had_only_begun_is_not_adopted_unseen() -> None:
    found = adoption({_USER: Created(address=_USER, plan="/plan")}, b"")
    assert found.adopted == {}
    assert found.settled == set()
    assert found.plans == {"/plan"}


def test_addresses_of_a_state_are_those_of_the_events() -> None:
    keyed = _state({"index_key": "10.0.0.0/8", "attributes": {"id": "s"}}, {"deposed": "1", "attributes": {"id": "d"}})
    assert ids_in_state(keyed) == {'module.service_account_a.aws_iam_user.this["10.0.0.0/8"]': "s"}
    assert ids_in_state(_state({"attributes": {"id": "s"}}, module="")) == {"aws_iam_user.this": "s"}
    assert ids_in_state(_state({"attributes": {"id": "s"}}, mode="data")) == {}


@pytest.mark.parametrize(
    ("address", "type_name"),
    [
        (_USER, "aws_iam_user"),
        ('module.a["x.y"].aws_sqs_queue.spool["a]b.c"]', "aws_sqs_queue"),
        ("aws_s3_object.x", "aws_s3_object"),
        ("x", ""),
    ],
)
def test_an_address_names_its_type(address: str, type_name: str) -> None:
    assert type_of(address) == type_name


def test_an_import_id_is_the_id_but_for_services_and_what_is_made_anew_without_harm() -> None:
    arn = "arn:aws:ecs:eu-west-1:1:service/agents/agent-1"
    assert import_id("module.agent_a.aws_ecs_service.this", arn) == "agents/agent-1"
    assert import_id(_USER, "a") == "a"
    task = "module.agent_a.aws_ecs_task_definition.this"
    assert adoption({task: Created(address=task, id="family")}, b"").settled == {task}


def test_a_plan_that_finds_nothing_to_import_names_what_is_off_the_record() -> None:
    detail = f'While attempting to import an existing object to "{_USER}", the provider detected that no object exists.'
    diagnostic = Diagnostic(severity="error", summary="Cannot import non-existent remote object", detail=detail)
    failure = Failure(what="terraform plan", command="plan", diagnostics=[diagnostic], resume="lifecycle plan")
    error = unadoptable(failure, {_USER: Created(address=_USER, id="a"), _POLICY: Created(address=_POLICY, id="a:p")})
    assert error is not None
    assert error.addresses == (_USER,)
    assert "Run again: lifecycle plan" in error.remedy
    assert unadoptable(failure, {}) is None


def test_what_exists_already_is_named_with_what_to_do() -> None:
    text = "creating IAM User (a): EntityAlreadyExists: User a already exists."
    diagnostic = Diagnostic(severity="error", summary=text, address=_USER)
    error = error_of(Failure(what="apply", command="apply", diagnostics=[diagnostic], started=(_USER,)))
    assert error.remedy.startswith(f"{_USER}: exists already")
    assert "lifecycle sandbox down" in error.remedy
