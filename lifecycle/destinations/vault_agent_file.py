"""A file on this host that Vault Agent renders: awaited until it holds the value, then its reader is told.

The agent reads the secret store by itself: static secrets every `static_secret_render_interval`, five minutes unless
configured. It is given no value:

1. While the file holds another value, `refresh` is run, if declared (e.g. `systemctl restart vault-agent`, which makes
   the agent render anew), and the delivery is not done; the next look of the run, or the next run, comes back.
2. Once it holds the value, `reload` is run, which makes the reader take it up.
3. `look` reads the file anew each time and compares fingerprints.

Rendered as JSON (`{{ with secret "kv/data/…" }}{{ .Data.data | toJSON }}{{ end }}`), or as lines `KEY=value`.

Source: Vault documentation, "Vault Agent template" and "template_config".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import CheckRefusedError, ConfigurationError, RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, Fingerprinter, OperationId, SecretValue, secret_value
from lifecycle.domain.spec import Duration
from lifecycle.foundation.bounded_command import run_bounded


class VaultAgentFileSettings(KindSettings):
    """`deliver_to: [{vault_agent_file: {…}}]`.

    Attributes:
        path: the file that a template of the agent writes; we must be able to read it.
        format: how it is written: a JSON object, or lines `KEY=value`.
        keys: name in the file -> field of the value; empty = each field under its own name.
        refresh: command that makes the agent render anew; a list, never a shell line.
        reload: command that makes the reader take the file up.
        environment: variables that the commands get beside PATH and LANG.
        timeout: after this a command is killed.
    """

    path: Annotated[str, Field(pattern=r"^/.+")]
    format: Literal["json", "env"] = "json"
    keys: Mapping[str, str] = {}
    refresh: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    timeout: Duration = timedelta(seconds=30)


class VaultAgentFile:
    """One rendered file.

    Args:
        settings: where and how it is written.
        fingerprint: names a value without revealing it.
    """

    def __init__(self, settings: VaultAgentFileSettings, fingerprint: Fingerprinter) -> None:
        self._settings = settings
        self._path = Path(settings.path)
        self._fingerprint = fingerprint

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"the file {self._path} of Vault Agent"

    def put(self, parcel: Parcel) -> Placed:
        """Wait for the agent, then reload the reader.

        Raises:
            RemoteServiceError: not rendered yet, or a command failed; asked again, it goes on.
        """
        wanted = self._wanted(parcel.value)
        marks = {"data": self._fingerprint(wanted), "keys": " ".join(sorted(wanted))}
        if not self._holds(marks) and self._settings.refresh:
            self._run(self._settings.refresh)
        if not self._holds(marks):
            raise RemoteServiceError(
                f"{self.place} does not hold the new value yet",
                remedy="look at the log of the agent, and at its static_secret_render_interval",
                retryable=True,
            )
        if self._settings.reload:
            self._run(self._settings.reload)
        return Placed(marks=marks)

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Read the file."""
        del fingerprint
        return Sight(seen=Seen.HELD if self._holds(marks) else Seen.CHANGED)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """The file is the agent's: it would write it again.

        Raises:
            CheckRefusedError: it is still there.
        """
        del operation, fence
        if self._path.exists():
            raise CheckRefusedError(
                f"{consumer}: {self.place} is still there",
                remedy="take the template out of the agent's configuration and delete the file; then run again",
            )

    def _holds(self, marks: Marks) -> bool:
        shown = self._shown()
        names = marks.get("keys", "").split()
        if not all(name in shown for name in names):
            return False
        return self._fingerprint(secret_value({name: shown[name] for name in names})) == marks.get("data")

    def _shown(self) -> Mapping[str, str]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(
                f"{self.place} cannot be read", remedy="let the template write it with a group of ours and mode 0640"
            ) from None
        return _of_json(text) if self._settings.format == "json" else _of_lines(text)

    def _wanted(self, value: SecretValue) -> SecretValue:
        mapping = self._settings.keys or {name: name for name in value}
        missing = sorted(set(mapping.values()) - value.keys())
        if missing:
            raise ConfigurationError(
                f"{self.place} is said to show {', '.join(missing)}, which the value does not have",
                remedy=f"correct `keys`; the value has: {', '.join(sorted(value))}",
            )
        return {key: value[field] for key, field in mapping.items()}

    def _run(self, command: tuple[str, ...]) -> None:
        ended = run_bounded(command, environment=self._settings.environment, timeout=self._settings.timeout)
        if ended.trouble:
            raise RemoteServiceError(
                f"the command {command[0]} for {self.place} {ended.trouble}",
                remedy="run it by hand and look at its output",
                retryable=True,
            )


def _of_json(text: str) -> Mapping[str, str]:
    try:
        found = json.loads(text)
    except ValueError:  # the agent is writing it, or it is no JSON: neither is our value
        return {}
    return {name: item for name, item in found.items() if isinstance(item, str)} if isinstance(found, dict) else {}


def _of_lines(text: str) -> Mapping[str, str]:
    pairs = (line.strip().removeprefix("export ").partition("=") for line in text.splitlines())
    return {name.strip(): _unquoted(item.strip()) for name, equals, item in pairs if equals}


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


_: type[CopyTarget] = VaultAgentFile

KIND = Kind(
    name="vault_agent_file",
    family=Family.DESTINATION,
    settings=VaultAgentFileSettings,
    summary="A file that Vault Agent renders on this host: awaited until it holds the value, then its reader reloads.",
)
