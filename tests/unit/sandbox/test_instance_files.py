"""The files of a sandbox: private, complete or absent, and without values once archived."""

import json
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.sandbox import instance, openbao
from lifecycle.sandbox.bootstrap_file import VaultKeys, add_vault_keys, create_bootstrap, read_bootstrap
from lifecycle.sandbox.instance_record import InstanceRecord, all_processes, archive, load_record, save_record
from lifecycle.sandbox.private_file import make_private_dir, read_json
from lifecycle.sandbox.processes import ProcessMark
from lifecycle.sandbox.servers import SERVERS, RunningServer, known_servers

MARK = ProcessMark(pid=1, start_time=2, boot_id="boot")
RECORD = InstanceRecord(
    instance_id="i", boot_id="boot", servers=(RunningServer(name="aws", mark=MARK, url="http://127.0.0.1:9"),)
)


def test_record_round_trips(tmp_path: Path) -> None:
    save_record(tmp_path, RECORD)
    assert load_record(tmp_path) == RECORD
    assert (tmp_path / "instance.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"instance_id": "i"}'])
def test_torn_record_reads_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "instance.json").write_text(text)
    assert load_record(tmp_path) is None


def test_processes_are_found_by_their_ready_files_when_the_record_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "servers" / "oauth"
    folder.mkdir(parents=True)
    (folder / "ready.json").write_text(json.dumps(MARK.to_document() | {"url": "http://127.0.0.1:9"}))
    assert [server.name for server in all_processes(tmp_path)] == ["oauth"]


def test_archive_keeps_three_folders_and_no_values(tmp_path: Path) -> None:
    state_dir = tmp_path / "sandbox"
    for number in range(5):
        create_bootstrap_in(state_dir)
        (state_dir / "journal.sqlite").write_text("kept")
        archived = archive(state_dir, f"{number:020d}")
        assert archived is not None
        assert not state_dir.exists()
        assert sorted(path.name for path in archived.rglob("*") if path.is_file()) == ["journal.sqlite", "server.log"]
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"sandbox.archived-{number:020d}" for number in (2, 3, 4)]


def create_bootstrap_in(state_dir: Path) -> None:
    make_private_dir(state_dir / "servers" / "oauth" / "data")
    create_bootstrap(state_dir, "i")
    (state_dir / "servers" / "oauth" / "server.log").write_text("log")
    (state_dir / "servers" / "oauth" / "data" / "state.json").write_text("values")


def test_nothing_to_archive_is_no_archive(tmp_path: Path) -> None:
    assert archive(tmp_path / "absent", "1") is None


def test_bootstrap_values_are_private_fresh_and_hidden(tmp_path: Path) -> None:
    first = create_bootstrap(tmp_path, "i")
    text = (tmp_path / "bootstrap.json").read_text()
    assert read_bootstrap(tmp_path) == first
    assert create_bootstrap(tmp_path, "i").aws.access_key_id != first.aws.access_key_id
    assert (tmp_path / "bootstrap.json").stat().st_mode & 0o777 == 0o600
    values = [
        first.control_token,
        first.aws.secret_access_key,
        first.oauth.initial_access_token,
        first.datarobot.admin_key,
    ]
    for value in values:
        assert value.get_secret_value() in text
        assert value.get_secret_value() not in repr(first)


def test_vault_keys_join_the_other_values(tmp_path: Path) -> None:
    create_bootstrap(tmp_path, "i")
    keys = VaultKeys(root_token=SecretText("root"), unseal_keys=(SecretText("u1"),))
    assert add_vault_keys(tmp_path, keys) == read_bootstrap(tmp_path)
    vault = read_bootstrap(tmp_path).vault
    assert vault is not None
    assert vault.root_token.get_secret_value() == "root"


@pytest.mark.parametrize("text", [None, "{", '{"instance_id": "i", "control_token": "leak-me"}'])
def test_missing_or_damaged_bootstrap_is_told_without_its_content(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "bootstrap.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_bootstrap(tmp_path)
    assert "lifecycle sandbox" in caught.value.remedy
    assert "leak-me" not in str(caught.value)


def test_private_folders_are_private_all_the_way_down(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "a" / "b" / "c")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")} == {0o700}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_foreign_json_reads_as_absent(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[1]")
    assert read_json(tmp_path / "x") is None
    assert read_json(tmp_path / "y") is None


def test_unknown_server_name_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ConfigurationError, match="azure") as caught:
        known_servers(["aws", "azure"])
    assert all(name in caught.value.remedy for name in SERVERS)


def test_missing_openbao_is_told_before_anything_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        instance.up(tmp_path / "sandbox", ["vault"], lambda: "i", cache_dir=tmp_path)
    assert "make openbao" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_openbao_is_taken_from_the_cache_when_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    built = tmp_path / "lifecycle" / "servers" / "openbao-0123" / "bao"
    built.parent.mkdir(parents=True)
    built.touch()
    assert openbao.find_binary(tmp_path) == built


def test_status_of_no_sandbox_is_empty(tmp_path: Path) -> None:
    assert instance.status(tmp_path).instance_id == ""
    assert instance.down(tmp_path / "absent") == ()
