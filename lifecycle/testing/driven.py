"""The rotation driver over one adapter: first issuance, rotation, retirement, and lost answers, in no time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from lifecycle.domain.credential import CredentialClass
from lifecycle.domain.errors import AmbiguousEffectError
from lifecycle.domain.ports import MintingIssuer, SettingIssuer
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_policy import Limits, RotationPolicy
from lifecycle.domain.secret import SecretRef, SecretValue, VersionStage, fingerprint
from lifecycle.domain.verification import VerificationResult
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, RotationOutcome, Standing
from lifecycle.testing.simulated_journal import MemoryAudit, MemoryJournal
from lifecycle.testing.simulated_store import MemoryStore
from lifecycle.testing.world import World

FINGERPRINT = partial(fingerprint, key=b"k" * 32, key_id="test")
LONG = timedelta(seconds=20)


@dataclass
class Jumping:
    """A clock that sleeping moves, so that grace and settle times cost nothing."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        """The time, moved ahead."""
        return datetime.fromtimestamp(time.time(), UTC) + self.ahead

    def monotonic(self) -> float:
        """Seconds, moved ahead."""
        return time.monotonic() + self.ahead.total_seconds()

    def sleep(self, duration: timedelta) -> None:
        """Move ahead."""
        self.ahead += duration


@dataclass(kw_only=True)
class Driven:
    """One credential under the driver, its store and journal in memory.

    Attributes:
        issuer: under test.
        principal: whose credential.
        verify: logs in at the real target.
        admin: reads the admin identity; None = the credential changes itself.
        creator: our name as the provider lists creators; empty when it does not.
        clock: moved by sleeping.
    """

    issuer: MintingIssuer | SettingIssuer
    principal: str
    verify: Callable[[SecretValue], VerificationResult]
    admin: Callable[[], SecretValue] | None = None
    creator: str = ""
    clock: Jumping = field(default_factory=Jumping)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(world=World()))
    ref: SecretRef = field(default_factory=lambda: SecretRef(store="default", path="one"))

    def __post_init__(self) -> None:
        self.journal = journal = MemoryJournal(clock=self.clock.now)
        audit = MemoryAudit()
        self.context = RotationContext(
            credential="one",
            scope="test",
            owner="test:1",
            actor="test",
            issuer=self.issuer,
            principal=self.principal,
            store=self.store,
            ref=self.ref,
            verify=self.verify,
            journal=journal,
            leases=journal,
            audit=audit,
            notifier=Silent(),
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            new_id=lambda: uuid4().hex,
            fingerprint=FINGERPRINT,
            policy=RotationPolicy(
                period=timedelta(days=30), minimum=timedelta(seconds=1), ceiling=timedelta(minutes=30)
            ),
            limits=Limits(poll=timedelta(seconds=1)),
            admin=self.admin,
            creator=self.creator,
        )

    def rotate(self) -> RotationOutcome:
        """Rotate now."""
        return rotate(self.context, force=True, wait=True)

    def rotated(self) -> SecretValue:
        """Rotate, which must succeed, and return the current value."""
        outcome = self.rotate()
        assert (outcome.state, outcome.outcome) == (State.CLOSED, Outcome.DONE), outcome
        return self.current()

    def current(self) -> SecretValue:
        """The current value."""
        return self.store.read(self.ref, VersionStage.CURRENT).value

    def ids(self) -> frozenset[str]:
        """What the provider lists."""
        return frozenset(self.issuer.list(self.principal).ids())

    def works(self, value: SecretValue) -> bool:
        """Whether the target accepts a value; it must say so or explicitly refuse."""
        result = self.verify(value)
        assert str(result.status) != "indeterminate", result
        return str(result.status) == "valid"


class Silent:
    """Tells nobody."""

    def notify(self, event: object) -> None:
        """Nothing."""


@contextmanager
def lost_answer(issuer: Any, method: str) -> Iterator[None]:
    """The next call of this method lands, and its answer is lost."""
    real = getattr(issuer, method)

    def lose(*args: Any, **options: Any) -> Any:
        setattr(issuer, method, real)
        real(*args, **options)
        raise AmbiguousEffectError("the answer was lost", remedy="read")

    setattr(issuer, method, lose)
    yield
    setattr(issuer, method, real)


def rotates_and_retires(driven: Driven, *, foreign: frozenset[str] = frozenset()) -> None:
    """Issue, rotate twice, retire; after each step the provider's own list holds exactly what must live.

    Args:
        driven: nothing is issued yet.
        foreign: ids of others that were there before and must survive.
    """
    values = [driven.rotated() for _ in range(3)]
    current = values[-1]
    assert driven.works(current)
    assert not any(driven.works(value) for value in values[:-1])
    if driven.issuer.traits.credential_class is not CredentialClass.E:
        assert driven.ids() == {driven.issuer.identify(current)} | foreign
    assert rotate(driven.context, wait=True).standing is Standing.NOT_DUE
    retired = retire(driven.context, wait=True)
    assert retired.standing is Standing.DONE, retired
    assert driven.ids() == foreign
    assert not driven.works(current)
    assert driven.store.describe(driven.ref).current is None


def survives_a_lost_answer(driven: Driven, method: str, *, foreign: frozenset[str] = frozenset()) -> None:
    """A mint or set that landed unanswered ends with one live credential, in the store and in the provider's list."""
    driven.rotated()
    with lost_answer(driven.issuer, method):
        driven.rotate()
        outcome = resume(driven.context, wait=True)
    assert outcome.state is State.CLOSED, outcome
    current = driven.current()
    assert driven.works(current)
    assert driven.ids() == {driven.issuer.identify(current)} | foreign
