"""Nobody approves his own change, whatever name he uses."""

from datetime import UTC, datetime

import pytest

from lifecycle.domain.approval import Approval
from lifecycle.domain.errors import ApprovalMissingError
from lifecycle.domain.people import Involved, People, Person, count

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN = Person(
    person="Ann",
    principals=("ann@acme.example",),
    accounts=("ann@build-1",),
    emails=("4711+ann@users.noreply.github.com",),
)
BEA = Person(person="Bea", principals=("bea@acme.example", "bea-spare-key"), emails=("bea@acme.example",))
CI = Person(person="CI", accounts=("jenkins@runner",))
KNOWN = People(known=(ANN, BEA, CI))


def approval(who: str) -> Approval:
    return Approval(approver=who, effect_digest="sha256:aa", at=NOW, expires=NOW, method="ssh-signature")


def names(counted: tuple[Approval, ...]) -> list[str]:
    return [item.approver for item in counted]


def test_whoever_applies_does_not_count_under_his_account_name() -> None:
    found = count([approval("ann@acme.example")], Involved(actor="ANN@build-1"), KNOWN)
    assert found.approvals == ()
    assert found.set_aside == ("ann@acme.example applies it himself",)


def test_whoever_committed_does_not_count_under_the_address_of_his_commits() -> None:
    involved = Involved(actor="jenkins@runner", authors=("4711+Ann@users.noreply.github.com",))
    found = count([approval("ann@acme.example"), approval("bea@acme.example")], involved, KNOWN)
    assert names(found.approvals) == ["bea@acme.example"]
    assert found.set_aside == ("ann@acme.example made a commit of it",)


def test_two_keys_of_one_person_are_one_approval() -> None:
    found = count([approval("bea@acme.example"), approval("bea-spare-key")], Involved(actor="jenkins@runner"), KNOWN)
    assert names(found.approvals) == ["bea-spare-key"]
    assert found.set_aside == ("bea@acme.example has approved it already",)


@pytest.mark.parametrize(
    ("involved", "said"),
    [
        (Involved(actor="root@somewhere"), "root@somewhere applies this change"),
        (Involved(actor="jenkins@runner", authors=("nobody@home",)), "nobody@home made a commit"),
    ],
)
def test_a_name_that_nobody_is_refuses(involved: Involved, said: str) -> None:
    with pytest.raises(ApprovalMissingError, match=said):
        count([approval("bea@acme.example")], involved, KNOWN)


def test_an_approver_that_nobody_is_refuses() -> None:
    with pytest.raises(ApprovalMissingError, match=r"mallory@acme\.example approved"):
        count([approval("mallory@acme.example")], Involved(actor="jenkins@runner"), KNOWN)


def test_without_a_list_what_stands_before_the_at_decides() -> None:
    involved = Involved(actor="ann@build-1", authors=("Bea@home.example",))
    given = [approval(f"{name}@acme.example") for name in ("ann", "bea", "carl")]
    assert names(count(given, involved, People()).approvals) == ["carl@acme.example"]
