"""Causes in an input file: columns, types, missing values, categories that training did not have, size.

Messages name columns and row numbers, never cells: those are somebody's data.

Sources: DataRobot REST API reference (deployment features; histograms, where "=All Other=" gathers what is rare);
docs.datarobot.com, "Prediction file size limits": 50 MB for the real-time Prediction API.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import quote

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Seen, Unknown, plain
from lifecycle.domain.errors import ConfigurationError
from lifecycle.operations.diagnose import Installation

REAL_TIME_LIMIT = 50 * 1000 * 1000
MOST_ROWS = 1_000_000
_MOST_CATEGORIES = 2000
_NUMBER = re.compile(r"[-+]?[$€£]?\d{1,3}(,\d{3})*(\.\d+)?%?|[-+]?[$€£]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?%?")
_EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
_TRUTHS = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n", "0", "1"})
_GATHERED = frozenset({"=All Other=", "==Missing==", "=Missing="})


class Table(Protocol):
    """A table of text with a header."""

    @property
    def name(self) -> str:
        """Of the file."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The header. Raises ConfigurationError when there is none."""
        ...

    def rows(self) -> Iterator[tuple[str, ...]]:
        """What stands below it, row by row. Raises ConfigurationError where it cannot be read."""
        ...


@dataclass(slots=True)
class Column:
    """What a file holds under one feature.

    Attributes:
        missing: empty cells.
        misfits: cells of another type.
        first_misfit: the row of the first one, counted from 1 below the header.
        categories: each value with the row in which it stands first.
    """

    missing: int = 0
    misfits: int = 0
    first_misfit: int = 0
    categories: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class DataView:
    """One file and the deployment that is to take it. The file is read once.

    Attributes:
        installation: where the deployment is.
        deployment: its id.
        table: the file.
        most_rows: how many of them are read.
    """

    installation: Installation
    deployment: str
    table: Table
    most_rows: int = MOST_ROWS
    rows: int = field(default=0, init=False)
    ragged: int = field(default=0, init=False)

    @property
    def asked(self) -> Seen:
        """The answer that lists the features."""
        return self.installation.ask_all(f"/deployments/{quote(self.deployment, safe='')}/features/")

    @cached_property
    def features(self) -> Mapping[str, Mapping[str, Any]]:
        """The deployment's features by name."""
        return {str(item.get("name")): item for item in self.asked.items()}

    @cached_property
    def content(self) -> Mapping[str, Column]:
        """What the file holds under each feature that it has."""
        places = {name: place for place, name in enumerate(self.table.columns) if name in self.features}
        found = {name: Column() for name in places}
        for number, row in enumerate(self.table.rows(), start=1):
            if number > self.most_rows:
                break
            self.rows = number
            if len(row) != len(self.table.columns):
                self.ragged = self.ragged or number
                continue
            for name, place in places.items():
                _note(found[name], row[place].strip(), self.features[name], number)
        return found


def columns_differ(view: DataView) -> Finding:
    """A feature has no column."""
    if not view.asked.good:
        return Unknown(why=f"features: {view.asked.in_words()}")
    if not view.features:
        return NotAsked(why="the deployment lists no features")
    missing = [name for name in view.features if name not in view.table.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], view.table.columns, n=1, cutoff=0.6)
        hint = f"; is column {plain(near[0])!r} meant?" if near else ""
        named = ", ".join(plain(name) for name in missing[:5])
        message = f"{view.table.name} lacks {len(missing)} of {len(view.features)} features"
        return Cause(message=message, evidence=f"no column {named}{hint}", remedy="add or rename the columns")
    further = len(set(view.table.columns) - set(view.features))
    return Fine(evidence=f"{len(view.features)} features" + (f", {further} further columns" if further else ""))


def rows_broken(view: DataView) -> Finding:
    """There are no rows, or some are not as long as the header."""
    try:
        _ = view.content
    except ConfigurationError as error:  # the file opens, and further down is no CSV
        return Cause(message=error.message, evidence=f"after row {view.rows}", remedy=error.remedy)
    if view.ragged:
        message = f"{view.table.name} has rows of another length than its header"
        remedy = "quote cells that hold the separator, and write the file as UTF-8 CSV"
        return Cause(message=message, evidence=f"first in row {view.ragged}", remedy=remedy)
    if not view.rows:
        remedy = "look at the step that writes the file"
        return Cause(message=f"{view.table.name} holds no rows", evidence="a header only", remedy=remedy)
    return Fine(evidence=f"{view.rows} rows")


def types_differ(view: DataView) -> Finding:
    """Cells are of another type than the feature."""
    for name, column in view.content.items():
        if column.misfits:
            kind = _kind(view.features[name])
            told = f"{column.misfits} of {view.rows} cells, first in row {column.first_misfit}"
            remedy = f"write the column as {kind}, as in the training data"
            return Cause(message=f"column {plain(name)} is not {kind}", evidence=told, remedy=remedy)
    return Fine(evidence=f"{len(view.content)} columns fit")


def values_missing(view: DataView) -> Finding:
    """A column is empty, or mostly."""
    for name, column in view.content.items():
        if view.rows and column.missing * 2 > view.rows:
            told = f"{column.missing} of {view.rows} cells are empty"
            remedy = "look at the join or the query that fills it"
            return Cause(message=f"column {plain(name)} is mostly empty", evidence=told, remedy=remedy)
    most = max((column.missing for column in view.content.values()), default=0)
    return Fine(evidence=f"at most {most} of {view.rows} cells empty")


def categories_unseen(view: DataView) -> Finding:
    """A column holds categories that the training data did not have."""
    path = f"/deployments/{quote(view.deployment, safe='')}/"
    project = str(view.installation.ask(path).part("model").get("projectId") or "")
    if not project:
        return NotAsked(why="the deployed model belongs to no project, which would know the categories")
    judged, unjudged = 0, 0
    for name in (name for name in view.content if view.features[name].get("featureType") == "Categorical"):
        known = _trained(view, project, name)
        if known is None or len(view.content[name].categories) >= _MOST_CATEGORIES:
            unjudged += 1
            continue
        judged += 1
        new = {value: row for value, row in view.content[name].categories.items() if value not in known}
        if new:
            told = f"{len(new)} of {len(view.content[name].categories)}, first in row {min(new.values())}"
            remedy = "correct their spelling, or retrain with them; until then they count as missing"
            message = f"column {plain(name)} has categories that training did not have"
            return Cause(message=message, evidence=told, remedy=remedy)
    if unjudged and not judged:
        return NotAsked(why=f"{unjudged} columns have too many categories, or no histogram")
    return Fine(evidence=f"{judged} columns compared" + (f", {unjudged} not" if unjudged else ""))


def file_too_large(view: DataView) -> Finding:
    """The file is larger than the real-time Prediction API takes."""
    told = f"{view.table.size / 1e6:.1f} MB, real-time predictions take {REAL_TIME_LIMIT // 1_000_000} MB"
    if view.table.size <= REAL_TIME_LIMIT:
        return Fine(evidence=told)
    remedy = "send it as batch predictions, or in parts"
    return Cause(message=f"{view.table.name} is too large for one request", evidence=told, remedy=remedy)


def _note(column: Column, cell: str, feature: Mapping[str, Any], row: int) -> None:
    if cell.lower() in _EMPTY:
        column.missing += 1
        return
    if not _fits(cell, feature):
        column.misfits += 1
        column.first_misfit = column.first_misfit or row
    if feature.get("featureType") == "Categorical" and len(column.categories) < _MOST_CATEGORIES:
        column.categories.setdefault(cell, row)


def _fits(cell: str, feature: Mapping[str, Any]) -> bool:
    match feature.get("featureType"):
        case "Numeric" | "Percentage" | "Currency":
            return bool(_NUMBER.fullmatch(cell))
        case "Boolean":
            return cell.lower() in _TRUTHS
        case "Date":
            return _is_date(cell, str(feature.get("dateFormat") or ""))
        case _:
            return True


def _is_date(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell, form) if form else datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _kind(feature: Mapping[str, Any]) -> str:
    form = feature.get("dateFormat")
    return f"{plain(feature.get('featureType'))}{f' in the form {plain(form)}' if form else ''}"


def _trained(view: DataView, project: str, name: str) -> frozenset[str] | None:
    """The categories of the training data; None when they are not all known."""
    path = f"/projects/{quote(project, safe='')}/featureHistograms/{quote(name, safe='')}/?binLimit=60"
    seen = view.installation.ask(path)
    labels = frozenset(str(item.get("label")) for item in seen.items("plot"))
    if not seen.good or not labels or "=All Other=" in labels:
        return None
    return labels - _GATHERED
