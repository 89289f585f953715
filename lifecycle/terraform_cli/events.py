"""The `-json` event stream of Terraform and OpenTofu as types. Unknown events and properties are ignored.

Source: developer.hashicorp.com/terraform/internals/machine-readable-ui
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from lifecycle.domain.errors import ConfigurationError

UI_MAJOR = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One error or warning. `snippet` and values are left out: they may hold what must not be shown."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """The first event: which program speaks, in which version of the event format."""

    product: str
    version: str
    ui: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshing:
    """An object's state is read (`done` false), or was."""

    address: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlanned:
    """What will happen to one object; with `drift`, what already happened to it outside Terraform."""

    address: str
    action: str
    reason: str = ""
    drift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeStarted:
    """An object is being changed now."""

    address: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeContinues:
    """It still is, after so many seconds."""

    address: str
    action: str
    elapsed_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDone:
    """An object was changed; `id` is the provider's name for it, where it has one."""

    address: str
    action: str
    elapsed_seconds: int
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFailed:
    """Changing an object failed; the diagnostic follows."""

    address: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many objects a plan would touch, or an apply did."""

    operation: str
    add: int
    change: int
    remove: int
    imported: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticShown:
    """An error or warning while it runs."""

    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something for people, e.g. which provider `init` installs."""

    text: str


Event = (
    ToolStarted
    | Refreshing
    | ChangePlanned
    | ChangeStarted
    | ChangeContinues
    | ChangeDone
    | ChangeFailed
    | Summary
    | DiagnosticShown
    | Message
)
Observer = Callable[[Event], None]


def parse_event(line: bytes) -> Event | None:
    """One line of output as an event; None for what is no event, or one we do not know.

    Raises:
        ConfigurationError: the event format has a major version we do not know.
    """
    if not line.startswith(b"{"):
        return None
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    reader = _READERS.get(document.get("type", ""))
    return reader(document) if reader is not None else None


def _started(document: Mapping[str, Any]) -> Event:
    product = "tofu" if "tofu" in document else "terraform"
    event = ToolStarted(product=product, version=str(document.get(product, "")), ui=str(document.get("ui", "")))
    if event.ui.partition(".")[0] != UI_MAJOR:
        raise ConfigurationError(
            f"{product} {event.version} speaks version {event.ui} of its event format, and only {UI_MAJOR}.x is known",
            remedy=f"Use a release of {product} that speaks {UI_MAJOR}.x, or update lifecycle.",
        )
    return event


def _address(part: Mapping[str, Any]) -> str:
    return str(part.get("resource", {}).get("addr", ""))


def _planned(document: Mapping[str, Any]) -> Event:
    change = document.get("change", {})
    return ChangePlanned(
        address=_address(change),
        action=str(change.get("action", "")),
        reason=str(change.get("reason", "")),
        drift=document["type"] == "resource_drift",
    )


def _refresh(document: Mapping[str, Any]) -> Event:
    return Refreshing(address=_address(document.get("hook", {})), done=document["type"] == "refresh_complete")


def _change_started(document: Mapping[str, Any]) -> Event:
    hook = document.get("hook", {})
    return ChangeStarted(address=_address(hook), action=str(hook.get("action", "")))


def _change_continues(document: Mapping[str, Any]) -> Event:
    hook = document.get("hook", {})
    elapsed = int(hook.get("elapsed_seconds", 0))
    return ChangeContinues(address=_address(hook), action=str(hook.get("action", "")), elapsed_seconds=elapsed)


def _change_done(document: Mapping[str, Any]) -> Event:
    hook = document.get("hook", {})
    elapsed = int(hook.get("elapsed_seconds", 0))
    action, id = str(hook.get("action", "")), str(hook.get("id_value") or "")
    return ChangeDone(address=_address(hook), action=action, elapsed_seconds=elapsed, id=id)


def _change_failed(document: Mapping[str, Any]) -> Event:
    hook = document.get("hook", {})
    return ChangeFailed(address=_address(hook), action=str(hook.get("action", "")))


def _summary(document: Mapping[str, Any]) -> Event:
    changes = document.get("changes", {})
    return Summary(
        operation=str(changes.get("operation", "")),
        add=int(changes.get("add", 0)),
        change=int(changes.get("change", 0)),
        remove=int(changes.get("remove", 0)),
        imported=int(changes.get("import", 0)),
    )


def parse_diagnostic(part: Mapping[str, Any]) -> Diagnostic:
    """A diagnostic as Terraform writes it, in events and in `validate -json`."""
    where = part.get("range") or {}
    return Diagnostic(
        severity=str(part.get("severity", "error")),
        summary=str(part.get("summary", "")),
        detail=str(part.get("detail", "")),
        address=str(part.get("address", "")),
        file=str(where.get("filename", "")),
        line=int((where.get("start") or {}).get("line", 0)),
    )


def _diagnostic(document: Mapping[str, Any]) -> Event:
    return DiagnosticShown(diagnostic=parse_diagnostic(document.get("diagnostic") or {}))


def _message(document: Mapping[str, Any]) -> Event:
    return Message(text=str(document.get("@message", "")))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "version": _started,
    "refresh_start": _refresh,
    "refresh_complete": _refresh,
    "planned_change": _planned,
    "resource_drift": _planned,
    "apply_start": _change_started,
    "apply_progress": _change_continues,
    "apply_complete": _change_done,
    "apply_errored": _change_failed,
    "change_summary": _summary,
    "diagnostic": _diagnostic,
    "init_output": _message,
    "log": _message,
}
