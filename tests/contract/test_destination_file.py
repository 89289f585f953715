import json
import os
import stat
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lifecycle.destinations.file import FileDestination, FileSettings, Reload, owner_of
from lifecycle.domain.credential import NotKnown
from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import OperationId, SecretValue
from lifecycle.foundation.atomic_file import Owner
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract

_OP = OperationId("op")
_COUNT = "import os, pathlib; p = pathlib.Path(os.environ['COUNTER']); p.write_text(p.read_text() + 'x')"


class TestFile(DestinationContract):
    """A file with a reload command that counts its runs."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> DestinationBench:
        counter, path = tmp_path / "counter", tmp_path / "copies" / "value.json"
        counter.write_text("")
        reload = Reload(command=[sys.executable, "-c", _COUNT], environment={"COUNTER": str(counter)})

        def holds(value: SecretValue) -> bool:
            plain = {name: text.get_secret_value() for name, text in value.items()}
            return path.exists() and json.loads(path.read_text()) == plain

        return DestinationBench(
            destination=FileDestination(path, FINGERPRINT, reload=reload),
            again=FileDestination(path, FINGERPRINT, reload=reload),
            holds=holds,
            effects=lambda: len(counter.read_text()),
        )


def test_mode_and_owner_are_as_declared(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    owner = Owner(uid=os.getuid(), gid=os.getgid())
    FileDestination(path, FINGERPRINT, mode=0o640, owner=owner).deliver("a", ONE, FINGERPRINT(ONE), _OP, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    for beside in (".value.json.lock", "value.json.lifecycle"):
        assert stat.S_IMODE((tmp_path / beside).stat().st_mode) == 0o600


def test_nothing_beside_the_file_holds_the_value(tmp_path: Path) -> None:
    FileDestination(tmp_path / "v", FINGERPRINT).deliver("a", ONE, FINGERPRINT(ONE), _OP, 1)
    assert "value-one" not in (tmp_path / "v.lifecycle").read_text()
    assert sorted(os.listdir(tmp_path)) == [".v.lock", "v", "v.lifecycle"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with 3"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "was killed"),
        (["no-such-command-anywhere"], "could not be started"),
    ],
)
def test_failed_reload_is_told_and_nothing_acknowledged(tmp_path: Path, command: list[str], told: str) -> None:
    path = tmp_path / "v"
    failing = Reload(command=command, environment={}, timeout=timedelta(milliseconds=400))
    with pytest.raises(RemoteServiceError, match=told):
        FileDestination(path, FINGERPRINT, reload=failing).deliver("a", TWO, FINGERPRINT(TWO), _OP, 1)
    assert path.exists()
    assert FileDestination(path, FINGERPRINT).acknowledged("a") is NotKnown.NOT_YET
    repaired = FileDestination(path, FINGERPRINT, reload=Reload(command=["true"], environment={}))
    repaired.deliver("a", TWO, FINGERPRINT(TWO), _OP, 1)
    assert repaired.acknowledged("a") is not NotKnown.NOT_YET


def test_reload_sees_only_the_declared_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the caller")
    script = "import os, pathlib; pathlib.Path(os.environ['OUT']).write_text(' '.join(sorted(os.environ)))"
    reload = Reload(command=[sys.executable, "-c", script], environment={"OUT": str(tmp_path / "out")})
    FileDestination(tmp_path / "v", FINGERPRINT, reload=reload).deliver("a", ONE, FINGERPRINT(ONE), _OP, 1)
    assert set((tmp_path / "out").read_text().split()) <= {"LANG", "LC_CTYPE", "OUT", "PATH"}


def test_file_changed_by_somebody_else_is_not_acknowledged(tmp_path: Path) -> None:
    destination = FileDestination(tmp_path / "v", FINGERPRINT)
    destination.deliver("a", ONE, FINGERPRINT(ONE), _OP, 1)
    for content in ("{", "[]", '{"token": 3}', '{"token": "other"}'):
        (tmp_path / "v").write_text(content)
        assert destination.acknowledged("a") is NotKnown.NOT_YET


def test_settings_and_owner() -> None:
    assert FileSettings(path="x", mode="640").mode_bits() == 0o640
    assert owner_of("") is None
    assert owner_of("root") == Owner(uid=0, gid=-1)
    assert owner_of("root:root") == Owner(uid=0, gid=0)
    with pytest.raises(ConfigurationError):
        owner_of("no-such-user-anywhere")
