"""Reviewed plans stay private, travel encrypted, and come back only under their own digest."""

from pathlib import Path

import pytest

from lifecycle.domain.audit import Digest
from lifecycle.domain.errors import ConfigurationError, IntegrityError, NotFoundError, UnsafePlanError
from lifecycle.domain.secret import SecretText
from lifecycle.journals.plan_store import EncryptedPlanStore, PlanFolderFiles

KEY = SecretText("ab" * 32)
DIGEST = Digest("sha256:" + "1" * 64)
VALUE = b"a-value-inside-the-plan"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = PlanFolderFiles(tmp_path / "plan")
    files.clear()
    files.plan_file.write_bytes(VALUE)
    files.write("review.json", {"a": 1})
    return tmp_path / "plan"


def test_a_plan_comes_back_as_it_was(tmp_path: Path, folder: Path) -> None:
    EncryptedPlanStore(tmp_path / "store", KEY).put(DIGEST, folder)
    EncryptedPlanStore(tmp_path / "store", KEY).get(DIGEST, tmp_path / "back")
    assert (tmp_path / "back" / "plan.bin").read_bytes() == VALUE
    assert PlanFolderFiles(tmp_path / "back").read("review.json") == {"a": 1}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "back").iterdir()} == {0o600}


def test_the_archive_shows_nothing(tmp_path: Path, folder: Path) -> None:
    EncryptedPlanStore(tmp_path / "store", KEY).put(DIGEST, folder)
    (archive,) = (tmp_path / "store").iterdir()
    assert VALUE not in archive.read_bytes()
    assert b"plan.bin" not in archive.read_bytes()


def test_a_second_put_changes_nothing(tmp_path: Path, folder: Path) -> None:
    store = EncryptedPlanStore(tmp_path / "store", KEY)
    store.put(DIGEST, folder)
    (archive,) = (tmp_path / "store").iterdir()
    before = archive.read_bytes()
    store.put(DIGEST, folder)
    assert archive.read_bytes() == before


def test_an_altered_archive_is_refused(tmp_path: Path, folder: Path) -> None:
    store = EncryptedPlanStore(tmp_path / "store", KEY)
    store.put(DIGEST, folder)
    (archive,) = (tmp_path / "store").iterdir()
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    archive.write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        store.get(DIGEST, tmp_path / "back")


def test_an_archive_under_another_digest_is_refused(tmp_path: Path, folder: Path) -> None:
    store = EncryptedPlanStore(tmp_path / "store", KEY)
    store.put(DIGEST, folder)
    (archive,) = (tmp_path / "store").iterdir()
    archive.rename(archive.with_name("2" * 64 + ".plan"))
    with pytest.raises(IntegrityError):
        store.get(Digest("sha256:" + "2" * 64), tmp_path / "back")


def test_another_key_does_not_open_it(tmp_path: Path, folder: Path) -> None:
    EncryptedPlanStore(tmp_path / "store", KEY).put(DIGEST, folder)
    with pytest.raises(IntegrityError):
        EncryptedPlanStore(tmp_path / "store", SecretText("cd" * 32)).get(DIGEST, tmp_path / "back")


def test_a_missing_plan_and_a_wrong_key_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotFoundError):
        EncryptedPlanStore(tmp_path / "store", KEY).get(DIGEST, tmp_path / "back")
    with pytest.raises(ConfigurationError, match="no AES key"):
        EncryptedPlanStore(tmp_path / "store", SecretText("short")).put(DIGEST, folder)


def test_clearing_removes_what_an_earlier_plan_left(folder: Path) -> None:
    PlanFolderFiles(folder).clear()
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [None, "[]", "{"])
def test_an_unusable_document_is_named(folder: Path, content: str | None) -> None:
    path = folder / "review.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UnsafePlanError, match=r"review\.json"):
        PlanFolderFiles(folder).read("review.json")


def test_a_missing_plan_file_is_named(folder: Path) -> None:
    PlanFolderFiles(folder).plan_file.unlink()
    with pytest.raises(UnsafePlanError, match=r"plan\.bin"):
        PlanFolderFiles(folder).plan_digest()
