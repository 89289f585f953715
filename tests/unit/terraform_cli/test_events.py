"""The event stream: known words become types, unknown ones are ignored, an unknown major version refuses."""

import json
from typing import Any

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.terraform_cli.events import (
    ChangeContinues,
    ChangeDone,
    ChangeFailed,
    ChangePlanned,
    ChangeStarted,
    DiagnosticShown,
    Event,
    Message,
    Refreshing,
    Summary,
    ToolStarted,
    parse_event,
)

_HOOK = {"resource": {"addr": "a.b"}, "action": "create", "elapsed_seconds": 3, "unknown": 1}


def _parse(**document: Any) -> Event | None:
    return parse_event(json.dumps({"@level": "info", "@message": "text"} | document).encode())


@pytest.mark.parametrize(
    ("document", "event"),
    [
        (
            {"type": "version", "terraform": "1.11.4", "ui": "1.2"},
            ToolStarted(product="terraform", version="1.11.4", ui="1.2"),
        ),
        ({"type": "version", "tofu": "1.12.0", "ui": "1.2"}, ToolStarted(product="tofu", version="1.12.0", ui="1.2")),
        ({"type": "refresh_start", "hook": _HOOK}, Refreshing(address="a.b", done=False)),
        ({"type": "refresh_complete", "hook": _HOOK}, Refreshing(address="a.b", done=True)),
        ({"type": "planned_change", "change": _HOOK}, ChangePlanned(address="a.b", action="create")),
        ({"type": "resource_drift", "change": _HOOK}, ChangePlanned(address="a.b", action="create", drift=True)),
        ({"type": "apply_start", "hook": _HOOK}, ChangeStarted(address="a.b", action="create")),
        ({"type": "apply_progress", "hook": _HOOK}, ChangeContinues(address="a.b", action="create", elapsed_seconds=3)),
        ({"type": "apply_complete", "hook": _HOOK}, ChangeDone(address="a.b", action="create", elapsed_seconds=3)),
        (
            {"type": "apply_complete", "hook": {**_HOOK, "id_key": "id", "id_value": "i-1"}},
            ChangeDone(address="a.b", action="create", elapsed_seconds=3, id="i-1"),
        ),
        ({"type": "apply_errored", "hook": _HOOK}, ChangeFailed(address="a.b", action="create")),
        (
            {"type": "change_summary", "changes": {"add": 1, "change": 2, "remove": 3, "operation": "plan"}},
            Summary(operation="plan", add=1, change=2, remove=3),
        ),
        ({"type": "log"}, Message(text="text")),
        ({"type": "ephemeral_op_start", "hook": _HOOK}, None),
        ({"type": "outputs", "outputs": {"x": {"value": "canary"}}}, None),
        ({"type": "a word of 2030"}, None),
        ({}, None),
    ],
)
def test_each_event_is_one_type(document: dict[str, Any], event: Event | None) -> None:
    assert _parse(**document) == event


@pytest.mark.parametrize("line", [b"", b"plain text", b"{broken", b"[]"])
def test_what_is_no_event_is_none(line: bytes) -> None:
    assert parse_event(line) is None


@pytest.mark.parametrize("ui", ["2.0", "0.1", ""])
def test_an_unknown_major_version_is_refused(ui: str) -> None:
    with pytest.raises(ConfigurationError, match="event format"):
        _parse(type="version", terraform="9.9", ui=ui)


def test_a_diagnostic_keeps_its_place_and_not_its_snippet() -> None:
    part = {
        "severity": "error",
        "summary": "s",
        "detail": "d",
        "address": "a.b",
        "range": {"filename": "main.tf.json", "start": {"line": 7}},
        "snippet": {"code": "canary", "values": [{"statement": "canary"}]},
    }
    event = _parse(type="diagnostic", diagnostic=part)
    assert isinstance(event, DiagnosticShown)
    assert (event.diagnostic.file, event.diagnostic.line, event.diagnostic.address) == ("main.tf.json", 7, "a.b")
    assert "canary" not in repr(event)
