"""The Chromium of this machine with axe-core, driven by playwright-core: looks at one file, opens no port."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.provisioned import installed, installed_package, provisioned

_SCRIPT = Path(__file__).parent / "chromium" / "report.mjs"
_SECONDS = 180


@pytest.fixture(scope="session")
def look_at(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], dict[str, Any]]:
    """Opens a report and tells what a person would meet; see `chromium/report.mjs`."""
    node = installed("node", remedy="Install Node.js 20 or newer and put it on PATH.")
    chromium = installed_package("chromium")
    modules = provisioned("chromium").parent
    home = tmp_path_factory.mktemp("chromium")

    def look(report: Path) -> dict[str, Any]:
        argv = [str(node), str(_SCRIPT), str(modules), str(chromium), str(report)]
        done = subprocess.run(
            argv, capture_output=True, check=False, timeout=_SECONDS, env=minimal_environment(home), cwd=home
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return look
