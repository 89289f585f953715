"""The real, Vault-compatible server of the vault environment: OpenBao with file storage, never its `-dev` mode.

Its data outlives the process, so a killed server is started again and unsealed with the keys of `bootstrap.json`.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText
from lifecycle.foundation.atomic_file import replace_file
from lifecycle.sandbox.bootstrap_file import VaultBootstrap, VaultKeys, add_vault_keys, read_bootstrap
from lifecycle.sandbox.loopback import LoopbackAnswer, call
from lifecycle.sandbox.private_file import make_private_dir

KV_MOUNT = "kv"
CACHE_PATTERN = "lifecycle/servers/openbao-*/bao"


def find_binary(cache_dir: Path) -> Path:
    """The server's program: `bao` or `vault` on PATH, else the build in the user's cache directory.

    Args:
        cache_dir: `$XDG_CACHE_HOME`, or `~/.cache`.

    Raises:
        ConfigurationError: there is none.
    """
    for name in ("bao", "vault"):
        found = shutil.which(name)
        if found:
            return Path(found)
    built = sorted(cache_dir.glob(CACHE_PATTERN), key=lambda path: path.stat().st_mtime)
    if built:
        return built[-1]
    raise ConfigurationError(
        "This environment keeps its secrets in Vault, and neither bao nor vault is installed.",
        remedy="Run: make openbao (builds the server once, about four minutes), or put bao or vault on PATH.",
    )


def free_port() -> int:
    """A port of 127.0.0.1 that is free now; the server cannot bind port 0 and report it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(folder: Path, port: int) -> Path:
    """Write the server's configuration: file storage, loopback listener, audit to a file."""
    make_private_dir(folder / "data")
    path = folder / "config.hcl"
    # Mode 0600 is the audit file's own: request paths stand in it in clear, values only as HMAC.
    text = f"""
storage "file" {{ path = {json.dumps(str(folder / "data" / "storage"))} }}
listener "tcp" {{
  address     = "127.0.0.1:{port}"
  tls_disable = true
}}
audit "file" "sandbox" {{
  options {{
    file_path = {json.dumps(str(folder / "audit.log"))}
    mode      = "0600"
  }}
}}
api_addr      = "http://127.0.0.1:{port}"
disable_mlock = true
"""
    replace_file(path, text.encode())
    return path


def is_healthy(url: str) -> bool:
    """Whether the server answers and is unsealed."""
    answer = call("GET", f"{url}/v1/sys/seal-status")
    return answer is not None and answer.status == 200 and answer.document.get("sealed") is False


def make_ready(state_dir: Path, url: str, *, patience: timedelta, alive: Callable[[], bool]) -> None:
    """Bring a started server to work: initialise it once, unseal it, mount KV version 2.

    Args:
        state_dir: the sandbox; its `bootstrap.json` takes the keys at initialisation.
        url: of the server.
        patience: how long it may take to answer.
        alive: whether its process runs.

    Raises:
        RemoteServiceError: it ended, does not answer, or not as expected.
    """
    status = _wait_for_status(url, time.monotonic() + patience.total_seconds(), alive)
    if not status.document.get("initialized"):
        _initialise(state_dir, url)
    keys = read_bootstrap(state_dir).vault
    if keys is None:
        raise _failure("is initialised, but its keys are lost")
    _unseal(url, keys)
    _mount_kv(url, keys)


def _wait_for_status(url: str, deadline: float, alive: Callable[[], bool]) -> LoopbackAnswer:
    while True:
        answer = call("GET", f"{url}/v1/sys/seal-status", timeout=2.0)
        if answer is not None and answer.status == 200:
            return answer
        if not alive() or time.monotonic() >= deadline:
            raise _failure("does not answer")
        time.sleep(0.03)


def _initialise(state_dir: Path, url: str) -> None:
    answer = call("PUT", f"{url}/v1/sys/init", {"secret_shares": 1, "secret_threshold": 1}, timeout=30.0)
    if answer is None or answer.status != 200:
        raise _failure("could not be initialised")
    keys = VaultKeys(
        root_token=SecretText(answer.document["root_token"]),
        unseal_keys=tuple(SecretText(key) for key in answer.document["keys_base64"]),
    )
    add_vault_keys(state_dir, keys)


def _unseal(url: str, keys: VaultBootstrap) -> None:
    answer = None
    for key in keys.unseal_keys:
        answer = call("PUT", f"{url}/v1/sys/unseal", {"key": key.get_secret_value()}, timeout=30.0)
    if answer is None or answer.document.get("sealed") is not False:
        raise _failure("could not be unsealed")


def _mount_kv(url: str, keys: VaultBootstrap) -> None:
    token = keys.root_token.get_secret_value()
    mounts = call("GET", f"{url}/v1/sys/mounts", token=token)
    if mounts is None or mounts.status != 200:
        raise _failure("refuses its root token")
    if f"{KV_MOUNT}/" in json.dumps(list(mounts.document)):
        return
    body = {"type": "kv", "options": {"version": "2"}}
    answer = call("POST", f"{url}/v1/sys/mounts/{KV_MOUNT}", body, token=token, timeout=30.0)
    if answer is None or answer.status not in {200, 204}:
        raise _failure("could not mount KV version 2")
    _wait_for_upgrade(url, token)


def _wait_for_upgrade(url: str, token: str) -> None:
    # A new KV v2 mount answers 400 "Upgrading from non-versioned to versioned data" for a moment.
    deadline = time.monotonic() + 10
    while True:
        answer = call("GET", f"{url}/v1/{KV_MOUNT}/config", token=token)
        if answer is not None and answer.status == 200:
            return
        if time.monotonic() >= deadline:
            raise _failure("does not finish mounting KV version 2")
        time.sleep(0.02)


def _failure(what: str) -> RemoteServiceError:
    return RemoteServiceError(
        f"The sandbox's Vault {what}.",
        remedy="Its log says why (servers/vault/server.log of the sandbox); lifecycle sandbox down starts afresh.",
    )
