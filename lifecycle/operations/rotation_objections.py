"""Why a rotation must not begin: told in the plan, and again by the run, before anything is locked or made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from lifecycle.domain.credential import CompleteListing, CredentialClass, CredentialId
from lifecycle.domain.errors import ConfigurationError, LifecycleError
from lifecycle.domain.rotation import RotationRecord
from lifecycle.domain.rotation_forecast import in_words
from lifecycle.operations.rotation_context import RotationContext

CLOCK_TOLERANCE = timedelta(minutes=2)  # half of what signed AWS requests bear
_OVERLAPPING = (CredentialClass.A, CredentialClass.B)


def objections(context: RotationContext, record: RotationRecord | None) -> tuple[LifecycleError, ...]:
    """Everything that can be said from spec and journal; empty when the rotation may begin.

    Args:
        context: of the credential.
        record: its newest record.
    """
    return tuple(_objections(context, record))


def _objections(context: RotationContext, record: RotationRecord | None) -> Iterator[LifecycleError]:
    if context.unapproved is not None:
        yield context.unapproved
    name, policy = context.credential, context.policy
    if context.users == ():
        yield ConfigurationError(
            f"{name}: nobody is named who uses it, so nobody could acknowledge a new value",
            remedy="name its consumers, a deliver_to or a connector; or end it with `lifecycle rotate retire`",
        )
    if context.issuer.traits.credential_class in _OVERLAPPING and policy.minimum + policy.quiet >= policy.period:
        yield ConfigurationError(
            f"{name}: the old value would still be live when the next rotation needs its slot: grace of at least "
            f"{in_words(policy.minimum + policy.quiet)}, a period of {in_words(policy.period)}",
            remedy="set grace.minimum well below rotation_period",
        )
    if policy.max_age is not None and policy.period > policy.max_age:
        yield too_long_a_period(context, policy.max_age)
    wrong = _clock_behind_journal(context, record)
    if wrong is not None:
        yield wrong
    if record is not None and record.live is not None:
        yield from windowless(context)
    if not context.emergency:
        yield from context.objections()


def windowless(context: RotationContext) -> Iterator[LifecycleError]:
    """Class D, with a value to lose: replacing it cuts every consumer off until it has the new one."""
    if context.issuer.traits.credential_class is CredentialClass.D and context.policy.window is None:
        if not context.emergency:
            yield ConfigurationError(
                f"{context.credential}: replacing it kills the old value at once, and no change window says when",
                remedy="declare change_window: {days: [sun], start: '02:00', end: '04:00'} (UTC)",
            )


def opens_at(context: RotationContext, now: datetime) -> datetime | None:
    """When its change window opens; None while it may go now."""
    window = context.policy.window
    if window is None or context.emergency or window.open(now):
        return None
    return window.opens(now)


def check_clock(context: RotationContext) -> None:
    """Compare our clock with a server's. Whoever cannot be asked is no evidence, and stops nothing.

    Raises:
        ConfigurationError: ours is wrong by minutes: due dates, grace and ownership by age would all be wrong.
    """
    theirs = context.server_clock()
    if theirs is None:
        return
    off = context.clock() - theirs
    if abs(off) > CLOCK_TOLERANCE:
        raise _wrong_clock(
            context, f"{in_words(abs(off))} {'ahead of' if off > timedelta() else 'behind'} the server's"
        )


def check_life(context: RotationContext, listing: CompleteListing, current: CredentialId | None) -> None:
    """Compare the period with the life that the provider gives what it issues.

    Raises:
        ConfigurationError: the value lapses before its rotation is due.
    """
    item = listing.find(current) if current is not None else None
    if item is None or item.expires is None or item.created is None:
        return
    life = item.expires - item.created
    if context.policy.period > life:
        raise too_long_a_period(context, life)


def too_long_a_period(context: RotationContext, life: timedelta) -> ConfigurationError:
    """The period exceeds the credential's life."""
    return ConfigurationError(
        f"{context.credential}: it lives {in_words(life)} and is rotated every {in_words(context.policy.period)}, "
        "so it lapses before it is replaced",
        remedy=f"set rotation_period below {in_words(life)}",
    )


def _clock_behind_journal(context: RotationContext, record: RotationRecord | None) -> LifecycleError | None:
    """The newest record was written by a clock that was later than ours is now."""
    if record is None or record.at <= context.clock() + CLOCK_TOLERANCE:
        return None
    return _wrong_clock(context, f"{in_words(record.at - context.clock())} behind the journal's newest record")


def _wrong_clock(context: RotationContext, how: str) -> ConfigurationError:
    return ConfigurationError(
        f"{context.credential}: the clock of this machine is {how}; nothing was begun",
        remedy="set the clock, e.g. with chrony or systemd-timesyncd, then run again",
    )
