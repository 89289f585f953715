r"""Audit events in ArcSight's Common Event Format, one line each, for syslog and SIEM. Pure.

    CEF:0|lifecycle|lifecycle|VERSION|ACTION|ACTION RESULT|SEVERITY|rt=... suser=... act=... outcome=... ...

Escaping differs by place (Source: "Implementing ArcSight Common Event Format", revision 26, "Character Encoding"): in
the header `\` and `|`; in extensions `\`, `=` and line ends. A header cannot hold a line end, so it becomes a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lifecycle.domain.audit import AuditEvent, Result

_SEVERITY = {Result.INTENT: 2, Result.DONE: 3, Result.UNKNOWN: 6, Result.REFUSED: 7, Result.FAILED: 8}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


def audit_cef(events: Iterable[tuple[int, AuditEvent]], *, environment: str, tool_version: str) -> Iterator[str]:
    """One line per event.

    Args:
        events: line number in the log, and the event.
        environment: goes into `cs1`.
        tool_version: of the device.
    """
    for sequence, event in events:
        header = ("CEF:0", "lifecycle", "lifecycle", tool_version, event.action, f"{event.action} {event.result}")
        severity = str(_SEVERITY[event.result])
        fields = _fields(sequence, event, environment)
        extension = " ".join(f"{key}={_extension(value)}" for key, value in fields if value)
        yield "|".join((header[0], *(_header(text) for text in header[1:]), severity, extension))


def _fields(sequence: int, event: AuditEvent, environment: str) -> Iterator[tuple[str, str]]:
    yield "rt", str(int(event.at.timestamp() * 1000))
    yield "externalId", str(sequence)
    yield "suser", event.actor
    yield "act", event.action
    yield "outcome", str(event.result)
    yield "cs1Label", "environment"
    yield "cs1", environment
    yield "cs2Label", "object"
    yield "cs2", event.object
    if event.digest:
        yield "cs3Label", "digest"
        yield "cs3", event.digest
    if event.detail:
        yield "msg", ", ".join(f"{key}: {event.detail[key]}" for key in sorted(event.detail))


def _header(text: str) -> str:
    return _CONTROLS.sub(" ", text).replace("\\", "\\\\").replace("|", "\\|")


def _extension(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r\n", "\\n")
    return _CONTROLS.sub(" ", escaped.replace("\n", "\\n").replace("\r", "\\r"))
