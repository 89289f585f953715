"""Finds secret values in bytes: as they are, in the encodings that files use, and inside zip and gzip. Pure.

A finding says where and in which encoding, never what. What cannot be searched for (too short) or into (too large when
unpacked) is said too: a scan that keeps quiet about its limits proves nothing.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from lifecycle.domain.secret import SecretText, SecretValue

# Shorter texts ("on", "5432") stand in ordinary files; they are no secrets that anybody could keep.
SHORTEST = 6
_SHORTEST_ENCODED = 8
_LINE = 24  # a line of a key file is a needle of its own: indentation and wrapping change what lies between lines
_DEPTH = 3
_UNPACKED = 256 << 20
_STEP = 1 << 16
_GZIP = b"\x1f\x8b\x08"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")

# Fields of a secret value that are names, not secrets; they stand in journals and receipts on purpose.
PUBLIC_FIELDS = frozenset(
    {
        "access_key_id", "account", "api_key_id", "client_id", "credential_id", "database", "endpoint", "expires",
        "host", "id", "key_id", "port", "public_key", "registration_client_uri", "role",
        "secret_id_accessor", "tenant_id", "token_url", "url", "user", "username",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledSecret:
    """One value that a run handled, and what to call it: `credentials.snowflake-ingest private_key`."""

    label: str
    value: SecretText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needle:
    """One spelling of one value."""

    label: str
    encoding: str
    pattern: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where a value was found: the path through archives, the encoding and the name of the value."""

    where: str
    encoding: str
    label: str


class TooLargeError(Exception):
    """An archive that unpacks to more than can be searched."""


def handled(name: str, value: SecretValue) -> tuple[HandledSecret, ...]:
    """The secret fields of a value, each with a label.

    Args:
        name: spec entry, e.g. `credentials.snowflake-ingest`.
        value: the secret.
    """
    secret = ((key, text) for key, text in sorted(value.items()) if key not in PUBLIC_FIELDS)
    return tuple(HandledSecret(label=f"{name} {key}", value=text) for key, text in secret)


def searchable(secrets: Iterable[HandledSecret]) -> tuple[HandledSecret, ...]:
    """Those that are long enough to be found for certain."""
    return tuple(secret for secret in secrets if len(secret.value) >= SHORTEST)


def needles(secrets: Iterable[HandledSecret]) -> tuple[Needle, ...]:
    """Every spelling of every value, each pattern once."""
    found: dict[bytes, Needle] = {}
    for secret in searchable(secrets):
        plain = secret.value.get_secret_value()
        for encoding, pattern in _spellings(plain):
            found.setdefault(pattern, Needle(label=secret.label, encoding=encoding, pattern=pattern))
    return tuple(found.values())


def _spellings(plain: str) -> Iterator[tuple[str, bytes]]:
    yield "raw", plain.encode()
    yield from (("raw line", line) for line in _key_lines(plain))
    for body in (plain, plain.strip()):
        yield from _escaped(body)
    raw = plain.encode()
    yield "hex", raw.hex().encode()
    yield "hex", raw.hex().upper().encode()
    yield "utf-16", plain.encode("utf-16-le")
    for pattern in _base64(raw):
        yield "base64", pattern
        yield "base64url", pattern.replace(b"+", b"-").replace(b"/", b"_")


def _escaped(body: str) -> Iterator[tuple[str, bytes]]:
    for ascii_only in (True, False):
        once = json.dumps(body, ensure_ascii=ascii_only)[1:-1]
        yield "JSON", once.encode()
        yield "JSON", _go_escaped(once).encode()
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        yield "JSON in JSON", twice.encode()
        yield "JSON in JSON", _go_escaped(twice).encode()
    for escaped in (quote(body, safe=""), quote(body), quote_plus(body)):
        yield "URL", escaped.encode()
        yield "URL", re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), escaped).encode()


def _go_escaped(text: str) -> str:
    """As Go writes JSON: Terraform's state and plan."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _key_lines(plain: str) -> Iterator[bytes]:
    lines = [line.strip() for line in plain.splitlines()]
    if len(lines) > 1:
        yield from (line.encode() for line in lines if len(line) >= _LINE and not line.startswith("-----"))


def _base64(raw: bytes) -> Iterator[bytes]:
    """The part of the encoding that does not depend on what stands before and after, for each of three alignments."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        first = -(-offset * 8 // 6)
        last = (offset + len(raw)) * 8 // 6
        pattern = encoded[first:last]
        if len(pattern) >= _SHORTEST_ENCODED:
            yield pattern


def search(where: str, data: bytes, wanted: tuple[Needle, ...]) -> tuple[Hit, ...]:
    """Every value in some bytes, at any depth of zip and gzip.

    Args:
        where: what to call the bytes.
        data: a whole file, so that archives can be opened.
        wanted: see `needles`.

    Raises:
        TooLargeError: an archive in it unpacks to more than 256 MiB or lies too deep; what was found so far is lost, so
            call `search_flat` as well.
    """
    return tuple(_hits(where, data, wanted, _DEPTH, [_UNPACKED]))


def search_flat(where: str, data: bytes, wanted: tuple[Needle, ...]) -> tuple[Hit, ...]:
    """Every value in some bytes, without opening archives."""
    return tuple(Hit(where=where, encoding=n.encoding, label=n.label) for n in wanted if n.pattern in data)


def _hits(where: str, data: bytes, wanted: tuple[Needle, ...], depth: int, room: list[int]) -> Iterator[Hit]:
    yield from search_flat(where, data, wanted)
    for name, content in _members(where, data, room):
        if depth == 0:
            raise TooLargeError(f"{where}: archives lie more than {_DEPTH} deep")
        yield from _hits(name, content, wanted, depth - 1, room)


def _members(where: str, data: bytes, room: list[int]) -> Iterator[tuple[str, bytes]]:
    if any(mark in data for mark in _ZIP):
        yield from _zipped(where, data, room)
    start = data.find(_GZIP)
    while start >= 0:
        content = _gunzipped(where, data[start:], room)
        if content:
            yield f"{where} (gzip)", content
        start = data.find(_GZIP, start + 1)


def _zipped(where: str, data: bytes, room: list[int]) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        return  # the mark stood there by chance
    with archive:
        for member in archive.infolist():
            _take(where, room, member.file_size)
            try:
                yield f"{where}!{member.filename}", archive.read(member)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error):
                raise TooLargeError(f"{where}!{member.filename}: encrypted, damaged or of an unknown method") from None


def _gunzipped(where: str, data: bytes, room: list[int]) -> bytes:
    """What a gzip stream holds, up to where it is cut or damaged; nothing when the mark stood there by chance."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    parts: list[bytes] = []
    try:
        for start in range(0, len(data), _STEP):
            parts.append(inflater.decompress(data[start : start + _STEP], room[0] + 1))
            _take(where, room, len(parts[-1]))
            if inflater.eof:
                break
            if inflater.unconsumed_tail:
                raise TooLargeError(f"{where}: unpacks to more than {_UNPACKED >> 20} MiB")
    except zlib.error:
        pass
    return b"".join(parts)


def _take(where: str, room: list[int], size: int) -> None:
    room[0] -= size
    if room[0] < 0:
        raise TooLargeError(f"{where}: unpacks to more than {_UNPACKED >> 20} MiB")
