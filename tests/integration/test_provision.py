"""The provisioning of test servers: lanes, what it says, and what it refuses."""

import sys
from pathlib import Path

import pytest

from tests.servers import provision
from tests.servers.provision import SERVERS, ProvisioningError, Server, provision_server
from tests.servers.provisioned import provisioned


@pytest.fixture(scope="module")
def kafka_archives() -> Path:
    return provisioned("kafka")


@pytest.fixture(autouse=True)
def _empty_cache(kafka_archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _server(name: str, program: str, *, lane: str) -> Server:
    """A server that a Python program makes in the folder of its first argument."""
    return Server(
        name=name,
        folder="envoy",
        pins=("requirements.lock",),
        product="product",
        tool=sys.executable,
        remedy="none",
        commands=lambda folder: [[sys.executable, "-c", program, str(folder)]],
        lane=lane,
    )


_GOOD = "import pathlib, sys; pathlib.Path(sys.argv[1], 'product').write_text('made'); print('chatter')"
_BAD = "import sys; print('line one'); sys.stderr.write('line two'); sys.exit(7)"


def test_failure_is_told_whole_and_hinders_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for server in (_server("a", _BAD, lane="x"), _server("b", _GOOD, lane="x"), _server("c", _GOOD, lane="y")):
        monkeypatch.setitem(SERVERS, server.name, server)
    assert provision.main(["a", "b", "c"]) == 2
    told = capsys.readouterr()
    assert sorted(line.split(" ")[0] for line in told.out.splitlines()) == ["b:", "c:"]
    assert told.err.splitlines()[1:] == ["line one", "line two"]
    assert "ended with 7" in told.err


def test_ready_server_is_not_made_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(SERVERS, "b", _server("b", _GOOD, lane="x"))
    assert [provision.main(["b"]), provision.main(["b"])] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("b: ready after")
    assert second.startswith("b: present")


def test_missing_tool_is_told_with_where_to_get_it() -> None:
    server = Server(
        name="x",
        folder="envoy",
        pins=(),
        product="p",
        tool="absent-tool",
        remedy="get it",
        commands=lambda _: [],
        lane="x",
    )
    with pytest.raises(ProvisioningError, match="`absent-tool` is missing: get it"):
        provision_server(server)


@pytest.mark.parametrize("change", ["none", "missing", "altered", "added"])
def test_java_archives_are_held_to_the_lock(tmp_path: Path, kafka_archives: Path, change: str) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for archive in kafka_archives.iterdir():
        (libraries / archive.name).symlink_to(archive)
    first = min(libraries.iterdir())
    if change in ("missing", "altered"):
        first.unlink()
    if change in ("altered", "added"):
        (first if change == "altered" else libraries / "stranger.jar").write_bytes(b"not what is pinned")
    if change == "none":
        SERVERS["kafka"].check(tmp_path)
        return
    name = "stranger.jar" if change == "added" else first.name
    with pytest.raises(ProvisioningError, match=f"not what classpath.lock pins: {name}$"):
        SERVERS["kafka"].check(tmp_path)
