"""Asks an external `opa` (Open Policy Agent) about one document. It can be killed, and it reaches no network.

1. The program's version is read once: Rego as version 1 of the language knows it needs OPA 1.0.
2. What it can do is read once too, and handed back without the functions that reach the network, the environment or
   the clock: a policy that uses one does not compile.
3. Each question is a process of its own, with its own time limit and ours.

OPA answers with success when a policy is undefined, so whoever asks looks for what must be there.
Source: openpolicyagent.org/docs/cli, `opa eval`, `opa capabilities`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from lifecycle.domain.errors import ConfigurationError, PolicyError

MINIMUM = (1, 0)
_FORBIDDEN = frozenset({"http.send", "net.lookup_ip_addr", "opa.runtime", "time.now_ns", "rand.intn", "uuid.rfc4122"})
_VERSION = re.compile(r"^Version:\s*(\d+)\.(\d+)", re.MULTILINE)
_REMEDY = "install OPA 1.0 or newer and put it on PATH, or set LIFECYCLE_POLICY_OPA to its path"
_LONGEST = 600  # characters of its own words in a message


class Opa:
    """The program, as it is installed here.

    Args:
        binary: name or path.
        environment: its whole environment.
        limit: seconds for one question.
    """

    def __init__(self, binary: str, *, environment: Mapping[str, str], limit: float = 30) -> None:
        self._binary = binary
        self._environment = dict(environment)
        self._limit = limit

    def evaluate(self, query: str, *, policies: Path, document: Any) -> Any:
        """The value of a query, or None when it is undefined.

        Args:
            query: e.g. `data.lifecycle`.
            policies: a folder; its `.rego` files are read, nothing else in it.
            document: what the policies see as `input`.

        Raises:
            ConfigurationError: there is no such program, or it is too old.
            PolicyError: a policy does not compile, a function in it failed, or it took too long.
        """
        with tempfile.TemporaryDirectory(prefix="lifecycle-opa-") as name:
            allowed = Path(name) / "capabilities.json"
            allowed.write_bytes(self._capabilities)
            arguments = ["--stdin-input", "--format", "json", "--strict", "--strict-builtin-errors"]
            arguments += ["--timeout", f"{self._limit:g}s", "--capabilities", str(allowed)]
            for path in sorted(policies.glob("*.rego")):
                arguments += ["--data", str(path)]
            code, said = self._run(["eval", *arguments, query], orjson.dumps(document))
        answer = _parsed(said)
        if code or answer.get("errors"):
            raise PolicyError(f"opa could not evaluate {query}: {_why(answer, said)}", remedy="correct the policy")
        results = answer.get("result") or [{}]
        expressions = results[0].get("expressions") or [{}]
        return expressions[0].get("value")

    @cached_property
    def version(self) -> tuple[int, int]:
        """Which version; asked once. Raises ConfigurationError when it is missing or too old."""
        _, said = self._run(["version"], b"")
        found = _VERSION.search(said.decode(errors="replace"))
        if found is None:
            raise ConfigurationError(f"{self._binary} is no OPA: it does not tell its version", remedy=_REMEDY)
        version = int(found[1]), int(found[2])
        if version < MINIMUM:
            raise ConfigurationError(f"OPA {found[1]}.{found[2]} is too old for these policies", remedy=_REMEDY)
        return version

    @cached_property
    def _capabilities(self) -> bytes:
        """What it can do without network, environment and clock."""
        _ = self.version
        code, said = self._run(["capabilities", "--current"], b"")
        document = _parsed(said)
        if code or not isinstance(document.get("builtins"), list):
            raise PolicyError("opa does not tell what it can do", remedy=_REMEDY)
        kept = [item for item in document["builtins"] if item.get("name") not in _FORBIDDEN]
        return orjson.dumps({**document, "builtins": kept, "allow_net": []})

    def _run(self, arguments: list[str], given: bytes) -> tuple[int, bytes]:
        program = shutil.which(self._binary, path=self._environment.get("PATH"))
        if program is None:
            raise ConfigurationError(f"the program {self._binary} was not found, and Rego needs it", remedy=_REMEDY)
        with subprocess.Popen(  # noqa: S603 - a program that the user configured, a list, no shell
            [program, *arguments],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            try:
                said, _ = process.communicate(given, timeout=self._limit)
            except subprocess.TimeoutExpired:
                raise PolicyError(
                    f"opa took longer than {self._limit:g} s and was stopped", remedy="simplify the policies"
                ) from None
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, said


def _parsed(said: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(said)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _why(answer: Mapping[str, Any], said: bytes) -> str:
    """Its first complaint with file and line, else its own words."""
    for error in answer.get("errors") or ():
        where = error.get("location") or {}
        place = f"{Path(str(where['file'])).name}:{where.get('row', 1)}: " if where.get("file") else ""
        return f"{place}{error.get('message', 'no reason given')}"[:_LONGEST]
    return " ".join(said.decode(errors="replace").split())[:_LONGEST] or "no reason given"
