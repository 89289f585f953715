import pytest

from lifecycle.domain.errors import ApprovalMissingError, RemoteServiceError
from lifecycle.operations.bootstrap_environment import Survey, bootstrap_environment


class GivenPart:
    """A part that exists or not; making it is noted in a log that all parts share."""

    def __init__(self, title: str, log: list[str], *lacks: str, stubborn: bool = False) -> None:
        self.title, self._log, self._lacks, self._stubborn = title, log, lacks, stubborn

    def missing(self) -> tuple[str, ...]:
        return self._lacks

    def make(self) -> None:
        self._log.append(self.title)
        if not self._stubborn:
            self._lacks = ()


def yes(_survey: Survey) -> bool:
    return True


def silent(_name: str, _text: str) -> None:
    return None


def test_missing_parts_are_made_in_order_and_others_left_alone() -> None:
    log: list[str] = []
    parts = [GivenPart("key", log, "key"), GivenPart("bucket", log), GivenPart("table", log, "recovery")]
    outcome = bootstrap_environment(parts, confirm=yes, observe=silent)
    assert log == ["key", "table"]
    assert outcome.made == ("key", "table")
    assert outcome.document()["parts"] == {"key": ["key"], "bucket": [], "table": ["recovery"]}


def test_a_second_run_has_nothing_to_do_and_asks_nobody() -> None:
    log: list[str] = []
    parts = [GivenPart("key", log, "key")]
    bootstrap_environment(parts, confirm=yes, observe=silent)

    def nobody(_survey: Survey) -> bool:
        raise AssertionError("asked")

    outcome = bootstrap_environment(parts, confirm=nobody, observe=silent)
    assert log == ["key"]
    assert outcome.lines() == ["nothing to do: every part exists"]


def test_the_list_is_shown_before_anything_is_made() -> None:
    log: list[str] = []
    shown: list[str] = []

    def confirm(survey: Survey) -> bool:
        shown.extend(survey.lines())
        assert log == []
        return True

    parts = [GivenPart("key", log, "key", "alias"), GivenPart("bucket", log)]
    bootstrap_environment(parts, confirm=confirm, observe=silent)
    assert shown == ["exists   bucket", "to make  key: key, alias"]


def test_without_a_yes_nothing_is_made() -> None:
    log: list[str] = []
    with pytest.raises(ApprovalMissingError, match="nobody said yes"):
        bootstrap_environment([GivenPart("key", log, "key")], confirm=lambda _survey: False, observe=silent)
    assert log == []


def test_a_part_that_still_lacks_something_stops_the_rest() -> None:
    log: list[str] = []
    parts = [GivenPart("key", log, "rotation", stubborn=True), GivenPart("bucket", log, "bucket")]
    with pytest.raises(RemoteServiceError, match="still lacks: rotation"):
        bootstrap_environment(parts, confirm=yes, observe=silent)
    assert log == ["key"]


def test_a_part_that_an_earlier_one_brought_along_is_not_made_again() -> None:
    log: list[str] = []
    second = GivenPart("policies", log, "policies")

    class Mount(GivenPart):
        def make(self) -> None:
            super().make()
            second._lacks = ()

    outcome = bootstrap_environment([Mount("mount", log, "mount"), second], confirm=yes, observe=silent)
    assert outcome.made == ("mount",)
