"""Surroundings that are not as they must be: exit code and remedy of each, and nothing was minted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AuthenticationError, BusyError, ExitCode, LifecycleError, RemoteServiceError
from lifecycle.operations.resume_rotations import rotate_all
from lifecycle.operations.rotation_context import RotationContext
from tests.fakes.house import House


class Refusing:
    """A port of which some calls fail."""

    def __init__(self, real: Any, error: LifecycleError, *names: str) -> None:
        self._real, self._error, self._names = real, error, names

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            return self._refuse
        return getattr(self._real, name)

    def _refuse(self, *_args: Any, **_options: Any) -> Any:
        raise self._error


_UNAUTHORISED = AuthenticationError("the issuer answered 401", remedy="renew the admin credential")
_AWAY = RemoteServiceError("the journal cannot be reached", remedy="start it", retryable=True)
_SEALED = RemoteServiceError("the store is sealed", remedy="unseal it", retryable=True)
_HELD = BusyError("another run holds the lease", remedy="wait for it")


def _with(port: str, error: LifecycleError, *names: str) -> Callable[[RotationContext], RotationContext]:
    def changed(context: RotationContext) -> RotationContext:
        port_of: Any = Refusing(getattr(context, port), error, *names)
        return dataclasses.replace(context, **{port: port_of})

    return changed


CASES: dict[str, tuple[Callable[[RotationContext], RotationContext], ExitCode]] = {
    "issuer says 401": (_with("issuer", _UNAUTHORISED, "list"), ExitCode.CONNECT),
    "journal unreachable": (_with("journal", _AWAY, "head", "append"), ExitCode.REMOTE),
    "lease book unreachable": (_with("leases", _AWAY, "acquire"), ExitCode.REMOTE),
    "store sealed": (_with("store", _SEALED, "describe"), ExitCode.REMOTE),
    "two operations at once": (_with("leases", _HELD, "acquire"), ExitCode.REMOTE),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_minted_and_the_code_and_remedy_say_what_to_do(name: str) -> None:
    change, code = CASES[name]
    house = House(kind=CredentialClass.B)
    before = set(house.provider.held)
    run = rotate_all([change(house.context("p1"))], force=True)
    (outcome,) = run.outcomes
    assert outcome.exit_code() is code, outcome
    assert outcome.remedy and outcome.text
    assert set(house.provider.held) == before
    assert not any(call.name == "issuer.mint" for call in house.world.calls)
