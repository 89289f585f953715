"""A value is found in every encoding and archive, and ordinary text is not taken for one."""

import base64
import gzip
import io
import json
import random
import re
import urllib.parse
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.domain import leak
from lifecycle.domain.leak import HandledSecret, TooLargeError, handled, needles, search, search_flat, searchable
from lifecycle.domain.secret import SecretText, secret_value

CANARY = 'c4n4ry+/<Value>&"quoted"\\äö%'
WANTED = needles([HandledSecret(label="credentials.x password", value=SecretText(CANARY))])
KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(f"MIIEvQIBADANBgkqhkiG9w0BAQEFAAS{n:032d}" for n in range(4))
KEY += "\n-----END PRIVATE KEY-----\n"


def zipped(data: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("tfplan", data)
    return buffer.getvalue()


NOISE, MORE = random.Random(1).randbytes(9000), random.Random(2).randbytes(9000)
ENCODED = {
    "raw": CANARY.encode(),
    "base64": base64.b64encode(CANARY.encode()),
    "base64, shifted by one": base64.b64encode(b"x" + CANARY.encode() + b"yz"),
    "base64, shifted by two": base64.b64encode(b"xy" + CANARY.encode() + b"z"),
    "base64url": base64.urlsafe_b64encode(b"user:" + CANARY.encode()),
    "JSON": json.dumps({"a": CANARY}).encode(),
    "JSON in UTF-8": json.dumps({"a": CANARY}, ensure_ascii=False).encode(),
    "JSON as Go writes it": json.dumps(CANARY, ensure_ascii=False)
    .replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode(),
    "JSON in JSON": json.dumps(json.dumps({"a": CANARY})).encode(),
    "URL": urllib.parse.quote(CANARY, safe="").encode(),
    "URL with lower-case digits": re.sub("%..", lambda m: m[0].lower(), urllib.parse.quote(CANARY, safe="")).encode(),
    "form": urllib.parse.urlencode({"a": CANARY}).encode(),
    "hex": CANARY.encode().hex().encode(),
    "UTF-16": CANARY.encode("utf-16"),
    "zip": zipped(CANARY.encode()),
    "stored zip": zipped(b"a" * 100 + CANARY.encode(), zipfile.ZIP_STORED),
    "gzip": gzip.compress(CANARY.encode()),
    "gzip inside other data": b"header" + gzip.compress(CANARY.encode()) + b"trailer",
    "zip in gzip in zip": zipped(gzip.compress(zipped(CANARY.encode()))),
    "base64 in zip": zipped(base64.b64encode(b"p=" + CANARY.encode())),
    "cut gzip": gzip.compress(NOISE + CANARY.encode() + MORE)[:-300],
}  # fmt: skip


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED.keys())
def test_a_planted_value_is_found_in_every_encoding(data: bytes) -> None:
    hits = search("file", b"before " + data + b" after" if b"PK" not in data[:2] else data, WANTED)
    assert hits
    assert {hit.label for hit in hits} == {"credentials.x password"}


def test_a_finding_never_holds_the_value() -> None:
    for hit in search("file", ENCODED["zip in gzip in zip"], WANTED):
        assert CANARY not in repr(hit)
    assert CANARY not in repr(WANTED)


def test_a_finding_names_the_way_through_archives() -> None:
    (hit,) = search("plan.bin", ENCODED["zip"], WANTED)
    assert hit.where == "plan.bin!tfplan"


@given(before=st.binary(max_size=40), after=st.binary(max_size=40), value=st.text(min_size=8, max_size=60))
@settings(max_examples=200, deadline=None)
def test_base64_is_found_whatever_stands_around_it(before: bytes, after: bytes, value: str) -> None:
    wanted = needles([HandledSecret(label="x", value=SecretText(value))])
    whole = before + value.encode() + after
    assert search_flat("f", base64.b64encode(whole), wanted)
    assert search_flat("f", base64.urlsafe_b64encode(whole), wanted)


@given(value=st.text(min_size=6, max_size=60))
@settings(max_examples=200, deadline=None)
def test_json_and_urls_are_found(value: str) -> None:
    wanted = needles([HandledSecret(label="x", value=SecretText(value))])
    assert search_flat("f", json.dumps({"k": f"a{value}b"}).encode(), wanted)
    assert search_flat("f", urllib.parse.quote(value).encode(), wanted)


def test_an_indented_key_is_found_by_its_lines() -> None:
    wanted = needles([HandledSecret(label="key", value=SecretText(KEY))])
    indented = "private_key: |\n" + "\n".join("    " + line for line in KEY.splitlines())
    assert search_flat("f", indented.encode(), wanted)
    header = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"
    assert search_flat("f", header.encode(), wanted) == ()


def test_ordinary_text_is_no_finding() -> None:
    text = json.dumps({"password": "", "credential": "credentials.x", "fingerprint": "k1:abcdef"}) * 1000
    noise = random.Random(3).randbytes(200_000)
    assert search("f", text.encode() + noise + base64.b64encode(noise), WANTED) == ()


def test_names_are_not_searched_and_short_values_cannot_be() -> None:
    value = secret_value({"access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrXUtnFEMI", "pin": "1234"})
    labels = [secret.label for secret in handled("credentials.k", value)]
    assert labels == ["credentials.k pin", "credentials.k secret_access_key"]
    assert len(searchable(handled("credentials.k", value))) == 1


@pytest.mark.parametrize("pack", [zipped, gzip.compress])
def test_a_bomb_is_bounded(pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(pack)
    monkeypatch.setattr(leak, "_UNPACKED", 1 << 20)
    with pytest.raises(TooLargeError, match="unpacks to more"):
        search("f", pack(b"\0" * (4 << 20)), WANTED)


def test_archives_too_deep_are_said() -> None:
    data = CANARY.encode()
    for _ in range(5):
        data = zipped(data)
    with pytest.raises(TooLargeError, match="deep"):
        search("f", data, WANTED)


def test_marks_by_chance_are_no_archives() -> None:
    assert search("f", b"PK\x03\x04 nothing \x1f\x8b\x08 nothing", WANTED) == ()
