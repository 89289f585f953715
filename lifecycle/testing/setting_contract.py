"""What every setting issuer does. A test module subclasses `SettingContract` and gives it a `bench`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from lifecycle.domain.credential import CredentialClass, NotReported, ProviderCredential
from lifecycle.domain.errors import (
    AuthenticationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
    UnreachableError,
)
from lifecycle.domain.ports import SettingIssuer
from lifecycle.domain.secret import SecretValue
from lifecycle.testing.boundaries import EVERY_WRITE, Boundaries
from lifecycle.testing.driven import Driven, rotates_and_retires, survives_a_lost_answer


@dataclass(frozen=True, kw_only=True)
class SettingBench:
    """An issuer with a principal of its own.

    Attributes:
        issuer: under test; its slots are empty.
        admin: what authorises changes.
        slots: names of the slots, or one empty name.
        works: logs in at the target with a value.
        occupy: somebody else fills a slot.
        unreachable: the same issuer, its server's port closed.
        refused: the same issuer, its own login refused.
        refused_admin: that login.
        driven: the issuer under the driver.
    """

    issuer: SettingIssuer
    principal: str
    admin: SecretValue
    slots: tuple[str, ...]
    works: Callable[[SecretValue], bool]
    occupy: Callable[[str], None]
    unreachable: SettingIssuer
    refused: SettingIssuer
    refused_admin: SecretValue
    driven: Driven

    def set(self, slot: str, value: SecretValue, expected: ProviderCredential | None = None) -> ProviderCredential:
        """Set one."""
        return self.issuer.set(self.principal, slot, value, expected=expected, admin=self.admin)

    def in_slot(self, slot: str) -> ProviderCredential | None:
        """What the provider lists there."""
        return next((item for item in self.issuer.list(self.principal).credentials if item.slot == slot), None)


class SettingContract:
    """The suite.

    Attributes:
        cut: which writes are cut at crash boundaries; narrower where making one value takes long.
    """

    cut: ClassVar[tuple[str, ...]] = EVERY_WRITE

    def test_values_are_fresh_and_known_without_a_call(self, bench: SettingBench) -> None:
        """Values are fresh and known without a call."""
        one, two = (bench.unreachable.generate(bench.slots[0]) for _ in range(2))
        assert one != two
        assert bench.unreachable.identify(one) == bench.issuer.identify(one)

    def test_set_value_is_listed_and_works(self, bench: SettingBench) -> None:
        """Set value is listed and works."""
        slot = bench.slots[0]
        value = bench.issuer.generate(slot)
        shown = bench.set(slot, value, bench.in_slot(slot))
        assert shown.id == bench.issuer.identify(value)
        listed = bench.issuer.list(bench.principal).find(shown.id)
        assert listed is not None
        assert listed.slot == slot
        assert bench.works(value)

    def test_second_call_with_the_same_value_changes_nothing(self, bench: SettingBench) -> None:
        """Second call with the same value changes nothing."""
        slot = bench.slots[0]
        value = bench.issuer.generate(slot)
        before = bench.in_slot(slot)
        bench.set(slot, value, before)
        bench.set(slot, value, before)
        assert bench.works(value)

    def test_slots_live_side_by_side(self, bench: SettingBench) -> None:
        """Slots live side by side."""
        values = [bench.issuer.generate(slot) for slot in bench.slots]
        for slot, value in zip(bench.slots, values, strict=True):
            bench.set(slot, value, bench.in_slot(slot))
        assert all(bench.works(value) for value in values)
        assert bench.issuer.list(bench.principal).ids() == {bench.issuer.identify(value) for value in values}

    def test_slot_of_somebody_else_is_not_overwritten(self, bench: SettingBench) -> None:
        """Slot of somebody else is not overwritten."""
        if bench.issuer.traits.credential_class is not CredentialClass.A:
            return
        slot = bench.slots[1]
        bench.occupy(slot)
        before = bench.in_slot(slot)
        assert before is not None
        with pytest.raises(SlotOccupiedError):
            bench.set(slot, bench.issuer.generate(slot))
        assert bench.in_slot(slot) == before

    def test_revoked_value_is_gone_and_refused(self, bench: SettingBench) -> None:
        """Revoked value is gone and refused."""
        slot = bench.slots[0]
        value = bench.issuer.generate(slot)
        shown = bench.set(slot, value, bench.in_slot(slot))
        bench.issuer.revoke(bench.principal, shown.id)
        assert shown.id not in bench.issuer.list(bench.principal).ids()
        assert not bench.works(value)
        with pytest.raises(NotFoundError):
            bench.issuer.revoke(bench.principal, shown.id)

    def test_revoking_one_slot_leaves_the_other(self, bench: SettingBench) -> None:
        """Revoking one slot leaves the other."""
        values = [bench.issuer.generate(slot) for slot in bench.slots]
        for slot, value in zip(bench.slots, values, strict=True):
            bench.set(slot, value, bench.in_slot(slot))
        bench.issuer.revoke(bench.principal, bench.issuer.identify(values[0]))
        assert all(bench.works(value) for value in values[1:])
        assert not bench.works(values[0])

    def test_soft_off_as_declared(self, bench: SettingBench) -> None:
        """Soft off as declared."""
        slot = bench.slots[0]
        value = bench.issuer.generate(slot)
        if not bench.issuer.traits.soft_off:
            with pytest.raises(RemoteServiceError):
                bench.issuer.set_enabled(bench.principal, bench.issuer.identify(value), True)
            return
        shown = bench.set(slot, value, bench.in_slot(slot))
        for enabled in (False, False, True, True):
            bench.issuer.set_enabled(bench.principal, shown.id, enabled)
            listed = bench.in_slot(slot)
            assert listed is not None
            assert listed.enabled is enabled
            assert bench.works(value) is enabled

    def test_last_use_is_not_claimed(self, bench: SettingBench) -> None:
        """Last use is not claimed."""
        value = bench.issuer.generate(bench.slots[0])
        used = bench.issuer.last_used(bench.principal, bench.issuer.identify(value))
        assert used is NotReported.UNKNOWN

    def test_values_never_show(self, bench: SettingBench) -> None:
        """Values never show."""
        value = bench.issuer.generate(bench.slots[0])
        shown = repr(value) + repr(bench.set(bench.slots[0], value, bench.in_slot(bench.slots[0])))
        public = ("id", "user", "account", "public_key", "role")
        secret = [text.get_secret_value() for name, text in value.items() if not any(word in name for word in public)]
        assert secret
        assert not any(text in shown for text in secret)

    def test_closed_port_is_unreachable_and_nothing_was_sent(self, bench: SettingBench) -> None:
        """Closed port is unreachable and nothing was sent."""
        slot = bench.slots[0]
        with pytest.raises(UnreachableError):
            bench.unreachable.set(bench.principal, slot, bench.issuer.generate(slot), expected=None, admin=bench.admin)
        with pytest.raises(UnreachableError):
            bench.unreachable.list(bench.principal)

    def test_refused_login_is_told_without_the_login(self, bench: SettingBench) -> None:
        """Refused login is told without the login."""
        slot = bench.slots[0]
        with pytest.raises(AuthenticationError) as caught:
            bench.refused.set(
                bench.principal, slot, bench.issuer.generate(slot), expected=None, admin=bench.refused_admin
            )
        assert "wrong-login" not in f"{caught.value!r} {caught.value.remedy}"

    def test_driver_issues_rotates_and_retires(self, bench: SettingBench) -> None:
        """Driver issues rotates and retires."""
        rotates_and_retires(bench.driven)

    def test_driver_survives_a_lost_answer(self, bench: SettingBench) -> None:
        """Driver survives a lost answer."""
        survives_a_lost_answer(bench.driven, "set")

    def test_every_crash_boundary_is_resumed_without_loss(self, bench: SettingBench) -> None:
        """The driver is cut once at every write; nothing is lost, orphaned, or revoked in use."""
        assert Boundaries(driven=bench.driven, of=self.cut).prove()
