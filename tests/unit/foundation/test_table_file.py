from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.table_file import TableFile


def _table(tmp_path: Path, content: bytes) -> TableFile:
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    return TableFile(path)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_is_found_out(tmp_path: Path, separator: str) -> None:
    text = f'a{separator}b\n1{separator}"x{separator}y"\n\n2{separator}z\n'
    table = _table(tmp_path, text.encode())
    assert (table.columns, list(table.rows())) == (("a", "b"), [("1", f"x{separator}y"), ("2", "z")])
    assert (table.name, table.size) == ("customers.csv", len(text))


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert _table(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n").columns == ("a", "b")


def test_rows_may_be_read_again(tmp_path: Path) -> None:
    table = _table(tmp_path, b"a\n1\n")
    assert list(table.rows()) == list(table.rows()) == [("1",)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00a"])
def test_file_that_is_no_table_is_a_mistake_of_the_call(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"customers\.csv cannot be read"):
        _ = _table(tmp_path, content).columns


def test_cells_of_a_broken_file_are_not_shown(tmp_path: Path) -> None:
    table = _table(tmp_path, b'a,b\n1,2\n"private" rest,3\n')
    with pytest.raises(ConfigurationError) as caught:
        list(table.rows())
    assert "private" not in str(caught.value) and caught.value.__cause__ is None


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        _ = TableFile(tmp_path / "absent.csv").size
