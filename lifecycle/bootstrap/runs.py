"""Wires the long runs: plan, apply, approve, drift, destroy, unlock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle import __version__
from lifecycle.bootstrap.infrastructure import Infrastructure
from lifecycle.bootstrap.leaks import scan
from lifecycle.bootstrap.surroundings import Surroundings, new_id, utc_now
from lifecycle.domain.approval import Approval
from lifecycle.domain.receipt import Receipt, RotatedCredential
from lifecycle.domain.review import folded
from lifecycle.domain.rotation import Outcome
from lifecycle.domain.rotation_policy import due

if TYPE_CHECKING:
    from lifecycle.bootstrap.emergency import Emergency
    from lifecycle.bootstrap.rotation import Rotation
    from lifecycle.domain.drift import Drift
    from lifecycle.domain.receipt import InForce
    from lifecycle.domain.review import ReviewedPlan
    from lifecycle.journals.approvals_file import FileApprovals
    from lifecycle.operations.apply_environment import EnvironmentOutcome, Verified
    from lifecycle.operations.apply_plan import ApplyContext, ApplyOutcome
    from lifecycle.operations.resume_rotations import RotationRun

Confirm = Callable[["ReviewedPlan"], bool]
Live = Callable[[str], AbstractContextManager[Callable[[str], None]]]

_TERMINAL_YES_LASTS = timedelta(hours=1)


class Runs:
    """The long runs of one environment.

    Args:
        around: settings, spec, sandbox.
        infrastructure: Terraform.
        rotation: credentials.
        live: a line that changes in place.
        shown: where rotations report their states.
    """

    def __init__(
        self, around: Surroundings, infrastructure: Infrastructure, rotation: Rotation, live: Live, shown: Any
    ) -> None:
        self._around = around
        self._infrastructure = infrastructure
        self._rotation = rotation
        self._live = live
        self._shown = shown

    def plan(self, folder: Path | None, *, destroy: bool = False, in_full: bool = False) -> ReviewedPlan:
        """Plan and judge, telling both on the way.

        Args:
            folder: the reviewed-plan folder; the environment's own when none is named.
            destroy: plan the removal of everything.
            in_full: also tell what changes and what the gate found; for those who do not print the plan themselves.
        """
        from lifecycle.operations.plan_infrastructure import plan_infrastructure

        infrastructure = self._infrastructure
        with self._live("plan") as update:
            infrastructure.progress.show_on(update)
            context = infrastructure.plan_context(infrastructure.folder(folder))
            reviewed = plan_infrastructure(context, destroy=destroy)
        self._around.step("plan", reviewed.review.summary[0])
        told = reviewed.review.summary[1:] if in_full else ()
        for line in folded(told) if self._around.sandbox else told:
            self._around.note(line)
        self._around.step("gate", gate_line(reviewed))
        for line in reviewed.findings() if in_full else ():
            self._around.note(line)
        infrastructure.progress.expect(len(reviewed.plan.changing()))
        return reviewed

    def apply(self, folder: Path | None, *, confirm: Confirm, detailed: bool) -> EnvironmentOutcome:
        """Everything from a checked spec to a receipt."""
        from lifecycle.operations.apply_environment import EnvironmentSteps, apply_environment

        steps = EnvironmentSteps(
            resume=self._resume,
            plan=lambda: None if folder else self.plan(None, in_full=True),
            apply=lambda reviewed: self._apply(folder, reviewed, confirm),
            begin=self._begin,
            rotate=self._rotate,
            verify=self._verify,
            scan=lambda: scan(self._around, self._infrastructure, self._rotation),
            rotated=self._rotated,
            finish=self._finish,
            step=self._around.step,
        )
        return apply_environment(steps, detailed=detailed)

    def destroy(self) -> ApplyOutcome:
        """Plan the removal of everything and apply exactly that."""
        reviewed = self.plan(None, destroy=True, in_full=True)
        return self._apply(None, reviewed, lambda _reviewed: True)

    def approve(self, folder: Path, key: Path) -> Approval:
        """Sign the review of a plan."""
        from lifecycle.journals.ssh_signature import SshSigner
        from lifecycle.operations.approve_plan import ApproveContext, approve_plan
        from lifecycle.settings import agent_environment

        return approve_plan(
            ApproveContext(
                folder=self._infrastructure.folder(folder),
                sign=SshSigner(key=key, environment=agent_environment()).sign,
                store=self._approvals(),
                audit=self._rotation.audit,
                actor=self._around.actor,
                clock=utc_now,
            )
        )

    def emergency(self, scope: str, reason: str) -> Emergency:
        """The request to rotate everything in a scope at once, and what is left of it."""
        from lifecycle.bootstrap.emergency import Emergency
        from lifecycle.domain.people import People
        from lifecycle.policy_engine.bundle import load_people

        people = People(known=load_people(self._around.paths.policies / "people.yaml"))
        return Emergency(self._around, self._rotation, self._approvals(), people, scope=scope, reason=reason)

    def drift(self) -> Drift:
        """What changed outside Terraform."""
        from lifecycle.operations.detect_drift import DriftContext, detect_drift
        from lifecycle.terraform_cli.plan_reader import read_plan

        infrastructure = self._infrastructure
        with self._live("drift") as update:
            infrastructure.progress.show_on(update)
            return detect_drift(
                DriftContext(
                    runner=infrastructure.runner,
                    decode=read_plan,
                    folder=infrastructure.folder(self._around.paths.plans / "drift"),
                    write_root=infrastructure.write_root,
                )
            )

    def unlock(self, lock_id: str) -> str:
        """Release a state lock: the one named, else one that a dead run of ours left behind."""
        runner = self._infrastructure.runner
        runner.init()
        if lock_id:
            runner.force_unlock(lock_id)
            return lock_id
        return runner.release_left_lock()

    # -- the steps ----------------------------------------------------------------------------------------------------

    def _resume(self) -> RotationRun:
        from lifecycle.operations.apply_plan import open_run_in_words
        from lifecycle.operations.resume_rotations import RotationRun, resume_all

        for run in self._infrastructure.receipts.interrupted():
            self._around.step("resume", open_run_in_words(run))
        known = self._around.spec.credentials
        opened = [record.credential for record in self._rotation.journal.open_operations()]
        names = tuple(sorted(name for name in opened if name in known))
        if not names:
            return RotationRun(outcomes=())
        self._around.step("resume", f"unfinished: {', '.join(names)}")
        contexts = self._rotation.contexts(names)
        for context in contexts:
            if context.unapproved is not None:  # this apply is what approves it; `_rotate` goes on with it then
                self._around.note(f"left until this spec is approved: {context.unapproved.message}")
        with self._live("resume") as update:
            self._shown.update = update
            settled = tuple(context for context in contexts if context.unapproved is None)
            return resume_all(settled, wait=True, stop=self._rotation.stop)

    def _apply(self, folder: Path | None, reviewed: ReviewedPlan | None, confirm: Confirm) -> ApplyOutcome:
        from lifecycle.operations.apply_plan import apply_plan

        context = self._apply_context(folder, confirm)
        with self._live("apply") as update:
            self._infrastructure.progress.show_on(update)
            outcome = apply_plan(context, reviewed=reviewed)
            if outcome.receipt:
                self._infrastructure.settle_root()
        if outcome.receipt and outcome.receipt.plan:
            self._around.step("apply", f"{len(outcome.receipt.plan.addresses)} changes applied, exactly as reviewed")
        else:
            self._around.step("apply", "no changes")
        return outcome

    def _apply_context(self, folder: Path | None, confirm: Confirm) -> ApplyContext:
        from lifecycle.bootstrap.authors import change_authors, head_commit
        from lifecycle.domain.people import People
        from lifecycle.operations.apply_plan import ApplyContext
        from lifecycle.policy_engine.bundle import load_people

        infrastructure = self._infrastructure
        return ApplyContext(
            planning=infrastructure.plan_context(infrastructure.folder(folder)),
            approvals=self._approvals(),
            confirm=lambda reviewed: self._terminal_approval(reviewed) if confirm(reviewed) else None,
            audit=self._rotation.audit,
            receipts=infrastructure.receipts,
            actor=self._around.actor,
            new_id=new_id,
            people=People(known=load_people(self._around.paths.policies / "people.yaml")),
            authors=lambda: change_authors(self._around, self._in_force_since()),
            commit=head_commit(self._around),
        )

    def _in_force_since(self) -> str:
        latest = self._infrastructure.receipts.latest()
        return latest.commit if latest else ""

    def _in_force(self) -> InForce:
        from lifecycle.bootstrap.authors import head_commit
        from lifecycle.documents.digest import spec_digest
        from lifecycle.domain.receipt import InForce
        from lifecycle.policy_engine.bundle import bundle_digest

        paths = self._around.paths
        spec = spec_digest(paths.environment, root=paths.root)
        digests = {"spec": spec, "policy_bundle": bundle_digest(paths.policies)}
        return InForce(digests=digests, commit=head_commit(self._around))

    def _approvals(self) -> FileApprovals:
        from lifecycle.journals.approvals_file import FileApprovals
        from lifecycle.journals.ssh_signature import SshVerifier
        from lifecycle.settings import agent_environment

        paths = self._around.paths
        # A group without a file, or no group at all, has nobody whose approval counts.
        signers = paths.policies / "signers" / (self._around.spec.approvals.group or "nobody")
        revoked = paths.policies / "signers" / "revoked"
        verifier = SshVerifier(
            allowed_signers=signers,
            environment=agent_environment(),
            revoked=revoked if revoked.is_file() else None,
        )
        return FileApprovals(paths.environment / "approvals", verifier=verifier, clock=utc_now)

    def _terminal_approval(self, reviewed: ReviewedPlan) -> Approval:
        now = utc_now()
        return Approval(
            approver=self._around.actor,
            effect_digest=reviewed.review.effect_digest,
            at=now,
            expires=now + _TERMINAL_YES_LASTS,
            method="sandbox" if self._around.sandbox else "terminal",
        )

    def _begin(self) -> Receipt:
        from lifecycle.operations.report_run import new_run

        around = self._around
        return new_run(
            self._infrastructure.receipts,
            environment=around.spec.environment,
            actor=around.actor,
            tool_version=__version__,
            new_id=new_id,
            clock=utc_now,
            applied=around.spec,
            in_force=self._in_force(),
        )

    def _rotate(self) -> RotationRun:
        """First issuance of what is new or declared again; in a sandbox also what is due."""
        from lifecycle.operations.resume_rotations import RotationRun, rotate_all

        self._rotation.rules.approved_by_this_run()
        contexts = self._rotation.contexts()
        again = tuple(item for item in contexts if self._came_back(item.credential))
        others = tuple(item for item in contexts if item not in again)
        if self._around.sandbox is None:
            journal = self._rotation.journal
            records = {item.credential: journal.head(item.credential).record for item in others}
            others = tuple(item for item in others if (r := records[item.credential]) is None or r.open)
        with self._live("rotate") as update:
            self._shown.update = update
            wait, stop = self._around.sandbox is not None, self._rotation.stop
            issued = rotate_all(again, force=True, wait=wait, stop=stop)
            rotated = rotate_all(others, wait=wait, stop=stop)
            run = RotationRun(outcomes=(*issued.outcomes, *rotated.outcomes))
        worked = [outcome for outcome in run.outcomes if outcome.standing != "not due"]
        self._around.step("rotate", f"{len(worked)} credentials worked on" if worked else "nothing due")
        for outcome in worked:
            self._around.note(f"{outcome.credential}: {outcome.standing} {outcome.text}".rstrip())
        return run

    def _came_back(self, name: str) -> bool:
        """Whether a retired credential was taken out of the spec and is declared again; one that stayed is over."""
        record = self._rotation.journal.head(name).record
        if record is None or record.open or record.outcome is not Outcome.RETIRED:
            return False
        return self._infrastructure.receipts.left_out_since(f"credentials.{name}", record.at)

    def _verify(self) -> Verified:
        from lifecycle.bootstrap.verification import Line
        from lifecycle.operations.apply_environment import Verified
        from lifecycle.operations.select_connectors import Selection

        with self._live("verify") as update:
            checks = self._rotation.verification.check(Selection(), Line(update))
        self._around.step("verify", checks.summary())
        if checks.interrupted:
            raise KeyboardInterrupt
        return Verified(connectors=checks.for_receipt(), exit_code=checks.exit_code())

    def _rotated(self, runs: Sequence[RotationRun]) -> tuple[RotatedCredential, ...]:
        now = utc_now()
        rows: dict[str, RotatedCredential] = {}
        for outcome in (item for run in runs for item in run.outcomes):
            context = self._rotation.context(self._around.spec.credentials[outcome.credential])
            record = context.journal.head(outcome.credential).record
            rows[outcome.credential] = RotatedCredential(
                credential=outcome.credential,
                state=str(record.state if record else outcome.state),
                operation=str(record.operation) if record else "",
                outcome=str(outcome.standing),
                next_due=due(record, context.policy, context.limits, now).at,
            )
        return tuple(rows[name] for name in sorted(rows))

    def _finish(self, receipt: Receipt, **what: Any) -> Any:
        from lifecycle.operations.report_run import finish_run

        return finish_run(self._infrastructure.receipts, receipt, clock=utc_now, **what)


def gate_line(reviewed: ReviewedPlan) -> str:
    """The verdict in one line."""
    verdict = reviewed.verdict
    if verdict.errors:
        return f"could not be evaluated: {verdict.errors[0]}"
    said = "passed" if verdict.passed else "NOT passed"
    count = len(verdict.findings)
    return f"{said}: {verdict.rules_evaluated} rules, {count} finding{'' if count == 1 else 's'}"
