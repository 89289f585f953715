from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.errors import ConfigurationError
from lifecycle.operations import diagnose_data as data
from tests.unit.operations.diagnosis import Table, cause, fine, not_asked, ok, refused, rows, unknown

_FEATURES = (
    {"name": "tenure", "featureType": "Numeric"},
    {"name": "plan", "featureType": "Categorical"},
    {"name": "since", "featureType": "Date", "dateFormat": "%Y-%m-%d"},
    {"name": "paid", "featureType": "Boolean"},
    {"name": "note", "featureType": "Text"},
)
_GOOD = ("12", "basic", "2024-01-31", "true", "x")


@dataclass
class Sheet:
    """A table in memory."""

    content: tuple[tuple[str, ...], ...] = (_GOOD,)
    columns: tuple[str, ...] = ("tenure", "plan", "since", "paid", "note")
    name: str = "customers.csv"
    size: int = 100
    broken: bool = False

    def rows(self) -> Iterator[tuple[str, ...]]:
        yield from self.content
        if self.broken:
            raise ConfigurationError("customers.csv cannot be read", remedy="write it again")


def _view(sheet: data.Table, *, features: Seen | None = None, plot: Seen | None = None, project: str = "p1") -> Any:
    answers = {
        "/deployments/d1/": ok(model={"projectId": project}),
        "/deployments/d1/features/": features or rows(*_FEATURES),
        "/projects/p1/featureHistograms/plan/?binLimit=60": plot or ok(plot=[{"label": "basic"}, {"label": "plus"}]),
    }
    return data.DataView(installation=Table(answers), deployment="d1", table=sheet)


def _with(**cells: str) -> Sheet:
    row = dict(zip(Sheet.columns, _GOOD, strict=True)) | cells
    return Sheet(content=(_GOOD, tuple(row.values())))


def test_column_that_is_missing_suggests_what_was_meant() -> None:
    found = cause(data.columns_differ(_view(Sheet(columns=("Tenure", "plan", "since", "paid", "note")))))
    assert found.evidence == "no column tenure; is column 'Tenure' meant?"


def test_columns_that_fit() -> None:
    assert fine(data.columns_differ(_view(Sheet()))) == "5 features"
    assert fine(data.columns_differ(_view(Sheet(columns=(*Sheet.columns, "id"))))) == "5 features, 1 further columns"
    not_asked(data.columns_differ(_view(Sheet(), features=rows())))
    unknown(data.columns_differ(_view(Sheet(), features=refused(500))))


@pytest.mark.parametrize(
    ("sheet", "evidence"),
    [
        (Sheet(content=(_GOOD, ("1", "2"))), "first in row 2"),
        (Sheet(content=()), "a header only"),
        (Sheet(broken=True), "after row 1"),
    ],
)
def test_rows_that_are_broken(sheet: Sheet, evidence: str) -> None:
    assert cause(data.rows_broken(_view(sheet))).evidence == evidence


def test_rows_that_are_whole() -> None:
    assert fine(data.rows_broken(_view(Sheet()))) == "1 rows"


@pytest.mark.parametrize(
    ("name", "cell"), [("tenure", "twelve"), ("tenure", "1,2"), ("since", "31.01.2024"), ("paid", "maybe")]
)
def test_cell_of_another_type_is_told_by_its_row_and_never_shown(name: str, cell: str) -> None:
    found = cause(data.types_differ(_view(_with(**{name: cell}))))
    assert name in found.message and found.evidence == "1 of 2 cells, first in row 2"
    assert cell not in str(found)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("tenure", value) for value in ("1", "-1.5", ".5", "1e3", "$1,200.50", "5%", "", "NA")]
    + [("paid", "0"), ("note", "anything, at all"), ("since", "null")],
)
def test_cells_that_fit(name: str, cell: str) -> None:
    fine(data.types_differ(_view(_with(**{name: cell}))))


def test_dates_without_a_declared_form_are_iso() -> None:
    features = rows({"name": "since", "featureType": "Date"})
    fine(data.types_differ(_view(Sheet(), features=features)))


def test_column_that_is_mostly_empty() -> None:
    empty = ("", "basic", "2024-01-31", "true", "x")
    found = cause(data.values_missing(_view(Sheet(content=(_GOOD, empty, empty)))))
    assert (found.message, found.evidence) == ("column tenure is mostly empty", "2 of 3 cells are empty")


def test_column_with_some_empty_cells() -> None:
    assert fine(data.values_missing(_view(_with(tenure="")))) == "at most 1 of 2 cells empty"


def test_category_that_training_did_not_have_is_counted_and_never_shown() -> None:
    found = cause(data.categories_unseen(_view(_with(plan="platinum"))))
    assert found.evidence == "1 of 2, first in row 2" and "platinum" not in str(found)


def test_categories_that_training_had() -> None:
    assert fine(data.categories_unseen(_view(_with(plan="plus")))) == "1 columns compared"


def test_categories_that_nobody_knows_are_not_judged() -> None:
    not_asked(data.categories_unseen(_view(_with(plan="x"), project="")))
    not_asked(data.categories_unseen(_view(_with(plan="x"), plot=ok(plot=[{"label": "=All Other="}]))))
    not_asked(data.categories_unseen(_view(_with(plan="x"), plot=refused(404))))
    assert fine(data.categories_unseen(_view(Sheet(), features=rows(_FEATURES[0])))) == "0 columns compared"


def test_file_that_is_too_large_for_one_request() -> None:
    assert "batch" in cause(data.file_too_large(_view(Sheet(size=data.REAL_TIME_LIMIT + 1)))).remedy


def test_file_that_fits_into_one_request() -> None:
    fine(data.file_too_large(_view(Sheet(size=data.REAL_TIME_LIMIT))))


def test_endless_file_is_read_to_a_bound() -> None:
    view = data.DataView(
        installation=Table({"/deployments/d1/features/": rows(*_FEATURES)}),
        deployment="d1",
        table=Sheet(content=(_GOOD,) * 9),
        most_rows=3,
    )
    assert fine(data.rows_broken(view)) == "3 rows"
