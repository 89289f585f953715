"""Builds or installs the real servers that the tests start.

Run it as `python -m tests.servers.provision all`, or name single servers. It needs the standard
library only, so that `make openbao` works before anything is installed.

Everything lands in the user's cache directory, in a folder named after the digest of the files that
pin its version: an unchanged pin is never built twice, a changed one never meets an old binary.

Several are made at once, in lanes: Go builds one after another, as each takes every core; beside them, one
at a time each, what mostly waits for downloads: Debian and Maven, npm, Python.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.environment import cache_home

_SOURCES = Path(__file__).parent
_OK, _NOT_POSSIBLE = 0, 2
_APT = "apt"
_MAVEN_DEPENDENCY_PLUGIN = "3.8.1"
_APT_PATIENCE = 600  # Seconds to wait for another apt-get, e.g. of unattended upgrades.

# Debian packages by the command that proves them present. Add a line for each new server.
APT_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
    "epmd": "rabbitmq-server",
    "glewlwyd": "glewlwyd",
    "java": "default-jre-headless",
    "mvn": "maven",
    "pg_ctlcluster": "postgresql",  # initdb and postgres themselves stay off PATH.
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "promtool": "prometheus",
    "rabbitmq-server": "rabbitmq-server",
    "squid": "squid",
    "tinyproxy": "tinyproxy",
}
# Chosen where a package depends on one of several: apt would take a MySQL client, and glewlwyd does not install without
# any (dbconfig-no-thanks).
_APT_ALTERNATIVES = {"glewlwyd": "dbconfig-sqlite3"}


class ProvisioningError(Exception):
    """A server cannot be provisioned here; the message says what is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server that is built or installed from pinned sources.

    Attributes:
        name: What `provision` is called with.
        folder: The folder beside this file that holds the pins.
        pins: The files whose content decides whether a build is current.
        product: Path of the result, relative to `home`.
        tool: The command that makes it, and `remedy`, where to get that command.
        commands: Gives the command lines that make `product` in a folder, one after another.
        lane: Servers of one lane are made one after another.
        check: Raises `ProvisioningError` when what the commands made is not what is pinned.
    """

    name: str
    folder: str
    pins: tuple[str, ...]
    product: str
    tool: str
    remedy: str
    commands: Callable[[Path], list[list[str]]]
    lane: str
    check: Callable[[Path], None] = lambda folder: None

    @property
    def sources(self) -> Path:
        """The folder with the pins."""
        return _SOURCES / self.folder

    @property
    def home(self) -> Path:
        """The cache folder of these pins."""
        digest = hashlib.sha256()
        for pin in self.pins:
            content = (self.sources / pin).read_bytes()
            digest.update(f"{pin} {len(content)}\n".encode() + content)
        return servers_home() / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def path(self) -> Path:
        """Where the product lies once provisioned."""
        return self.home / self.product


def _go_server(name: str, *, package: str, binary: str, extra_pins: tuple[str, ...] = ()) -> Server:
    def commands(folder: Path) -> list[list[str]]:
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w"]
        return [["go", "build", *flags, "-o", str(folder / binary), package]]

    return Server(
        name=name,
        folder=name,
        pins=("go.mod", "go.sum", *extra_pins),
        product=binary,
        tool="go",
        remedy="install Go 1.26 or newer from https://go.dev/dl/ and put it on PATH",
        commands=commands,
        lane="go",
    )


def _npm_server(name: str, *, folder: str) -> Server:
    pins = ("package.json", "package-lock.json")

    def commands(target: Path) -> list[list[str]]:
        for pin in pins:
            shutil.copy(_SOURCES / folder / pin, target / pin)
        return [["npm", "ci", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund"]]

    return Server(
        name=name,
        folder=folder,
        pins=pins,
        product="node_modules",
        tool="npm",
        remedy="install Node.js 20 or newer, which brings npm, and put it on PATH",
        commands=commands,
        lane="npm",
    )


def _python_server(name: str) -> Server:
    """A server with a virtual environment of its own, as its packages do not agree with ours.

    The environment is moved once it is complete, so its programs are run as modules, not by their scripts.
    """

    def commands(target: Path) -> list[list[str]]:
        lock = str(_SOURCES / name / "requirements.lock")
        install = ["--disable-pip-version-check", "--quiet", "install", "--require-hashes", "--only-binary", ":all:"]
        return [
            [sys.executable, "-m", "venv", str(target)],
            [str(target / "bin" / "python"), "-m", "pip", *install, "--requirement", lock],
        ]

    return Server(
        name=name,
        folder=name,
        pins=("requirements.lock",),
        product="bin/python",
        tool=sys.executable,
        remedy="install Python 3.11 with its venv module: apt-get install python3-venv",
        commands=commands,
        lane="python",
    )


def _maven_server(name: str) -> Server:
    """A server of Java archives.

    Maven fetches them from wherever its own settings say; what comes is held to the digests of the lock.
    """

    def commands(target: Path) -> list[list[str]]:
        copy = f"org.apache.maven.plugins:maven-dependency-plugin:{_MAVEN_DEPENDENCY_PLUGIN}:copy-dependencies"
        pom = str(_SOURCES / name / "pom.xml")
        libraries = target / "libraries"
        return [["mvn", "--batch-mode", "--quiet", "--file", pom, copy, f"-DoutputDirectory={libraries}"]]

    def check(target: Path) -> None:
        lines = (_SOURCES / name / "classpath.lock").read_text().splitlines()
        locked = {file: digest for digest, file in (line.split() for line in lines)}
        found = {file.name: _sha256(file) for file in (target / "libraries").iterdir()}
        wrong = sorted({*(locked.items() ^ found.items())})
        if wrong:
            files = ", ".join(sorted({file for file, _ in wrong}))
            raise ProvisioningError(f"{name}: not what classpath.lock pins: {files}")

    return Server(
        name=name,
        folder=name,
        pins=("pom.xml", "classpath.lock"),
        product="libraries",
        tool="mvn",
        remedy="apt-get install maven default-jre-headless",
        commands=commands,
        lane=_APT,  # It may have to install Maven first.
        check=check,
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


SERVERS = {
    server.name: server
    for server in (
        _go_server("openbao", package=".", binary="bao", extra_pins=("main.go",)),
        _go_server("versitygw", package="github.com/versity/versitygw/cmd/versitygw", binary="versitygw"),
        _go_server("opentofu", package="github.com/opentofu/opentofu/cmd/tofu", binary="tofu"),
        _go_server("opa", package="github.com/open-policy-agent/opa", binary="opa"),
        _npm_server("npm", folder="oidc_provider"),
        _npm_server("azurite", folder="azurite"),
        _npm_server("chromium", folder="chromium"),
        _python_server("envoy"),
        _python_server("feast"),
        _python_server("snowflake"),
        _maven_server("kafka"),
    )
}


def servers_home() -> Path:
    """The cache folder that holds every provisioned server."""
    return cache_home() / "lifecycle" / "servers"


def provisioning_command(name: str) -> str:
    """The command to show to whoever misses server `name`."""
    return f"python -m tests.servers.provision {name}"


def say(line: str) -> None:
    """Write one line of progress; flushed, as builds take minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Let one process at a time make a server: a second one waits, then finds the result of the first."""
    servers_home().mkdir(parents=True, exist_ok=True)
    with (servers_home() / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def provision_server(server: Server) -> Path:
    """Build or install one server unless it is there already.

    Args:
        server: An entry of `SERVERS`.

    Returns:
        Path of the product.

    Raises:
        ProvisioningError: The tool is missing or failed; with everything that it wrote.
    """
    with _lock(server.name):
        if server.path.exists():
            say(f"{server.name}: present, {server.path}")
            return server.path
        if shutil.which(server.tool) is None:
            raise ProvisioningError(f"{server.name}: `{server.tool}` is missing: {server.remedy}")
        started = time.monotonic()
        _build(server)
    say(f"{server.name}: ready after {time.monotonic() - started:.0f} s, {server.path}")
    return server.path


def _build(server: Server) -> None:
    with tempfile.TemporaryDirectory(dir=servers_home(), prefix=f".{server.name}-") as scratch:
        folder = Path(scratch) / "result"
        folder.mkdir(mode=0o755)
        for argv in server.commands(folder):
            _run(server.name, argv, cwd=server.sources)
        server.check(folder)
        if server.home.exists():  # The remains of a folder that somebody emptied by hand.
            shutil.rmtree(server.home)
        folder.rename(server.home)


def _run(name: str, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command; what it writes is shown only when it fails, whole and in one piece."""
    done = subprocess.run(
        argv, cwd=cwd, env=env, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        output = done.stdout.decode(errors="replace").rstrip()
        raise ProvisioningError(f"{name}: `{' '.join(argv)}` ended with {done.returncode}:\n{output}")


def provision_apt(packages: dict[str, str] = APT_PACKAGES) -> None:
    """Install the Debian packages that are missing; only root can.

    Args:
        packages: Package names by the command that proves them present.

    Raises:
        ProvisioningError: Packages are missing and we are not root, or apt-get failed.
    """
    search_path = os.pathsep.join([os.defpath, "/usr/local/sbin", "/usr/sbin", "/sbin"])
    missing = sorted({pkg for cmd, pkg in packages.items() if not shutil.which(cmd, path=search_path)})
    if not missing:
        say("apt: present")
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ProvisioningError(f"apt: missing {' '.join(missing)}: as root, run apt-get install {' '.join(missing)}")
    missing += [_APT_ALTERNATIVES[package] for package in missing if package in _APT_ALTERNATIVES]
    started = time.monotonic()
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _lock(_APT):
        for argv in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            _run(_APT, ["apt-get", "-qq", "-o", f"DPkg::Lock::Timeout={_APT_PATIENCE}", *argv], cwd=_SOURCES, env=env)
    say(f"apt: ready after {time.monotonic() - started:.0f} s, {' '.join(missing)}")


def provision(names: Sequence[str]) -> list[str]:
    """Provision several servers, in parallel where that is quicker; each says a line when it is ready.

    Args:
        names: Keys of `SERVERS`, and `apt`, which goes first.

    Returns:
        Why some could not be, in the order of `names`.
    """
    order = sorted(dict.fromkeys(names), key=lambda name: name != _APT)
    with ExitStack() as lanes:
        executors: dict[str, ThreadPoolExecutor] = {}
        futures: list[Future[object]] = []
        for name in order:
            lane = _APT if name == _APT else SERVERS[name].lane
            if lane not in executors:
                executors[lane] = lanes.enter_context(ThreadPoolExecutor(1, thread_name_prefix=lane))
            task: Callable[[], object] = provision_apt if name == _APT else _provisioning_of(SERVERS[name])
            futures.append(executors[lane].submit(task))
        try:
            return [str(error) for future in futures if (error := future.exception()) is not None]
        except KeyboardInterrupt:
            for future in futures:
                future.cancel()  # What runs got the signal too, and ends by itself.
            raise


def _provisioning_of(server: Server) -> Callable[[], object]:
    return lambda: provision_server(server)


def main(argv: Sequence[str] | None = None) -> int:
    """Provision what is named on the command line.

    Returns:
        0, or 2 when something is missing that this program cannot supply.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.servers.provision", description=__doc__)
    parser.add_argument("names", nargs="+", choices=[*SERVERS, _APT, "all"], metavar="NAME")
    names = parser.parse_args(argv).names
    failures = provision([*SERVERS, _APT] if "all" in names else names)
    sys.stderr.writelines(f"{failure}\n" for failure in failures)
    return _NOT_POSSIBLE if failures else _OK


if __name__ == "__main__":
    raise SystemExit(main())
