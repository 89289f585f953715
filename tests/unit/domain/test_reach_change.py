"""A destination that widens or narrows is told once, and what it was or still is stands beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.grants import compare

WHERE = "is reachable through allowlists.egress"
EXACT = f"acme.example on port 443 {WHERE}"
WIDE = f"this and every subdomain of acme.example on port 443 {WHERE}"
BELOW = f"every subdomain of acme.example on port 443 {WHERE}"


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        (EXACT, WIDE, "acme.example"),
        (BELOW, WIDE, "every subdomain of acme.example"),
        (f"api.acme.example on port 443 {WHERE}", BELOW, "api.acme.example"),
        (f"{EXACT} until 2027-01-01", f"{EXACT} until 2027-06-01", "acme.example until 2027-01-01"),
        (f"{EXACT} until 2027-01-01", EXACT, "acme.example until 2027-01-01"),
        (f"10.1.0.0/24 on port 5432 {WHERE}", f"10.1.0.0/16 on port 5432 {WHERE}", "10.1.0.0/24"),
        (f"2001:db8:1::/48 on port 443 {WHERE}", f"2001:db8::/32 on port 443 {WHERE}", "2001:db8:1::/48"),
    ],
)
def test_widening_takes_nothing_away_and_narrowing_adds_nothing(before: str, after: str, what: str) -> None:
    wider, narrower = compare((before,), (after,)), compare((after,), (before,))
    assert (wider.added, wider.removed) == ((f"{after} (before: {what})",), ())
    assert (narrower.added, narrower.removed) == ((), (f"{after} (still: {what})",))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (EXACT, BELOW),  # the name itself is none of its subdomains
        (EXACT, EXACT.replace("443", "8443")),
        (EXACT, WIDE.replace("egress", "other")),
        (EXACT, f"{WIDE} until 2027-01-01"),
        (f"evilacme.example on port 443 {WHERE}", WIDE),
        (f"10.1.0.0/24 on port 443 {WHERE}", f"2001:db8::/32 on port 443 {WHERE}"),
        (f"10.1.0.0/24 on port 443 {WHERE}", f"10.2.0.0/16 on port 443 {WHERE}"),
        (EXACT, f"10.2.0.0/16 on port 443 {WHERE}"),
    ],
)
def test_what_is_not_covered_is_told_both_ways(before: str, after: str) -> None:
    change = compare((before,), (after,))
    assert (change.added, change.removed) == ((after,), (before,))


def test_an_entry_inside_one_that_stays_changes_nothing() -> None:
    change = compare((WIDE,), (WIDE, f"api.acme.example on port 443 {WHERE}"))
    assert (change.added, change.removed) == ((), ())


HOSTS = st.sampled_from(("acme.example", "a.acme.example", "b.a.acme.example", "other.example"))
SENTENCES = st.frozensets(
    st.builds(
        lambda match, host: f"{match}{host} on port 443 {WHERE}",
        st.sampled_from(("", "every subdomain of ", "this and every subdomain of ")),
        HOSTS,
    ),
    max_size=5,
)
PROBES = (
    "acme.example",
    "a.acme.example",
    "b.a.acme.example",
    "x.b.a.acme.example",
    "other.example",
    "y.other.example",
)


def admitted(sentences: frozenset[str]) -> set[str]:
    """Which probes any of the sentences lets through, worked out from its words alone."""
    found = set()
    for text in sentences:
        what = text.partition(" on port ")[0]
        host = what.rpartition(" ")[2]
        for probe in PROBES:
            below = probe.endswith(f".{host}")
            if (below and what != host) or (probe == host and not what.startswith("every ")):
                found.add(probe)
    return found


@given(before=SENTENCES, after=SENTENCES)
def test_nothing_newly_reachable_is_left_untold(before: frozenset[str], after: frozenset[str]) -> None:
    change = compare(tuple(before), tuple(after))
    told = admitted(frozenset(text.partition(" (")[0] for text in change.added))
    gone = admitted(frozenset(text.partition(" (")[0] for text in change.removed))
    assert admitted(after) - admitted(before) <= told
    assert admitted(before) - admitted(after) <= gone
