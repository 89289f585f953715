"""What the command line may ask for: one method per user-visible verb, collaborators made when first needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.bootstrap.infrastructure import Infrastructure
from lifecycle.bootstrap.progress import TerraformProgress
from lifecycle.bootstrap.runlock import exclusive_run
from lifecycle.bootstrap.sandbox_servers import start_sandbox
from lifecycle.bootstrap.surroundings import Surroundings, utc_now

if TYPE_CHECKING:
    from lifecycle.bootstrap.audit_desk import AuditDesk
    from lifecycle.bootstrap.document_desk import DocumentDesk
    from lifecycle.bootstrap.emergency import Emergency
    from lifecycle.bootstrap.policy_desk import PolicyDesk
    from lifecycle.bootstrap.rotation import Rotation
    from lifecycle.bootstrap.runs import Confirm, Runs
    from lifecycle.bootstrap.setup_desk import SetupDesk
    from lifecycle.bootstrap.trust_desk import TrustDesk
    from lifecycle.bootstrap.verification import Checks, Watch
    from lifecycle.bootstrap.whose import Owner
    from lifecycle.domain.approval import Approval
    from lifecycle.domain.diagnosis import Diagnosis
    from lifecycle.domain.drift import Drift
    from lifecycle.domain.evidence import PackRequest
    from lifecycle.domain.review import ReviewedPlan
    from lifecycle.domain.rotation import State
    from lifecycle.operations.apply_environment import EnvironmentOutcome
    from lifecycle.operations.apply_plan import ApplyOutcome
    from lifecycle.operations.plan_rotations import RotationPlan
    from lifecycle.operations.rehearse_rotation import Rehearsal
    from lifecycle.operations.report_run import RunReport
    from lifecycle.operations.resume_rotations import RotationRun
    from lifecycle.operations.rotation_context import RotationOutcome
    from lifecycle.operations.rotation_status import RotationStatus
    from lifecycle.operations.select_connectors import Selection

Live = Callable[[str], AbstractContextManager[Callable[[str], None]]]


class Shown:
    """Where the line that changes is now; rotations report to it from several threads."""

    def __init__(self) -> None:
        self.update: Callable[[str], None] = lambda _text: None


class House:
    """One environment of one repository.

    Args:
        around: settings, paths and, once started, the sandbox.
        live: a line that changes in place.
    """

    def __init__(self, around: Surroundings, *, live: Live) -> None:
        self._around = around
        self._live = live
        self._shown = Shown()

    # -- what it is ---------------------------------------------------------------------------------------------------

    @property
    def env(self) -> str:
        """Name of the environment; empty when none was given."""
        return self._around.paths.env

    @property
    def is_sandbox(self) -> bool:
        """Whether the environment runs on local servers."""
        return self._around.spec.sandbox is not None

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the environment's lock on this host."""
        return exclusive_run(self._around.paths.run_lock, self.env)

    def start(self) -> None:
        """Read the spec and, in a sandbox, make sure that its servers run."""
        if self.is_sandbox and self._around.sandbox is None:
            with self._live("sandbox") as update:
                update("starting the local servers")
                start_sandbox(self._around)

    # -- documents ----------------------------------------------------------------------------------------------------

    @cached_property
    def documents(self) -> DocumentDesk:
        """The spec alone: check, show, schema, what is rendered from it."""
        from lifecycle.bootstrap.document_desk import DocumentDesk

        return DocumentDesk(self._around)

    # -- plan and apply -----------------------------------------------------------------------------------------------

    def stale_generated(self) -> list[str]:
        """Generated files that are not what the spec gives."""
        return self.infrastructure.stale()

    def update_lock(self) -> None:
        """Write the provider lock file anew, for every declared platform."""
        self.infrastructure.write_root()
        self.infrastructure.runner.init(update_lock=True)

    def plan(self, folder: Path | None) -> ReviewedPlan:
        """Plan into a reviewed-plan folder and judge it."""
        return self._runs.plan(folder)

    def apply(self, folder: Path | None, *, confirm: Confirm, detailed: bool) -> EnvironmentOutcome:
        """Everything from a checked spec to a receipt.

        Args:
            folder: an approved plan; None plans anew.
            confirm: shows a plan and asks for a yes; used where nobody else approves.
            detailed: count running grace as pending work.
        """
        return self._runs.apply(folder, confirm=confirm, detailed=detailed)

    def approve(self, folder: Path, key: Path) -> Approval:
        """Sign the review of a plan with an SSH key."""
        return self._runs.approve(folder, key)

    def drift(self) -> Drift:
        """What changed outside Terraform."""
        return self._runs.drift()

    def destroy(self) -> ApplyOutcome:
        """Destroy what Terraform made."""
        return self._runs.destroy()

    def unlock(self, lock_id: str) -> str:
        """Release the state lock of a dead run of ours, or the one named; returns the id, empty when none is held."""
        return self._runs.unlock(lock_id)

    def last_report(self) -> RunReport:
        """The newest receipt on one screen."""
        from lifecycle.operations.report_run import report_latest

        return report_latest(self.infrastructure.receipts)

    @cached_property
    def _runs(self) -> Runs:
        from lifecycle.bootstrap.runs import Runs

        return Runs(self._around, self.infrastructure, self.rotation, self._live, self._shown)

    @cached_property
    def infrastructure(self) -> Infrastructure:
        """Terraform of the environment."""
        progress = TerraformProgress(self._around.note)
        return Infrastructure(self._around, lambda: self.rotation.journal, progress)

    # -- credentials --------------------------------------------------------------------------------------------------

    @cached_property
    def rotation(self) -> Rotation:
        """Everything that rotates."""
        from lifecycle.bootstrap.rotation import Rotation
        from lifecycle.bootstrap.stores import Stores
        from lifecycle.bootstrap.verification import Verification
        from lifecycle.foundation.known_secrets import KnownSecrets

        stores = Stores(self._around)
        return Rotation(self._around, stores, Verification(self._around, stores), KnownSecrets(), self._observe)

    def plan_rotations(self, *, names: tuple[str, ...] = (), everything: bool = False) -> RotationPlan:
        """Which credentials are due, in which order."""
        from lifecycle.operations.plan_rotations import Basis, plan_rotations

        rules = self.rotation.rules
        basis = Basis(spec_digest=rules.spec_digest, verdict=rules.verdict, workers=self._around.settings.concurrency)
        return plan_rotations(self.rotation.contexts(names), force=everything or bool(names), basis=basis)

    def rotate(self, *, names: tuple[str, ...], everything: bool, wait: bool) -> RotationRun:
        """Rotate the named credentials, all, or those that are due."""
        from lifecycle.operations.resume_rotations import rotate_all

        with self._showing("rotate"):
            return rotate_all(
                self.rotation.contexts(names),
                force=everything or bool(names),
                wait=wait,
                workers=self._around.settings.concurrency,
                stop=self.rotation.stop,
            )

    def resume(self, *, wait: bool) -> RotationRun:
        """Finish what is open."""
        from lifecycle.operations.resume_rotations import resume_all

        with self._showing("resume"):
            return resume_all(
                self.rotation.contexts(),
                wait=wait,
                workers=self._around.settings.concurrency,
                stop=self.rotation.stop,
            )

    def rotation_status(self) -> RotationStatus:
        """Where each credential stands."""
        from lifecycle.operations.rotation_status import rotation_status

        return rotation_status(self.rotation.contexts())

    def retire(self, name: str) -> RotationRun:
        """Drain consumers, revoke, confirm gone, purge."""
        from lifecycle.operations.retire_credential import retire

        with self._showing("retire"):
            return _one(retire(*self.rotation.contexts((name,)), wait=True))

    def adopt(self, name: str) -> RotationRun:
        """Take over a credential that exists, changing nothing outside."""
        from lifecycle.operations.adopt_credential import adopt

        return _one(adopt(*self.rotation.contexts((name,))))

    def release(self, name: str, *, reason: str) -> RotationRun:
        """The cause of a quarantine is repaired: go on."""
        from lifecycle.operations.release_quarantine import release

        with self._showing("release"):
            return _one(release(*self.rotation.contexts((name,)), reason=reason, wait=True))

    def abandon(self, name: str, *, reason: str) -> RotationRun:
        """Close a quarantined operation as it stands."""
        from lifecycle.operations.release_quarantine import abandon

        return _one(abandon(*self.rotation.contexts((name,)), reason=reason))

    def mark_exposed(self, name: str, *, reason: str) -> RotationRun:
        """A value may have leaked: due now."""
        from lifecycle.operations.mark_exposed import mark_exposed

        return _one(mark_exposed(*self.rotation.contexts((name,)), reason=reason))

    def rehearse(self, name: str) -> Rehearsal:
        """The whole path on a shadow credential."""
        from lifecycle.bootstrap.rehearsal import rehearse

        with self._showing("rehearse"):
            return rehearse(self._around, self.rotation, name)

    def emergency(self, scope: str, reason: str) -> Emergency:
        """The request to rotate everything in a scope at once."""
        return self._runs.emergency(scope, reason)

    def whose(self, leaked: str) -> tuple[Owner, ...]:
        """Which credentials a leaked value belongs to, by keyed fingerprint of every stored field."""
        from lifecycle.bootstrap.whose import owners

        return owners(self._around, self.rotation, leaked)

    def verify(self, selection: Selection, watch: Watch) -> Checks:
        """Check the connectors of a selection while somebody looks on."""
        return self.rotation.verification.check(selection, watch)

    def examine(self, installation: str, deployment: str, data: Path | None, watch: Callable[[str], None]) -> Diagnosis:
        """Walk the known causes of failure; changes nothing."""
        from lifecycle.bootstrap.doctor import Doctor
        from lifecycle.bootstrap.doctor_walk import Request

        request = Request(installation=installation, deployment=deployment, data=data)
        return Doctor(self._around, self.rotation.stores, self.rotation.verification).examine(request, watch)

    @contextmanager
    def _showing(self, name: str) -> Iterator[None]:
        """Show each state that a credential enters on a line that changes."""
        with self._live(name) as update:
            self._shown.update = update
            yield

    def _observe(self, credential: str, state: State, text: str) -> None:
        self._shown.update(f"{credential}  {state}  {text}")

    # -- evidence -----------------------------------------------------------------------------------------------------

    @cached_property
    def audit(self) -> AuditDesk:
        """The audit log: show, sign, verify, export."""
        from lifecycle.bootstrap.audit_desk import AuditDesk

        return AuditDesk(self._around)

    @staticmethod
    def now() -> datetime:
        """The moment of the question."""
        return utc_now()

    def evidence(self, wanted: PackRequest, *, ask_providers: bool) -> list[str]:
        """Write the evidence pack of a period; returns the relative paths.

        Args:
            wanted: folder, period, audience.
            ask_providers: compare their own lists with the journal; needs the network and their logins.
        """
        from lifecycle.bootstrap.evidence_desk import write_evidence
        from lifecycle.bootstrap.held_rights import held_rights

        inspected, held = None, None
        if ask_providers:
            inspected, held = self.rotation.inspected, lambda: held_rights(self._around, self.rotation.stores)
        return write_evidence(self._around, lambda: self.rotation.journal, wanted, inspected=inspected, held=held)

    @cached_property
    def policy(self) -> PolicyDesk:
        """The rules of the gate: judge, try, generate, tell, explain."""
        from lifecycle.bootstrap.policy_desk import PolicyDesk

        return PolicyDesk(self._around, lambda: self.infrastructure, lambda: self.rotation.journal)

    @cached_property
    def trust(self) -> TrustDesk:
        """Which rules may judge: build, sign, verify the policy bundle."""
        from lifecycle.bootstrap.trust_desk import TrustDesk

        return TrustDesk(self._around)

    # -- local servers and new repositories -------------------------------------------------------------------------

    @cached_property
    def setup(self) -> SetupDesk:
        """The local servers, a new repository, what must exist before a first plan."""
        from lifecycle.bootstrap.setup_desk import SetupDesk

        return SetupDesk(self._around)


def _one(outcome: RotationOutcome) -> RotationRun:
    from lifecycle.operations.resume_rotations import RotationRun

    return RotationRun(outcomes=(outcome,))
