"""Every credential a provider lists falls into exactly one class, and a refused listing counts nothing."""

from datetime import UTC, datetime

from lifecycle.domain.credential import CompleteListing, CredentialId, ProviderCredential
from lifecycle.domain.errors import UnreachableError
from lifecycle.domain.rotation import RotationRecord, State
from lifecycle.operations.reconcile_listings import Inspected, Reconciled, reconcile_listings
from tests.unit.bootstrap.evidence_case import mark, operation

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def asked(*ids: str, name: str = "a", principal: str = "user") -> Inspected:
    def listed() -> CompleteListing:
        found = tuple(ProviderCredential(id=CredentialId(text), created=MADE) for text in ids)
        return CompleteListing(principal=principal, credentials=found)

    return Inspected(credential=name, kind="aws_iam_access_key", principal=principal, list=listed)


def refused() -> CompleteListing:
    raise UnreachableError("no answer", remedy="try again")


def judge(*items: Inspected, records: tuple[RotationRecord, ...]) -> tuple[Reconciled, ...]:
    return reconcile_listings(items, lambda name: tuple(item for item in records if item.credential == name))


def test_each_listed_credential_is_managed_known_or_unknown() -> None:
    (found,) = judge(asked("a-id-2", "a-id-1", "x"), records=(operation("a", 1, 9), operation("a", 2, 1)))
    assert (found.managed, found.known, found.unknown, found.missing) == (("a-id-2",), ("a-id-1",), ("x",), ())
    assert found.oldest == MADE


def test_what_an_open_operation_works_on_is_managed() -> None:
    running = operation("a", 2, 1, state=State.GRACE, outcome="", retired=("a-id-1",))
    (found,) = judge(asked("a-id-1", "a-id-2"), records=(operation("a", 1, 9), running))
    assert found.managed == ("a-id-1", "a-id-2")


def test_a_current_value_that_the_provider_does_not_list_is_missing() -> None:
    (found,) = judge(asked("x"), records=(operation("a", 1, 9),))
    assert (found.missing, found.unknown) == (("a-id-1",), ("x",))


def test_two_credentials_of_one_principal_know_each_other() -> None:
    records = (operation("a", 1, 9), operation("b", 1, 9, new=mark("b-id-1")))
    (found,) = judge(asked("a-id-1", "b-id-1"), asked("a-id-1", "b-id-1", name="b"), records=records)
    assert (found.credentials, found.managed, found.unknown) == (("a", "b"), ("a-id-1", "b-id-1"), ())


def test_a_refused_listing_says_nothing_and_stops_nothing() -> None:
    broken = Inspected(credential="b", kind="aws_iam_access_key", principal="other", list=refused)
    found = judge(broken, asked("a-id-1"), records=(operation("a", 1, 9),))
    assert [(item.principal, item.problem, item.managed) for item in found] == [
        ("other", "no answer", ()),
        ("user", "", ("a-id-1",)),
    ]
