"""Tells what a change does: the spec against an earlier one of the same environment, and a plan where there is one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.blast_radius import BlastRadius, change_radius, joined
from lifecycle.domain.change_words import ChangeInWords
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.grants import GrantChange, compare, grants
from lifecycle.domain.review import plan_lines, plan_radius

if TYPE_CHECKING:
    from lifecycle.clients.git import GitHistory
    from lifecycle.domain.plan import Plan
    from lifecycle.domain.receipt import Receipt
    from lifecycle.domain.spec import Spec

_SHORT = 12
_NOTHING = GrantChange(added=(), removed=())


class ChangeTeller:
    """What changes, in words.

    Args:
        around: settings, paths, spec.
        latest: the newest receipt, None when nothing was applied.
    """

    def __init__(self, around: Surroundings, latest: Callable[[], Receipt | None]) -> None:
        self._around = around
        self._latest = latest

    def told(self, *, against: str, plan: Plan | None, reviewed: bool) -> ChangeInWords:
        """The change in words; without a named reference, one that cannot be read is told instead of raised.

        Args:
            against: a git reference; empty = the last apply for a reviewed plan, else where the branch left main.
            plan: what Terraform would do, None when nobody planned.
            reviewed: whether the plan comes from a reviewed-plan folder of this machine.

        Raises:
            ConfigurationError: git does not know the reference, or the spec of that commit is wrong.
        """
        if reviewed and not against:
            return self._since_apply(plan)
        try:
            commit = self._history.commit(against) if against else self._history.branched_from()
            before, told = self.spec_at(commit), self.diff(commit)
        except ConfigurationError as error:
            if against:
                raise
            return self._with_plan("an earlier commit", _NOTHING, BlastRadius(replaced={}), plan, error.message)
        since = f"{against or 'the branch left main'} ({commit[:_SHORT]})"
        return self._with_plan(since, told, change_radius(before, self._around.spec), plan)

    def _since_apply(self, plan: Plan | None) -> ChangeInWords:
        latest, after = self._latest(), self._around.spec
        removes_all = plan is not None and plan.removes_all
        told = compare(latest.grants if latest else (), () if removes_all else grants(after))
        since = f"the apply {latest.id}" if latest else "the beginning, as no apply is on record"
        return self._with_plan(since, told, BlastRadius(replaced={}), plan)

    def _with_plan(
        self, since: str, told: GrantChange, radius: BlastRadius, plan: Plan | None, not_shown: str = ""
    ) -> ChangeInWords:
        if plan is not None:
            radius = joined(radius, plan_radius(plan, self._around.spec))
        words = plan_lines(plan) if plan is not None else ()
        return ChangeInWords(since=since, allowed=told, radius=radius, plan=words, not_shown=not_shown)

    def diff(self, against: str) -> GrantChange:
        """What the spec allows that it did not allow at a git reference, and the other way, in words.

        Raises:
            ConfigurationError: no such commit, or the spec of that commit is wrong.
        """
        before = self.spec_at(against)
        after = self._around.spec
        told = compare(grants(before) if before else (), grants(after))
        now, gone = self._effects(before, after)
        return GrantChange(added=(*told.added, *now), removed=(*told.removed, *gone))

    def spec_at(self, against: str) -> Spec | None:
        """The spec of this environment at a git reference; None when the environment did not exist there."""
        from lifecycle.bootstrap.kinds import registry
        from lifecycle.documents.builder import load_spec

        paths, history = self._around.paths, self._history
        commit = history.commit(against)
        with tempfile.TemporaryDirectory(prefix="lifecycle-diff-") as name:
            root = Path(name)
            history.write_folder(commit, "environments", root)
            folder = root / "environments" / paths.env
            return load_spec(folder, registry(), root=root) if folder.is_dir() else None

    @property
    def _history(self) -> GitHistory:
        from lifecycle.clients.git import GitHistory
        from lifecycle.settings import child_environment

        return GitHistory(self._around.paths.root, environment=child_environment(with_aws=False))

    def _effects(self, before: Spec | None, after: Spec) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Changes of effective AWS rights: wildcards expanded, deny counted, so that rewriting says nothing."""
        from lifecycle.policy_engine.bundle import load_bundle
        from lifecycle.policy_engine.iam_words import IamWorld, differences, world_of

        table = load_bundle(self._around.paths.policies).tables["iam_actions"]
        old = world_of(before) if before else IamWorld(identities=())
        told = differences(old, world_of(after), table)
        gone = tuple(text for text in told if " may no longer " in text)
        return tuple(text for text in told if text not in gone), gone
