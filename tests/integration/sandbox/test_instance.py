"""All servers are one instance: found again, renewed together, stopped together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import hvac
import pytest
from hvac.exceptions import Forbidden

from lifecycle.domain.errors import RemoteServiceError
from lifecycle.sandbox import instance
from lifecycle.sandbox.processes import start_time
from tests.integration.sandbox.conftest import Sandbox

ALL = ("aws", "oauth", "datarobot")


def kill(pid: int) -> None:
    """As the kernel would when memory runs out."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_second_up_finds_the_instance_and_changes_nothing(sandbox: Sandbox) -> None:
    first = sandbox.up(*ALL)
    before = (sandbox.state_dir / "instance.json").read_bytes()
    second = sandbox.up(*ALL)
    assert (first.started, second.started, second.archived) == (True, False, None)
    assert (second.instance_id, second.endpoints) == (first.instance_id, first.endpoints)
    assert (sandbox.state_dir / "instance.json").read_bytes() == before


def test_everything_is_private_to_the_user(sandbox: Sandbox) -> None:
    sandbox.up(*ALL)
    for path in (sandbox.state_dir, *sandbox.state_dir.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_death_of_the_emulator_renews_the_instance_and_says_so(sandbox: Sandbox) -> None:
    first = sandbox.up(*ALL)
    values = sandbox.bootstrap
    oauth = sandbox.pid("oauth")
    (sandbox.state_dir / "journal").write_text("of the first instance")
    kill(sandbox.pid("aws"))
    second = sandbox.up(*ALL)
    assert second.started
    assert second.instance_id != first.instance_id
    assert second.archived is not None
    assert (second.archived / "journal").read_text() == "of the first instance"
    assert not (sandbox.state_dir / "journal").exists()
    assert start_time(oauth) is None, "a server of the former instance still runs"
    assert sandbox.bootstrap.aws.access_key_id != values.aws.access_key_id


def test_server_that_keeps_its_data_comes_back_in_the_same_instance_and_place(sandbox: Sandbox) -> None:
    first = sandbox.up(*ALL)
    uid = account_of_admin(sandbox, first.endpoints["datarobot"])
    kill(sandbox.pid("datarobot"))
    second = sandbox.up(*ALL)
    assert (second.instance_id, second.endpoints, second.started) == (first.instance_id, first.endpoints, False)
    assert account_of_admin(sandbox, second.endpoints["datarobot"]) == uid


def account_of_admin(sandbox: Sandbox, endpoint: str) -> str:
    """Who the administrator's key belongs to."""
    token = sandbox.bootstrap.datarobot.admin_key.get_secret_value()
    answer = httpx.get(f"{endpoint}/account/info/", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    return str(answer.raise_for_status().json()["uid"])


def test_down_stops_all_and_the_next_up_is_a_new_instance(sandbox: Sandbox) -> None:
    first = sandbox.up("oauth")
    assert instance.down(sandbox.state_dir) == ("oauth",)
    assert not instance.status(sandbox.state_dir).servers[0].running
    assert instance.down(sandbox.state_dir) == ()
    second = sandbox.up("oauth")
    assert (second.started, second.instance_id != first.instance_id) == (True, True)
    assert second.archived is not None


def test_record_of_another_boot_is_never_taken_for_a_running_instance(sandbox: Sandbox) -> None:
    sandbox.up("oauth")
    pid = sandbox.pid("oauth")
    path = sandbox.state_dir / "instance.json"
    document = json.loads(path.read_text())
    document["boot_id"] = document["servers"][0]["boot_id"] = "another boot"
    path.write_text(json.dumps(document))
    assert sandbox.up("oauth").started
    assert start_time(pid) is None, "its ready file still named it, so it had to be stopped"


def test_pid_of_a_stranger_on_record_is_never_signalled(sandbox: Sandbox) -> None:
    sandbox.up("oauth")
    path = sandbox.state_dir / "instance.json"
    document = json.loads(path.read_text())
    kill(document["servers"][0]["pid"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        document["servers"][0]["pid"] = stranger.pid
        path.write_text(json.dumps(document))
        instance.down(sandbox.state_dir)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_servers_outlive_ctrl_c_and_hang_up_of_the_run_that_started_them(sandbox: Sandbox, tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from lifecycle.sandbox import instance;"
        "instance.up(Path(sys.argv[1]), ['oauth'], lambda: 'i', cache_dir=Path(sys.argv[1]));"
        "print('up', flush=True); signal.pause()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(sandbox.state_dir)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert run.stdout is not None
    with run.stdout as output:
        assert output.readline() == b"up\n"
        os.killpg(run.pid, signal.SIGINT)
        os.killpg(run.pid, signal.SIGHUP)
        run.wait()
    assert not sandbox.up("oauth").started


def test_two_runs_at_once_start_one_instance(sandbox: Sandbox) -> None:
    code = (
        "import sys, uuid; from pathlib import Path; from lifecycle.sandbox import instance;"
        "print(instance.up(Path(sys.argv[1]), ['oauth'], lambda: uuid.uuid4().hex,"
        " cache_dir=Path(sys.argv[1])).instance_id)"
    )
    argv = [sys.executable, "-c", code, str(sandbox.state_dir)]
    runs = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({run.communicate()[0].strip() for run in runs}) == 1


def test_server_ends_by_itself_when_its_folder_is_gone(sandbox: Sandbox) -> None:
    sandbox.up("oauth")
    pid = sandbox.pid("oauth")
    (sandbox.state_dir / "servers" / "oauth" / "ready.json").unlink()
    deadline = time.monotonic() + 30
    while start_time(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert start_time(pid) is None


def test_failed_start_leaves_nothing_running_and_names_the_log(sandbox: Sandbox) -> None:
    blocked = sandbox.state_dir / "servers" / "datarobot" / "data"
    sandbox.up("oauth")
    blocked.parent.mkdir(mode=0o700)
    blocked.write_text("a file where a folder must be")
    with pytest.raises(RemoteServiceError, match="datarobot server did not start") as caught:
        sandbox.up("oauth", "datarobot")
    assert "server.log" in caught.value.remedy
    running = {server.name: server.running for server in instance.status(sandbox.state_dir).servers}
    assert running == {"oauth": True, "datarobot": False}


def test_vault_keeps_its_secrets_over_a_kill_and_is_unsealed_again(sandbox: Sandbox) -> None:
    first = sandbox.up("vault")
    keys = sandbox.bootstrap.vault
    assert keys is not None
    client = hvac.Client(url=first.endpoints["vault"], token=keys.root_token.get_secret_value())
    client.secrets.kv.v2.create_or_update_secret("a", {"k": "v"}, cas=0, mount_point="kv")
    kill(sandbox.pid("vault"))
    second = sandbox.up("vault")
    assert (second.started, second.endpoints) == (False, first.endpoints)
    read = client.secrets.kv.v2.read_secret_version("a", mount_point="kv", raise_on_deleted_version=True)
    assert read["data"]["data"] == {"k": "v"}
    anonymous = hvac.Client(url=first.endpoints["vault"], token="")
    with pytest.raises(Forbidden):
        anonymous.secrets.kv.v2.read_secret_version("a", mount_point="kv", raise_on_deleted_version=True)
