"""What the DataRobot double remembers, in a 0600 file that survives its restart.

API keys stand there as SHA-256, the secret fields of credentials as keyed digests: no value rests in it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.private_file import read_json, write_json
from lifecycle.sandbox.wsgi import Reply, ReplyError, json_body

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

ROOT = "/api/v2"
PAGE = 100
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request: user and API key."""

    user: Record
    key: Record

    @property
    def is_admin(self) -> bool:
        """Whether this is an administrator of the organisation."""
        return bool(self.user["orgAdmin"])


@dataclass(slots=True, kw_only=True)
class DataRobotState:
    """All tables; each maps an id to a record.

    `backends[canonical name of a data store]` holds the digests that its fake database accepts now.
    """

    path: Path
    clock: Callable[[], float]
    tables: dict[str, dict[str, Record]] = field(default_factory=dict)
    salt: str = ""

    @classmethod
    def load(cls, path: Path, clock: Callable[[], float]) -> DataRobotState:
        """Read the file, or begin empty."""
        kept = read_json(path) or {}
        return cls(
            path=path, clock=clock, tables=kept.get("tables", {}), salt=kept.get("salt", "") or secrets.token_hex(16)
        )

    def table(self, name: str) -> dict[str, Record]:
        """One table."""
        return self.tables.setdefault(name, {})

    def save(self) -> None:
        """Write the file; called before an answer leaves."""
        write_json(self.path, {"tables": self.tables, "salt": self.salt})

    def now(self) -> str:
        """The time as DataRobot writes it."""
        return iso(self.clock())

    def find(self, table: str, record_id: str) -> Record:
        """A record, or 404."""
        found = self.table(table).get(record_id)
        if found is None:
            raise not_found()
        return found

    def digests(self, secret_fields: Mapping[str, Any]) -> dict[str, str]:
        """Keyed digest of each field: enough to compare, useless to read."""
        return {
            name: hmac.new(self.salt.encode(), repr(value).encode(), hashlib.sha256).hexdigest()
            for name, value in secret_fields.items()
            if value is not None
        }

    def log_event(self, event: str, user: Record, context: Mapping[str, Any]) -> None:
        """Add an audit record."""
        event_id = new_id()
        self.table("eventLogs")[event_id] = {
            "id": event_id,
            "event": event,
            "timestamp": self.now(),
            "userId": user["id"],
            "username": user["username"],
            "ip": "127.0.0.1",
            "projectId": None,
            "context": dict(context),
        }


def new_id() -> str:
    """An id of DataRobot's shape: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def iso(seconds: float) -> str:
    """RFC 3339 in UTC, with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: Any, name: str) -> float:
    """Seconds since 1970 of an RFC 3339 time, or 422."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise invalid(f"{name}: {text!r} is not a valid date-time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def not_found() -> ReplyError:
    """404 as DataRobot words it."""
    return ReplyError(404, {"message": "Not Found"})


def forbidden() -> ReplyError:
    """403 as DataRobot words it."""
    return ReplyError(403, {"message": "You do not have permission to perform this action."})


def invalid(message: str) -> ReplyError:
    """422: the body does not validate."""
    return ReplyError(422, {"message": message})


def in_use(what: str, name: str) -> ReplyError:
    """409: a name clash, in the words that Terraform's provider looks for."""
    return ReplyError(409, {"message": f"{what} name {name!r} is already in use"})


def body_of(request: Request) -> Record:
    """The JSON object sent, or 400."""
    return json_body(request, lambda reason: ReplyError(400, {"message": reason}))


def text_of(body: Mapping[str, Any], name: str) -> str:
    """A required, non-empty text field, or 422."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"{name} is required")
    return value


def page(request: Request, records: Iterable[Record]) -> Reply:
    """One page of a list: count, next and previous as absolute URLs or null, data, totalCount."""
    everything = list(records)
    offset, limit = (_number(request, name, default) for name, default in (("offset", 0), ("limit", PAGE)))
    data = everything[offset : offset + limit]

    def link(start: int) -> str:
        arguments = {**request.args.to_dict(), "offset": str(start), "limit": str(limit)}
        query = "&".join(f"{name}={value}" for name, value in arguments.items())
        return f"{request.base_url}?{query}"

    return Reply(
        body={
            "count": len(data),
            "totalCount": len(everything),
            "next": link(offset + limit) if offset + limit < len(everything) else None,
            "previous": link(max(0, offset - limit)) if offset else None,
            "data": data,
        }
    )


def _number(request: Request, name: str, default: int) -> int:
    text = request.args.get(name, str(default))
    if not text.isdecimal() or (name == "limit" and text == "0"):
        raise invalid(f"{name}: {text!r} is not a valid number")
    return int(text)
