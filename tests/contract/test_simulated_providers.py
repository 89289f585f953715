"""The simulated providers pass the contract of the real ones; otherwise the recovery suite would prove nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AuthenticationError, UnreachableError
from lifecycle.domain.verification import Reason, VerificationResult, outcome
from lifecycle.testing import Driven, IssuerBench, IssuerContract, SettingBench, SettingContract
from lifecycle.testing.world import World
from tests.fakes.house import ADMIN
from tests.fakes.provider import PRINCIPAL, THEM, US, Provider, provider_for

K = CredentialClass


@dataclass(frozen=True, kw_only=True)
class Behind:
    """A provider that cannot be reached, or that refuses our login."""

    provider: Provider
    error: Exception

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.provider, name)
        if name not in ("mint", "set", "list"):
            return member

        def refuse(*_args: object, **_options: object) -> None:
            raise self.error

        return refuse


def _closed(provider: Provider) -> Any:
    return Behind(provider=provider, error=UnreachableError("closed", remedy="open it"))


def _refusing(provider: Provider) -> Any:
    return Behind(provider=provider, error=AuthenticationError("refused", remedy="log in"))


def _driven(provider: Any, *, admin: bool = False) -> Driven:
    """Under the driver, in whose time the provider makes its credentials."""

    def verify(value: Any) -> VerificationResult:
        reason = Reason.WORKS if provider.accepts(value) else Reason.WRONG_VALUE
        return VerificationResult(status=outcome(reason), reason=reason)

    return Driven(issuer=provider, principal=PRINCIPAL, verify=verify, admin=(lambda: ADMIN) if admin else None)


@pytest.mark.parametrize(
    ("traits", "creator"),
    [
        ({}, ""),
        ({"soft_off": True, "last_used": True}, ""),
        ({"stamp": False, "creator": True}, US),
        ({"stamp": False, "creator": True}, ""),
        ({"stamp": False}, ""),
        ({"slots": 3}, ""),
    ],
    ids=["plain", "soft off and last use", "creator", "creator whom we do not know", "blind", "three slots"],
)
class TestMinting(IssuerContract):
    """B in its variants."""

    @pytest.fixture
    def bench(self, traits: dict[str, object], creator: str) -> IssuerBench:
        provider: Any = provider_for(K.B, World(), **traits)
        return IssuerBench(
            issuer=provider,
            principal=PRINCIPAL,
            works=provider.accepts,
            unreachable=_closed(provider),
            refused=_refusing(provider),
            creator=creator,
        )


def _setting_bench(kind: CredentialClass, slots: tuple[str, ...]) -> SettingBench:
    provider: Any = provider_for(kind, World())
    return SettingBench(
        issuer=provider,
        principal=PRINCIPAL,
        admin=ADMIN,
        slots=slots,
        works=provider.accepts,
        occupy=lambda slot: provider.add("theirs", by=THEM, slot=slot),
        unreachable=_closed(provider),
        refused=_refusing(provider),
        refused_admin=ADMIN,
        driven=_driven(provider, admin=True),
    )


class TestTwoSlots(SettingContract):
    """A."""

    @pytest.fixture
    def bench(self) -> SettingBench:
        return _setting_bench(K.A, ("1", "2"))


class TestOneValue(SettingContract):
    """C."""

    @pytest.fixture
    def bench(self) -> SettingBench:
        return _setting_bench(K.C, ("",))
