import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from lifecycle.destinations.command import CommandSettings, CommandTarget
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import RemoteServiceError
from lifecycle.domain.secret import OperationId, SecretValue, secret_value
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver

_PUT = """
import json, os, pathlib, sys
place = pathlib.Path(sys.argv[1])
source = os.fdopen(int(os.environ["LIFECYCLE_VALUE_FD"])) if "LIFECYCLE_VALUE_FD" in os.environ else sys.stdin
held = {"value": json.load(source), "fingerprint": os.environ["LIFECYCLE_FINGERPRINT"]}
place.joinpath("copy").write_text(json.dumps(held))
place.joinpath("runs").open("a").write("x")
place.joinpath("names").write_text(" ".join(sorted(os.environ)))
place.joinpath("arguments").write_text(pathlib.Path("/proc/self/cmdline").read_text())
print(held)
"""
_CHECK = """
import json, pathlib, sys
place = pathlib.Path(sys.argv[1], "copy")
print(json.loads(place.read_text())["fingerprint"] if place.exists() else "none")
"""
_WITHDRAW = "import pathlib, sys; pathlib.Path(sys.argv[1], 'copy').unlink(missing_ok=True)"


def _run(script: str, place: Path) -> list[str]:
    return [sys.executable, "-S", "-c", script, str(place)]


def _target(place: Path, *, on_descriptor: bool = False, check: bool = True) -> CommandTarget:
    return CommandTarget(
        _run(_PUT, place),
        _run(_WITHDRAW, place),
        check=_run(_CHECK, place) if check else (),
        environment={"REGION": "eu"},
        on_descriptor=on_descriptor,
    )


def _holds(place: Path, value: SecretValue) -> bool:
    copy = place / "copy"
    plain = {name: text.get_secret_value() for name, text in value.items()}
    return copy.exists() and json.loads(copy.read_text())["value"] == plain


def _runs(place: Path) -> int:
    return len((place / "runs").read_text()) if (place / "runs").exists() else 0


@pytest.mark.parametrize("on_descriptor", [False, True], ids=["stdin", "descriptor"])
class TestCommand(DestinationContract):
    """A command that keeps its copy in a folder."""

    @pytest.fixture
    def bench(self, tmp_path: Path, on_descriptor: bool) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_target(tmp_path, on_descriptor=on_descriptor), kept),
            again=NotedCopy(_target(tmp_path, on_descriptor=on_descriptor), kept),
            holds=lambda value: _holds(tmp_path, value),
            effects=lambda: _runs(tmp_path),
        )


@pytest.mark.parametrize("on_descriptor", [False, True])
def test_value_is_neither_argument_nor_variable_nor_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, on_descriptor: bool
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the caller")
    kept, canary = Kept(), secret_value({"token": "canary-40b1"})
    deliver(_target(tmp_path, on_descriptor=on_descriptor), kept, canary)
    assert _holds(tmp_path, canary)
    ours = {"LIFECYCLE_CONSUMER", "LIFECYCLE_FENCE", "LIFECYCLE_FINGERPRINT", "LIFECYCLE_OPERATION"}
    given = set((tmp_path / "names").read_text().split()) - {"LC_CTYPE", "LIFECYCLE_VALUE_FD"}
    assert given == {"LANG", "PATH", "REGION", *ours}
    out, err = capfd.readouterr()
    assert "canary-40b1" not in (tmp_path / "arguments").read_text() + kept.words() + out + err


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_the_command_is_finished_by_the_next_run(tmp_path: Path, fails_at: int) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_target(tmp_path), kept, ONE)
    assert NotedCopy(_target(tmp_path), kept).acknowledged("agent") is NotKnown.NOT_YET
    said = deliver(_target(tmp_path), kept, ONE, 2).acknowledged("agent")
    assert isinstance(said, Acknowledgement)


def test_consumer_that_still_uses_the_old_value_has_not_acknowledged(tmp_path: Path) -> None:
    destination = deliver(_target(tmp_path), Kept(), ONE)
    (tmp_path / "copy").write_text(json.dumps({"fingerprint": FINGERPRINT(TWO), "value": {}}))
    assert destination.acknowledged("agent") is NotKnown.NOT_YET


def test_without_a_check_success_acknowledges(tmp_path: Path) -> None:
    assert isinstance(deliver(_target(tmp_path, check=False), Kept(), ONE).acknowledged("agent"), Acknowledgement)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([sys.executable, "-S", "-c", "import sys; sys.exit(sys.stdin.read())"], "ended with 1"),
        (["/no/such/command"], "could not be started"),
    ],
)
def test_failed_command_is_told_without_its_output(
    command: list[str], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = Kept()
    with pytest.raises(RemoteServiceError, match=told) as caught:
        deliver(CommandTarget(command, ["true"]), kept, ONE)
    assert NotedCopy(CommandTarget(command, ["true"]), kept).acknowledged("agent") is NotKnown.NOT_YET
    out, err = capfd.readouterr()
    assert "value-one" not in f"{caught.value!r} {caught.value.remedy} {out} {err}"


def test_overdue_command_is_killed_with_all_it_started(tmp_path: Path) -> None:
    child = f"import time, pathlib; time.sleep(2); pathlib.Path({str(tmp_path / 'late')!r}).touch()"
    script = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    target = CommandTarget([sys.executable, "-c", script], ["true"], timeout=timedelta(milliseconds=500))
    with pytest.raises(RemoteServiceError, match="was killed after"):
        deliver(target, Kept(), ONE)
    time.sleep(2)
    assert not (tmp_path / "late").exists()


def test_value_that_nobody_reads_does_not_hang() -> None:
    big = secret_value({"token": "x" * 200_000})
    for on_descriptor in (False, True):
        deliver(CommandTarget(["true"], ["true"], on_descriptor=on_descriptor), Kept(), big)


def test_failed_check_and_withdrawal_are_told() -> None:
    target = CommandTarget(["true"], ["false"], check=["false"])
    with pytest.raises(RemoteServiceError, match="that checks agent ended with 1"):
        deliver(target, Kept(), ONE).acknowledged("agent")
    with pytest.raises(RemoteServiceError, match="that withdraws from agent ended with 1"):
        NotedCopy(target, Kept()).withdraw("agent", OperationId("op"), 1)


def test_settings_keep_our_variables_free() -> None:
    with pytest.raises(ValidationError, match="LIFECYCLE_"):
        CommandSettings(command=("a",), withdraw=("b",), environment={"LIFECYCLE_FENCE": "9"})
    with pytest.raises(ValidationError):
        CommandSettings(command=(), withdraw=("b",))
