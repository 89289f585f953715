"""What an audience may not see does not pass, also when it comes in a table or column nobody thought of."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.errors import Place
from lifecycle.domain.evidence import Audience, EvidencePack, EvidenceSection, EvidenceTable
from lifecycle.domain.policy import Finding, GateVerdict, RuleCard, Severity
from lifecycle.renderers.audience import Pseudonyms, for_audience, known_names, verdict_for
from lifecycle.renderers.findings_github import findings_github
from lifecycle.renderers.findings_markdown import findings_markdown

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = Pseudonyms(key=b"k" * 32, known=("ml-platform",))
label = st.from_regex(r"[a-z][a-z0-9]{2,12}", fullmatch=True)
around = st.sampled_from(["{}", "at {}.", "({})", "to {}, and", "'{}'", "x={}", "see {}!"])


def pack(*tables: EvidenceTable, gaps: tuple[str, ...] = ()) -> EvidencePack:
    section = EvidenceSection(id="q1-reach", question="Who?", tables=tables, not_shown=gaps)
    return EvidencePack(
        environment="prod-eu", since=NOW, until=NOW, made=NOW, tool_version="1", audit_head="", sections=(section,)
    )


def table(name: str, **cells: str) -> EvidenceTable:
    return EvidenceTable(name=name, caption="c", columns=tuple(cells), rows=(tuple(cells.values()),))


@given(st.lists(label, min_size=2, max_size=4), label, around)
def test_a_sentence_loses_its_hosts_arns_and_people(labels: list[str], person: str, sentence: str) -> None:
    host = ".".join([*labels, "example"])
    for secret in (
        host,
        f"*.{host}",
        f"https://{host}/x",
        f"{person}@{host}",
        f"arn:aws:iam::123456789012:role/{person}x",
    ):
        said = NAMES.scrub(sentence.format(secret))
        assert host not in said
        assert f"{person}@" not in said
        assert "123456789012" not in said
        assert NAMES.scrub(said) == said


@given(st.ip_addresses())
def test_a_sentence_loses_its_addresses(address: object) -> None:
    if str(address) not in ("::", "::1"):
        assert str(address) not in NAMES.scrub(f"reached {address} at once")


def test_known_names_go_and_entry_names_stay_for_auditors() -> None:
    said = NAMES.scrub("ML-Platform owns credentials.snowflake-ingest; ml-platforms does not")
    assert said == f"{NAMES.name('name', 'ml-platform')} owns credentials.snowflake-ingest; ml-platforms does not"


def test_short_names_would_hit_words_and_are_left() -> None:
    assert known_names(["a", "the", "team-a"]) == ("team-a",)


def test_without_the_key_nobody_can_try_guesses() -> None:
    other = replace(NAMES, key=b"o" * 32)
    assert other.name("host", "a.example") != NAMES.name("host", "a.example")
    assert NAMES.name("host", "A.Example") == NAMES.name("host", "a.example")


def test_a_table_or_column_that_is_not_allowed_is_withheld() -> None:
    new = table("brand-new", Host="canary.example")
    grown = table("controls", Control="AC-2", Rule="R", Title="T", Result="no finding", Host="canary.example")
    for audience in (Audience.AUDITOR, Audience.PUBLIC):
        (section,) = for_audience(pack(new, grown), audience, NAMES).sections
        assert [item.columns for item in section.tables] == [("Control", "Rule", "Title", "Result")]
        assert "1 tables withheld from this audience" in section.not_shown


def test_reasons_of_gaps_are_scrubbed_or_only_counted() -> None:
    given_ = pack(gaps=("the journal: refused at db.acme.example",))
    (auditor,) = for_audience(given_, Audience.AUDITOR, NAMES).sections
    (public,) = for_audience(given_, Audience.PUBLIC, NAMES).sections
    assert "db.acme.example" not in auditor.not_shown[0]
    assert public.not_shown == ("1 sources; the reasons are withheld",)


def test_internal_is_the_pack_itself_and_others_say_under_which_key() -> None:
    given_ = pack()
    assert for_audience(given_, Audience.INTERNAL, NAMES) is given_
    public = for_audience(given_, Audience.PUBLIC, NAMES)
    assert NAMES.key_id in public.audience_note
    assert "prod-eu" not in public.environment


def test_a_comment_for_the_public_holds_nothing_of_the_spec_but_the_line() -> None:
    canary = "db.acme.example"
    finding = Finding(
        rule="LC-A", severity=Severity.ERROR, message=f"reaches {canary}", remedy=f"remove {canary}",
        place=Place(file="environments/prod/network.yaml", line=7, column=3), entry=f"x.{canary}", evidence=canary,
        address=canary,
    )  # fmt: skip
    bare = Finding(rule="LC-Z", severity=Severity.ERROR, message=canary, remedy=canary, entry=canary, address=canary)
    card = RuleCard(id="LC-A", title="No wide host.", severity=Severity.ERROR, why="w", remedy="Name one host.")
    verdict = GateVerdict(findings=(finding, bare), rules_evaluated=1, errors=(canary,), bundle_digest="sha256:b")
    told = verdict_for(verdict, [card], Audience.PUBLIC, None)
    for text in (findings_markdown(told, environment="prod"), findings_github(told)):
        assert "acme" not in text
        assert "network.yaml" in text
        assert "No wide host" in text
    assert not told.passed
    assert verdict_for(verdict, [card], Audience.INTERNAL, None) is verdict
    (said, _) = verdict_for(verdict, [card], Audience.AUDITOR, NAMES).findings
    assert said.message == f"reaches {NAMES.name('host', canary)}"
