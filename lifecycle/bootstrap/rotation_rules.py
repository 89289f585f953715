"""What spec, receipts and policy gate say about rotating a credential, beside its period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.change_window import ChangeWindow
from lifecycle.domain.errors import CheckRefusedError, LifecycleError, PolicyError
from lifecycle.domain.grants import GrantChange, credential_changes
from lifecycle.domain.kinds import Family
from lifecycle.domain.policy import GateInput, GateVerdict
from lifecycle.domain.rotation_policy import Limits, RotationPolicy
from lifecycle.domain.spec import ChangeHours, Credential

if TYPE_CHECKING:
    from lifecycle.bootstrap.stores import Stores
    from lifecycle.domain.receipt import Receipt

_APPLY = "have it approved and applied: `lifecycle plan`, `approve`, `apply`; then it is taken up"


class RotationRules:
    """Looked up once per command.

    Args:
        around: settings, spec, paths.
        stores: one of them tells the time.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores
        self._applied = False

    def policy(self, credential: Credential) -> RotationPolicy:
        """Periods, grace and change window of the spec."""
        grace, life = credential.grace, getattr(credential.settings, "lifetime", None)
        limits = [item for item in (credential.max_age, life) if isinstance(item, timedelta)]
        short = _refresh_after(credential)
        return RotationPolicy(
            period=min(credential.rotation_period, short),
            minimum=min(grace.minimum, short / 2),  # replaced at 2/3 of its life, the old value has lapsed 1/3 later
            ceiling=grace.ceiling,
            max_age=min(limits, default=None),
            window=_window(credential.change_window),
        )

    def limits(self, credential: Credential, usual: Limits) -> Limits:
        """How stubborn a run is; what lives for minutes is tried again within minutes, for as long altogether.

        Args:
            credential: whose rotation it is.
            usual: for what lives for days.
        """
        longest = max(usual.first_delay, _refresh_after(credential) / 4)
        if longest >= usual.longest_delay:
            return usual
        return replace(usual, longest_delay=longest, faults=max(usual.faults, ceil(_STUBBORN / longest)))

    def uses(self, credential: Credential) -> tuple[str, ...]:
        """Credentials with whose value this one is changed."""
        return tuple(sorted(self._needs[credential.name] - {credential.name}))

    def users(self, credential: Credential) -> tuple[str, ...]:
        """Everything in the spec that uses it; the tool itself where it logs in with it."""
        return tuple(sorted(self._users(credential)))

    def unapproved(self, credential: Credential) -> LifecycleError | None:
        """Why this spec may not decide yet where values of this credential go; None when it may."""
        if self._applied:
            return None
        pinned, digest = self._around.settings.spec_digest, self.spec_digest
        if pinned:
            return None if pinned == digest else _not_approved(credential.name, f"{pinned} is pinned, this is {digest}")
        if self._unreadable is not None:
            return self._unreadable
        receipt = self._receipt
        if receipt is None or not receipt.grants:
            return _not_approved(credential.name, "no apply of this environment is on record here")
        change = self._changes.get(credential.name)
        if change is None:
            return None
        words = [f"now: {sentence}" for sentence in change.added]
        words += [f"no longer: {sentence}" for sentence in change.removed]
        return _not_approved(credential.name, "; ".join(words))

    def objections(self, credential: Credential) -> tuple[LifecycleError, ...]:
        """Blocking findings of the gate about this credential; all of them when it could not be asked."""
        entry = f"credentials.{credential.name}"
        verdict = self.verdict
        told = [PolicyError(f"{entry}: the gate could not judge it: {e}", remedy=_GATE) for e in verdict.errors]
        found = [item for item in verdict.blocking if _about(item.entry, item.message, entry)]
        told += [PolicyError(f"{item.rule}: {item.message}", remedy=item.remedy) for item in found]
        return tuple(told)

    def server_clock(self) -> datetime | None:
        """The time by the secret store's clock, asked once."""
        return None if self._offset is None else utc_now() + self._offset

    @cached_property
    def spec_digest(self) -> str:
        """Of the documents as they are now."""
        from lifecycle.documents.digest import spec_digest

        return str(spec_digest(self._around.paths.environment, root=self._around.paths.root))

    @cached_property
    def verdict(self) -> GateVerdict:
        """Of the pinned rules over the spec; it fails closed."""
        from lifecycle.bootstrap.gate import pinned_gate

        try:
            return pinned_gate(self._around).evaluate(GateInput(spec=self._around.spec))
        except LifecycleError as error:  # no bundle, not the pinned one: whoever cannot judge says no
            return GateVerdict(findings=(), rules_evaluated=0, errors=(error.message,), bundle_digest="")

    def approved_by_this_run(self) -> None:
        """An apply has just been approved, or found nothing to approve; its receipt is complete at the end only."""
        self._applied = True

    @cached_property
    def _receipt(self) -> Receipt | None:
        from lifecycle.journals.receipt_files import ReceiptFiles

        return ReceiptFiles(self._around.paths.receipts).latest()

    @cached_property
    def _unreadable(self) -> LifecycleError | None:
        """Why the last receipt says nothing: nobody knows then what was approved, but all else can be told."""
        try:
            _ = self._receipt
        except LifecycleError as error:
            return CheckRefusedError(f"what was approved last is not known: {error.message}", remedy=error.remedy)
        return None

    @cached_property
    def _changes(self) -> Mapping[str, GrantChange]:
        return credential_changes(self._around.spec, self._receipt.grants if self._receipt else ())

    @cached_property
    def _offset(self) -> timedelta | None:
        """How far the server's clock is ahead of ours; None when it does not tell."""
        from lifecycle.bootstrap.server_clock import server_time

        asked = utc_now()
        told = server_time(self._around, self._stores)
        return None if told is None else told.astimezone(UTC) - (asked + (utc_now() - asked) / 2)

    @cached_property
    def _needs(self) -> Mapping[str, frozenset[str]]:
        """Credential -> the credentials that its settings refer to."""
        from lifecycle.bootstrap.kinds import registry

        kinds, found = registry(), {}
        for name, item in self._around.spec.credentials.items():
            kind = kinds.find(Family.ISSUER, item.kind)
            fields = [key for key, section in kind.references.items() if section == "credentials"] if kind else []
            named = (getattr(item.settings, key, None) for key in fields)
            found[name] = frozenset(str(other) for other in named if other)
        return found

    @cached_property
    def _uses(self) -> Mapping[str, frozenset[str]]:
        """Credential -> entries that use it, without those that it names itself."""
        spec, found = self._around.spec, defaultdict(set)
        for key, agent in spec.agents.items():
            found[agent.api_token].add(f"agents.{key}")
        for key, connector in spec.connectors.items():
            found[connector.credential or ""].add(f"connectors.{key}")
        for key, needed in self._needs.items():
            for name in needed:
                found[name].add(f"credentials.{key}")
        return {name: frozenset(users) for name, users in found.items()}

    def _users(self, credential: Credential) -> Iterator[str]:
        yield from (chosen.kind for chosen in credential.deliver_to)
        for consumer in credential.consumers:
            yield consumer.agent or (consumer.unobservable.name if consumer.unobservable else "")
        yield from self._uses.get(credential.name, ())
        if getattr(credential.settings, "self_admin", False):
            yield "lifecycle itself"


def _refresh_after(credential: Credential) -> timedelta:
    """When a value that lives for minutes is replaced; of all others, never for that reason."""
    found = getattr(credential.settings, "refresh_after", None)
    return found if isinstance(found, timedelta) else timedelta.max


_STUBBORN = timedelta(days=1)
_GATE = "repair what `lifecycle policy check` names; nothing is rotated that cannot be judged"


def _about(entry: str, message: str, wanted: str) -> bool:
    return entry == wanted or (not entry and f"{wanted} " in message)


def _window(hours: ChangeHours | None) -> ChangeWindow | None:
    if hours is None:
        return None
    return ChangeWindow(days=hours.days, start=time.fromisoformat(hours.start), end=time.fromisoformat(hours.end))


def _not_approved(name: str, why: str) -> CheckRefusedError:
    return CheckRefusedError(f"{name}: the spec says something that nobody approved: {why}", remedy=_APPLY)
