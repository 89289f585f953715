"""Wires one `RotationContext` per credential."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from lifecycle.bootstrap.destinations import Destinations
from lifecycle.bootstrap.issuers import BoundIssuer, Issuers
from lifecycle.bootstrap.quotas import Quotas
from lifecycle.bootstrap.rotation_rules import RotationRules
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, new_id, utc_now
from lifecycle.bootstrap.verification import Verification
from lifecycle.domain.audit import AuditEvent
from lifecycle.domain.errors import ConfigurationError, InterruptedRunError, LifecycleError
from lifecycle.domain.rotation_policy import Limits
from lifecycle.domain.secret import SecretRef
from lifecycle.domain.spec import Credential, Manage

if TYPE_CHECKING:
    from lifecycle.bootstrap.journals import Journal
    from lifecycle.domain.credential import CompleteListing
    from lifecycle.domain.ports import AuditLog
    from lifecycle.foundation.known_secrets import KnownSecrets
    from lifecycle.operations.reconcile_listings import Inspected
    from lifecycle.operations.rotation_context import ConsumerBinding, Observer, RotationContext

_CHANGES = ("mint", "set", "set_enabled", "revoke")  # of an issuer: what counts against its quota
_SANDBOX_LIMITS = Limits(
    poll=timedelta(milliseconds=200), patience=timedelta(seconds=20), first_delay=timedelta(seconds=2)
)


class AlertLines:
    """Notifier that tells the person at the terminal."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def notify(self, event: AuditEvent) -> None:
        """Print the event."""
        self._note(f"ALERT {event.object}: {event.action} {event.result}")


class Rotation:
    """Everything that rotates, for one environment.

    Args:
        around: settings, spec, sandbox.
        stores: secret stores.
        verification: connectors.
        known: every value that adapters see, for the sanitiser.
        observe: told each state a credential enters.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        verification: Verification,
        known: KnownSecrets,
        observe: Observer,
    ) -> None:
        self._around = around
        self.stores = stores
        self.verification = verification
        self._known = known
        self._observe = observe
        self._stopping = threading.Event()
        self.issuers = Issuers(around, stores)
        self._destinations = Destinations(around, stores)
        self.rules = RotationRules(around, stores)
        self._quotas = Quotas(around)

    @cached_property
    def journal(self) -> Journal:
        """Journal and lease book of the environment."""
        from lifecycle.bootstrap.journals import open_journal

        return open_journal(self._around, self.stores)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit log of the environment."""
        from lifecycle.journals.audit_file import FileAuditLog

        return FileAuditLog(self._around.paths.audit)

    def credentials(self, names: tuple[str, ...] = ()) -> tuple[Credential, ...]:
        """The named credentials that we may rotate, else all of them, by name.

        Raises:
            ConfigurationError: an unknown name, or one that `manage:` keeps from us.
        """
        known = self._around.spec.credentials
        unknown = sorted(set(names) - known.keys())
        if unknown:
            raise ConfigurationError(
                f"the spec has no credential {', '.join(unknown)}", remedy=f"known are: {', '.join(sorted(known))}"
            )
        rotatable = {name for name, entry in known.items() if entry.manage in (Manage.ROTATE, Manage.OWN)}
        kept = sorted(set(names) - rotatable)
        if kept:
            raise ConfigurationError(
                f"{', '.join(kept)}: manage is {known[kept[0]].manage}, so the value is not ours to change",
                remedy="set manage: rotate (or own) when it may be rotated",
            )
        return tuple(known[name] for name in sorted(names or rotatable))

    def contexts(self, names: tuple[str, ...] = ()) -> tuple[RotationContext, ...]:
        """One context per credential."""
        return tuple(self.context(credential) for credential in self.credentials(names))

    def context(self, credential: Credential) -> RotationContext:
        """What rotating this credential works with.

        One whose own adapters cannot be built is refused with the reason, and does not stop the others of a command.
        """
        from lifecycle.bootstrap.unbuildable import unbuildable

        unapproved = self.rules.unapproved(credential)
        try:
            bound, consumers = self.issuers.of(credential), self._destinations.of(credential)
        except LifecycleError as error:
            return self._context(credential, unbuildable(error, credential.kind), (), error)
        return self._context(credential, bound, consumers, unapproved)

    def _context(
        self,
        credential: Credential,
        bound: BoundIssuer,
        consumers: tuple[ConsumerBinding, ...],
        unapproved: LifecycleError | None,
    ) -> RotationContext:
        """Every adapter is wrapped in the error sanitiser."""
        from lifecycle.foundation.error_sanitiser import sanitised
        from lifecycle.foundation.paced import paced
        from lifecycle.operations.rotation_context import RotationContext

        around, rules, name = self._around, self.rules, credential.name
        store = self.stores.named(credential.store)
        clean = sanitised(bound.issuer, what=f"issuer {credential.kind}", known=self._known)
        budget, breaker = self._quotas.budget(credential), self._quotas.breaker(credential)
        return RotationContext(
            credential=name,
            scope=around.sandbox.instance_id if around.sandbox else around.spec.environment,
            owner=around.owner,
            actor=around.actor,
            issuer=paced(clean, what=f"the issuer of {name}", budget=budget, breaker=breaker, changes=_CHANGES),
            principal=bound.principal,
            store=sanitised(store, what=f"secret store {credential.store}", known=self._known),
            ref=SecretRef(store=credential.store, path=name),
            verify=self.verification.for_credential(credential),
            journal=self.journal,
            leases=self.journal,
            audit=self.audit,
            notifier=AlertLines(around.note),
            clock=utc_now,
            monotonic=time.monotonic,
            sleep=self._sleep,
            new_id=new_id,
            fingerprint=self.stores.fingerprinter,
            consumers=consumers,
            policy=rules.policy(credential),
            limits=rules.limits(credential, _SANDBOX_LIMITS if around.sandbox else Limits()),
            admin=bound.admin,
            observe=self._observe,
            uses=rules.uses(credential),
            users=rules.users(credential),
            quotas=self._quotas.uses(credential),
            server_clock=rules.server_clock,
            unapproved=unapproved,
            objections=partial(rules.objections, credential),
        )

    def inspected(self) -> tuple[Inspected, ...]:
        """Every credential whose provider can be asked for its list; the provider is asked when `list` is called."""
        from lifecycle.operations.reconcile_listings import Inspected

        def of(credential: Credential) -> Inspected:
            def listed() -> CompleteListing:
                context = self.context(credential)
                return context.issuer.list(context.principal)

            try:
                principal = self.issuers.of(credential).principal
            except LifecycleError:  # `list` meets it again, and tells it
                principal = f"of credentials.{credential.name}"
            return Inspected(credential=credential.name, kind=credential.kind, principal=principal, list=listed)

        return tuple(of(credential) for _, credential in sorted(self._around.spec.credentials.items()))

    def stop(self) -> None:
        """Make every rotation under way end where it waits: nothing is half done there, and the next run goes on."""
        self._stopping.set()

    def _sleep(self, duration: timedelta) -> None:
        if self._stopping.wait(max(0.0, duration.total_seconds())):
            raise InterruptedRunError("interrupted while waiting", remedy="run `lifecycle rotate resume`")
