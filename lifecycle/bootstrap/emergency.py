"""Wires an emergency: which credentials are in scope, where its request lies, who may approve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.spec import Manage

if TYPE_CHECKING:
    from lifecycle.bootstrap.rotation import Rotation
    from lifecycle.domain.people import People
    from lifecycle.domain.ports import Approvals
    from lifecycle.operations.resume_rotations import RotationRun


class Emergency:
    """One request and what is left of it.

    Args:
        around: settings, spec, paths.
        rotation: of the environment.
        approvals: of the environment.
        people: who is who.
        scope: which credentials.
        reason: why.
    """

    def __init__(
        self,
        around: Surroundings,
        rotation: Rotation,
        approvals: Approvals,
        people: People,
        *,
        scope: str,
        reason: str,
    ) -> None:
        from lifecycle.domain.rotation_scope import in_scope
        from lifecycle.journals.plan_store import PlanFolderFiles
        from lifecycle.operations.break_glass import EmergencyDesk, request
        from lifecycle.operations.plan_rotations import Basis

        self._rotation = rotation
        folder, rules = around.paths.plans / "break-glass", rotation.rules
        self._desk = EmergencyDesk(
            environment=around.spec.environment,
            folder=PlanFolderFiles(folder),
            place=str(folder),
            approvals=approvals,
            audit=rotation.audit,
            actor=around.actor,
            clock=utc_now,
            basis=Basis(spec_digest=rules.spec_digest, verdict=rules.verdict, workers=around.settings.concurrency),
            required=around.spec.approvals.required,
            people=people,
        )
        ours = [item for item in around.spec.credentials.values() if item.manage in (Manage.ROTATE, Manage.OWN)]
        contexts = tuple(rotation.context(item) for item in ours if in_scope(scope, item))
        self._found, self._left = request(self._desk, contexts, scope=scope, reason=reason)

    def lines(self) -> list[str]:
        """The estimate, for people."""
        done = len(self._found.plan.rotations) - len(self._left)
        counted = f"{len(self._left)} credentials to rotate" + (f", {done} done since the request" if done else "")
        return [f"{counted}; request {self._desk.place}", *self._found.plan.lines()]

    def document(self) -> dict[str, Any]:
        """The estimate, for programs."""
        return {**self._found.document(), "folder": self._desk.place, "left": [item.credential for item in self._left]}

    def carry_out(self, *, wait: bool) -> RotationRun:
        """Rotate what is left.

        Raises:
            ApprovalMissingError: fewer than two people have signed.
        """
        from lifecycle.operations.break_glass import carry_out

        return carry_out(self._desk, self._found, self._left, wait=wait, stop=self._rotation.stop)
