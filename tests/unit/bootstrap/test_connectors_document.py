"""docs/connectors.md and the registry of kinds say the same."""

import re
from pathlib import Path

import pytest

from lifecycle.bootstrap.kinds import registry
from lifecycle.domain.kinds import Family, Kind
from lifecycle.domain.verification import Reason

_ROOT = Path(__file__).parents[3]
_PAGE = (_ROOT / "docs" / "connectors.md").read_text()
_NAME = re.compile(r"`([a-z0-9_]+)`")
# What every connector may say, as the page tells once.
_SHARED = {
    Reason.WORKS, Reason.NOT_CONFIGURED, Reason.AMBIGUOUS, Reason.SERVICE_FAULT, Reason.THROTTLED,
    Reason.TIMEOUT_CONNECT, Reason.TIMEOUT_READ, Reason.TIMEOUT_TOTAL, Reason.CONNECTION_REFUSED,
    Reason.NAME_NOT_RESOLVED, Reason.PROXY_REFUSED, Reason.TLS_EXPIRED, Reason.TLS_NAME_MISMATCH,
    Reason.TLS_NOT_SPOKEN, Reason.TLS_UNKNOWN_ISSUER,
}  # fmt: skip


def _rows(heading: str) -> dict[str, list[str]]:
    """The rows of the first table below a heading, by the kind in their first cell."""
    _, found, rest = _PAGE.partition(f"\n{heading}\n")
    assert found, f"{heading} is gone"
    table = re.search(r"^\| Kind .*?(?=^(?!\|))", rest, re.MULTILINE | re.DOTALL)
    assert table is not None
    rows: dict[str, list[str]] = {}
    for line in table.group().splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in _NAME.findall(cells[0]):
            assert name not in rows, f"{name} stands twice below {heading}"
            rows[name] = cells
    return rows


def _kinds(family: Family) -> dict[str, Kind]:
    return {kind.name: kind for kind in registry().all() if kind.family is family}


def _reasons(module: str, seen: set[str]) -> set[Reason]:
    """What a module and those that it takes its codes from may answer with."""
    file = _ROOT / (module.replace(".", "/") + ".py")
    if module in seen or module.endswith((".probing", ".transport")) or not file.exists():
        return set()
    seen.add(module)
    source = file.read_text()
    found = {Reason[name] for name in re.findall(r"\bReason\.([A-Z_]+)", source)}
    for other in re.findall(r"from (lifecycle\.(?:connectors|clients)\.\w+) import", source):
        found |= _reasons(other, seen)
    return found


@pytest.mark.parametrize(
    ("heading", "family"),
    [
        ("## Verification has three results", Family.CONNECTOR),
        ("### Reasons and minimal grants", Family.CONNECTOR),
        ("## Issuers", Family.ISSUER),
        ("## Destinations", Family.DESTINATION),
    ],
)
def test_every_kind_has_its_row_and_every_row_its_kind(heading: str, family: Family) -> None:
    assert sorted(_rows(heading)) == sorted(_kinds(family))


@pytest.mark.parametrize("name", sorted(_kinds(Family.CONNECTOR)))
def test_settings_of_a_connector_are_those_of_its_model(name: str) -> None:
    told = _NAME.findall(_rows("## Verification has three results")[name][3])
    assert sorted(told) == sorted(_kinds(Family.CONNECTOR)[name].settings.model_fields)


@pytest.mark.parametrize("name", sorted(_kinds(Family.CONNECTOR)))
def test_reasons_of_a_connector_are_those_of_its_code(name: str) -> None:
    told = {text.strip() for text in _rows("### Reasons and minimal grants")[name][1].split(",")} - {"-"}
    module = _kinds(Family.CONNECTOR)[name].settings.__module__
    assert sorted(told) == sorted(reason.value for reason in _reasons(module, set()) - _SHARED)
