"""The comment on a pull request: what it changes, for whom, in a repository under git."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.cli.app import run
from lifecycle.domain.errors import ConfigurationError
from tests.unit.bootstrap.test_policy_desk import checkout, commit, git, house

__all__ = ["checkout"]  # the fixture
HOST = "acme.eu-west-1.snowflakecomputing.com"
SENTENCE = (
    f"this and every subdomain of {HOST} on port 443 is reachable through allowlists.datarobot-egress (before: {HOST})"
)
Comment = Callable[..., str]


@pytest.fixture
def comment(checkout: Path, capsys: pytest.CaptureFixture[str]) -> Comment:
    """What `policy check --format markdown` prints, without the escapes of markdown."""

    def said(*more: str, form: str = "markdown") -> str:
        assert run(["policy", "check", "--env", "sandbox", "--root", str(checkout), "--format", form, *more]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return shown.out.replace("\\", "")

    return said


def widen_one_entry(root: Path) -> None:
    path = root / "environments/sandbox/network.yaml"
    text = path.read_text()
    assert f"{{host: {HOST}, " in text
    path.write_text(text.replace(f"{{host: {HOST}, ", f"{{host: {HOST}, match: apex+subdomains, "))


def bullets(comment: str, heading: str) -> list[str]:
    part = comment.split(f"**{heading}", 1)[1].split("\n**", 1)[0]
    return [line.removeprefix("- ") for line in part.splitlines() if line.startswith("- ")]


def test_a_pull_request_that_widens_one_entry_shows_exactly_that_sentence(checkout: Path, comment: Comment) -> None:
    git(checkout, "checkout", "-q", "-b", "wider")
    widen_one_entry(checkout)
    commit(checkout)
    told = comment()
    assert bullets(told, "What changes for whom") == [SENTENCE]
    (reached,) = bullets(told, "Whom it reaches")
    assert reached == "reaches 1 agent; changed: allowlists.datarobot-egress; on that depend: agents.monitoring-a"
    assert "since the branch left main" in told


def test_later_commits_of_the_main_branch_are_not_blamed_on_the_pull_request(checkout: Path, comment: Comment) -> None:
    git(checkout, "checkout", "-q", "-b", "other")
    git(checkout, "checkout", "-q", "main")
    widen_one_entry(checkout)
    commit(checkout)
    git(checkout, "checkout", "-q", "other")
    assert bullets(comment(), "What changes for whom") == ["nothing is allowed or forbidden that was not"]
    assert bullets(comment("--against", "main"), "What changes for whom") == [
        f"no longer allowed: {SENTENCE}".replace("before", "still")
    ]


def test_a_replaced_credential_names_who_depends_on_it(checkout: Path, comment: Comment) -> None:
    path = checkout / "environments/sandbox/access.yaml"
    path.write_text(path.read_text().replace("svc-mlops@sandbox.example", "svc-other@sandbox.example"))
    told = bullets(comment(), "Whom it reaches")
    assert told[0].startswith("credentials.datarobot-agent-key gets a new value or ends; on it depend: agents.")
    assert "connectors.datarobot-api" in told[0] and "connectors.secret-store" in told[0]


@pytest.mark.parametrize(
    ("audience", "host", "sentence"), [("internal", True, True), ("auditor", False, True), ("public", False, False)]
)
def test_other_audiences_get_less(checkout: Path, comment: Comment, audience: str, host: bool, sentence: bool) -> None:
    widen_one_entry(checkout)
    told = comment("--audience", audience)
    assert (HOST in told) is host
    assert ("on port 443 is reachable through" in told) is sentence
    assert sentence or bullets(told, "What changes for whom") == ["1 sentences, withheld from this audience"]


def test_the_page_and_the_text_say_the_same(checkout: Path, comment: Comment) -> None:
    widen_one_entry(checkout)
    assert SENTENCE in comment(form="html")
    assert SENTENCE in comment("--against", "HEAD", form="text")
    assert SENTENCE in comment("--against", "HEAD", form="json")
    assert SENTENCE not in comment(form="text")


def test_without_a_base_the_comment_says_what_it_cannot_show(checkout: Path, comment: Comment) -> None:
    git(checkout, "checkout", "-q", "--orphan", "alone")
    widen_one_entry(checkout)
    commit(checkout)
    (told,) = bullets(comment(), "What changes for whom")
    assert told.startswith("not shown: git knows no commit that what is checked out")
    with pytest.raises(ConfigurationError, match="no-such-branch"):
        house(checkout).policy.change(against="no-such-branch")
