"""`report.html` as people meet it: from disk in Chromium, on a phone, by keyboard, by screen reader, on paper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bootstrap.evidence_case import quarter

Looked = dict[str, Any]


@pytest.fixture(scope="module", params=["internal", "public"])
def looked(
    request: pytest.FixtureRequest, look_at: Callable[[Path], Looked], tmp_path_factory: pytest.TempPathFactory
) -> Looked:
    pack = quarter(tmp_path_factory.mktemp("quarter")).pack(request.param)
    return look_at(pack / "report.html")


def test_it_is_looked_at_on_a_phone_and_a_wide_screen_light_and_dark(looked: Looked) -> None:
    assert {(view["width"], view["colorScheme"]) for view in looked["views"]} == {
        (width, scheme) for width in (400, 1600) for scheme in ("light", "dark")
    }
    assert len({view["background"] for view in looked["views"]}) == 2


def test_it_opens_from_disk_and_loads_nothing_else(looked: Looked) -> None:
    for view in looked["views"]:
        (request,) = view["requests"]
        assert request.startswith("file://")


def test_nothing_is_said_on_the_console(looked: Looked) -> None:
    assert looked["strict"] == []
    assert [view["console"] for view in looked["views"]] == [[]] * 4


def test_each_of_the_ten_questions_has_its_section(looked: Looked) -> None:
    for view in looked["views"]:
        ids = [section for section, _ in view["sections"]]
        assert [section.partition("-")[0] for section in ids] == [f"q{number}" for number in range(1, 11)]
        assert all(title.startswith(f"{number}. ") for number, (_, title) in enumerate(view["sections"], start=1))


def test_axe_finds_nothing_at_all(looked: Looked) -> None:
    assert [view["violations"] for view in looked["views"]] == [[]] * 4


def test_no_page_is_wider_than_its_screen_and_no_link_is_dead(looked: Looked) -> None:
    assert [(view["overflow"], view["dead"]) for view in looked["views"]] == [(0, 0)] * 4


def test_the_keyboard_reaches_the_answers_at_once(looked: Looked) -> None:
    for view in looked["views"]:
        assert view["firstStop"] == "Skip to the answers"
        assert view["afterSkip"]


def test_paper_is_white_also_for_those_who_read_in_the_dark(looked: Looked) -> None:
    assert looked["paper"] == "rgb(255, 255, 255)"
    assert looked["pages"] >= 1
