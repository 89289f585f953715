"""Small roots that need no provider: `terraform_data` and, where a test must hold a run, a waiting provisioner."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from lifecycle.terraform_cli.cli_config import ProviderMirror
from lifecycle.terraform_cli.run_records import RunRecords
from lifecycle.terraform_cli.runner import TerraformCli
from lifecycle.terraform_cli.workplace import Workplace


def write_root(folder: Path, document: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.tf.json").write_text(json.dumps(document))
    return folder


def data(*names: str, run: str = "", **more: Any) -> dict[str, Any]:
    """Resources one after the other; the last one runs a shell command while it is being created."""
    resources: dict[str, Any] = {}
    for position, name in enumerate(names):
        resources[name] = {"input": name} | (
            {"depends_on": [f"terraform_data.{names[position - 1]}"]} if position else {}
        )
    if run:
        resources[names[-1]]["provisioner"] = [{"local-exec": {"command": run}}]
    return {"resource": {"terraform_data": resources}} | more


def cli(folder: Path, binary: Path, environment: dict[str, str], **more: Any) -> TerraformCli:
    """A runner for tests; `mirror` is not needed, as the roots have no provider."""
    place: dict[str, Any] = {
        "folder": folder,
        "environment_name": "test",
        "binary": str(binary),
        "environment": {name: text for name, text in environment.items() if name != "TF_CLI_CONFIG_FILE"},
    } | {
        name: more.pop(name)
        for name in ("variables", "plan_variables", "data_dir", "mirror", "platforms", "state")
        if name in more
    }
    given: dict[str, Any] = {
        "records": RunRecords(folder.parent / "runs"),
        "clock": lambda: datetime.now(UTC),
        "new_id": lambda: uuid4().hex,
    }
    return TerraformCli(Workplace(**place), **(given | more))


def when(condition: Callable[[], bool], act: Callable[[], None], *, timeout: float = 60.0) -> threading.Thread:
    """Do something from another thread as soon as a condition holds."""

    def wait() -> None:
        end = time.monotonic() + timeout
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


__all__ = ["ProviderMirror", "cli", "data", "when", "write_root"]
