"""The version that Terraform is given for a credential only counts up, whatever state the rotation is in."""

import pytest

from lifecycle.bootstrap.live_state import credential_versions
from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.rotation import State
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.world import Fault
from tests.fakes.house import NAME, House
from tests.recovery.directed import Rules


def test_unknown_credentials_have_none() -> None:
    assert credential_versions(House(kind=CredentialClass.B, first=True).journal) == {}


@pytest.mark.parametrize("kind", [CredentialClass.A, CredentialClass.B, CredentialClass.C])
def test_version_rises_with_the_promotion_and_never_falls(kind: CredentialClass) -> None:
    house = House(kind=kind)
    assert adopt(house.context("p1")).standing is Standing.DONE
    seen = [credential_versions(house.journal)[NAME]]
    for _ in range(2):
        rotate(house.context("p1"), force=True, wait=True)
        seen.append(credential_versions(house.journal)[NAME])
    assert seen == sorted(set(seen))
    along = []
    for record in house.journal.history(NAME):
        over = record.promoted or record.state is State.CLOSED
        along.append(record.number if over else max(0, record.number - 1))
    assert along == sorted(along)


def test_what_is_not_promoted_changes_no_version() -> None:
    house = House(kind=CredentialClass.B)
    adopt(house.context("p1"))
    before = credential_versions(house.journal)
    house.world.conductor = Rules(always={("p1", "target.verify"): Fault.REFUSED})
    rotate(house.context("p1"), force=True)
    assert credential_versions(house.journal) == before
