"""The evidence pack as it lies on disk: whole, verifiable without the tool, and cut down for its audience."""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError, IntegrityError
from tests.unit.bootstrap.evidence_case import CANARIES, Quarter, quarter


@pytest.fixture
def made(tmp_path: Path) -> Quarter:
    return quarter(tmp_path)


def rows(pack: Path, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((pack / "tables" / f"{name}.json").read_text())
    return found


def counts(pack: Path, name: str) -> dict[str, str]:
    return {row["Which"]: row["Count"] for row in rows(pack, name)}


def text_of(pack: Path) -> str:
    return "\n".join(f"{path.name}\n{path.read_text()}" for path in sorted(pack.rglob("*")) if path.is_file())


def test_everything_is_there_and_private(made: Quarter) -> None:
    pack = made.pack()
    names = {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()}
    assert {"report.html", "VERIFY.md", "SHA256SUMS", "audit.jsonl", "audit.jsonl.head", "signers/audit"} <= names
    assert any(name.startswith("receipts/") for name in names)
    assert any(name.endswith("review.json.sig") for name in names)
    assert {path.stat().st_mode & 0o077 for path in (pack, *pack.rglob("*.*")) if path.is_file()} == {0}
    assert pack.stat().st_mode & 0o777 == 0o700


def test_the_population_adds_up(made: Quarter) -> None:
    found = counts(made.pack(), "population")
    size = len(made.journal.credentials())
    assert int(found["opening"]) + int(found["added"]) - int(found["retired"]) == int(found["closing"]) == size
    assert int(found["added"]) > 0


def test_late_and_failed_rotations_are_counted(made: Quarter) -> None:
    pack = made.pack()
    found = counts(pack, "rotation-counts")
    assert (found["late"], found["failed or quarantined"]) == ("1", "1")
    assert [row["No."] for row in rows(pack, "rotations") if row["In time"].startswith("late by")] == ["2"]


def test_an_operation_tells_who_did_it_and_which_approved_spec_declared_it(made: Quarter) -> None:
    done = [row for row in rows(made.pack(), "rotations") if row["No."] == "3"]
    assert [(row["By"], row["Declared under"]) for row in done] == [(CANARIES[2], "run-1: bea@acme.example")]


def test_provider_lists_are_reconciled_and_each_kind_is_counted(made: Quarter) -> None:
    assert counts(made.pack(), "provider-totals") == {
        "managed": "1",
        "known": "1",
        "unknown": "1",
        "missing": "0",
        "not inspectable (principals)": "1",
    }


def test_what_was_not_asked_reads_not_shown(made: Quarter) -> None:
    report = (made.pack(ask=False) / "report.html").read_text()
    assert "not shown: the providers&#x27; own lists were not read" in report
    assert "passed" not in report.lower().replace("not passed", "")


def blocks(pack: Path) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (pack / "VERIFY.md").read_text(), re.DOTALL)


def runs(pack: Path, block: str) -> bool:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=pack, capture_output=True, check=False)
    return done.returncode == 0


def test_every_command_of_verify_md_works(made: Quarter) -> None:
    pack = made.pack()
    assert len(blocks(pack)) == 5
    assert [runs(pack, block) for block in blocks(pack)] == [True] * 5


@pytest.mark.parametrize(
    ("victim", "block"),
    [
        ("report.html", 0),
        ("audit.jsonl", 1),
        ("audit.jsonl.heads/*.json", 2),
        ("audit.jsonl", 3),
        ("approvals/*/*/review.json", 4),
    ],
)
def test_each_command_finds_what_it_is_there_for(made: Quarter, victim: str, block: int) -> None:
    pack = made.pack()
    (path,) = pack.glob(victim)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"e", b"3"))
    assert not runs(pack, blocks(pack)[block])


@pytest.mark.parametrize("audience", ["auditor", "public"])
def test_no_host_arn_address_account_or_person_passes(made: Quarter, audience: str) -> None:
    inside = text_of(made.pack())
    assert all(canary in inside for canary in CANARIES)
    outside = text_of(made.pack(audience))
    spec = made.around.spec
    owners = {entry.owner for _, entry in spec.entries()}
    hosts = {entry.host for item in spec.allowlists.values() for entry in item.entries if entry.host}
    people = {f"{name}@acme.example" for name in ("auditor", "bea")}
    found = {name for name in (*CANARIES, *hosts, *people, spec.aws.account_id if spec.aws else "") if name in outside}
    assert not found
    assert not {name for name in owners if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", outside)}


def test_the_public_learns_no_name_of_an_entry(made: Quarter) -> None:
    outside = text_of(made.pack("public"))
    assert not [name for _, entry in made.around.spec.entries() if (name := entry.name) in outside]


def test_pseudonyms_are_the_same_in_every_pack_of_one_key(made: Quarter, tmp_path: Path) -> None:
    first = rows(made.pack("public"), "credentials")
    (tmp_path / "pack-public").rename(tmp_path / "earlier")
    assert rows(made.pack("public"), "credentials") == first
    (tmp_path / "pack-public").rename(tmp_path / "later")
    (made.around.paths.state / "pseudonym.key").unlink()
    other = rows(made.pack("public"), "credentials")
    assert {row["Credential"] for row in other}.isdisjoint(row["Credential"] for row in first)


def test_a_cut_down_pack_names_its_originals_and_verifies(made: Quarter) -> None:
    inside, outside = made.pack(), made.pack("auditor")
    assert not (outside / "audit.jsonl").exists()
    assert [runs(outside, block) for block in blocks(outside)] == [True]
    assert runs(inside, f"sha256sum --quiet -c {outside / 'ORIGINALS.sha256'}")


def test_a_folder_with_something_in_it_is_refused(made: Quarter) -> None:
    made.pack()
    with pytest.raises(ConfigurationError, match="holds something already"):
        made.pack()


def test_an_edited_receipt_stops_the_pack(made: Quarter) -> None:
    (receipt,) = made.around.paths.receipts.glob("*.json")
    receipt.write_text(receipt.read_text()[:-20])
    with pytest.raises(IntegrityError, match="was cut or edited"):
        made.pack()


def test_a_trail_that_does_not_verify_is_told_and_not_counted(made: Quarter) -> None:
    log = made.around.paths.audit
    log.write_bytes(log.read_bytes().replace(b"mint", b"m1nt"))
    pack = made.pack()
    assert "the trail does NOT verify" in (pack / "report.html").read_text()
    assert not (pack / "tables" / "trail.csv").exists()


def test_csv_and_json_hold_the_same(made: Quarter) -> None:
    pack = made.pack()
    for path in (pack / "tables").glob("*.csv"):
        with path.open(newline="") as file:
            assert len(list(csv.DictReader(file))) == len(rows(pack, path.stem))
