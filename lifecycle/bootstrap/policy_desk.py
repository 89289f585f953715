"""What `lifecycle policy …` may ask for: judge, try the rules, generate rights, tell a change in words, explain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle import __version__
from lifecycle.bootstrap.change_teller import ChangeTeller
from lifecycle.bootstrap.gate import explain_rules, gate, rule_cards
from lifecycle.bootstrap.live_state import live_versions
from lifecycle.bootstrap.policy_files import policy_documents, with_documents
from lifecycle.bootstrap.rego_cases import rego_trials
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError, Place
from lifecycle.domain.policy import GateInput, GateVerdict, RuleCard
from lifecycle.domain.policy_tests import BundleTrials, Trial

if TYPE_CHECKING:
    from lifecycle.bootstrap.infrastructure import Infrastructure
    from lifecycle.domain.change_words import ChangeInWords
    from lifecycle.domain.grants import GrantChange
    from lifecycle.domain.plan import Plan
    from lifecycle.domain.ports import RotationJournal
    from lifecycle.domain.receipt import Receipt
    from lifecycle.domain.spec import Spec
    from lifecycle.operations.check_spec import CheckedSpec
    from lifecycle.policy_engine.fixtures import CaseResult

FORMATS = ("sarif", "junit", "markdown", "html", "github")
REVIEWER = "reviewer"  # of a pull request: reads its diff, so the change may be told in full, and findings in brief


class PolicyDesk:
    """The rules of one repository.

    Args:
        around: settings, paths, spec.
        infrastructure: Terraform of the environment, which reads plans and knows the last receipt.
        journal: tells which credentials are live, for the rules about removal.
    """

    def __init__(
        self,
        around: Surroundings,
        infrastructure: Callable[[], Infrastructure],
        journal: Callable[[], RotationJournal],
    ) -> None:
        self._around = around
        self._infrastructure = infrastructure
        self._journal = journal
        self._plans: dict[tuple[Path | None, Path | None], Plan | None] = {}

    # -- judge --------------------------------------------------------------------------------------------------------

    def check(self, *, folder: Path | None = None, plan_json: Path | None = None) -> CheckedSpec:
        """The gate over the spec, and over a plan when one is given.

        Args:
            folder: a reviewed-plan folder; Terraform shows its plan.
            plan_json: what `terraform show -json` printed.

        Raises:
            ConfigurationError: the spec is wrong, or the file cannot be read.
            UnsafePlanError: it is no plan that this version knows, too large, or not what the folder's manifest names.
        """
        from lifecycle.operations.check_spec import check_spec

        plan = self._plan(folder, plan_json)
        subject = with_documents(self._around) if plan is None else lambda spec: self._subject(spec, plan)
        return check_spec(lambda: self._around.spec, gate(self._around), subject=subject)

    def _plan(self, folder: Path | None, plan_json: Path | None) -> Plan | None:
        """Read once: decoding a large plan takes seconds."""
        if (folder, plan_json) not in self._plans:
            self._plans[folder, plan_json] = self._read_plan(folder, plan_json)
        return self._plans[folder, plan_json]

    def _read_plan(self, folder: Path | None, plan_json: Path | None) -> Plan | None:
        from lifecycle.terraform_cli.plan_reader import read_plan, refuse_too_large

        if plan_json is not None:
            try:
                refuse_too_large(plan_json.stat().st_size)
                return read_plan(plan_json.read_bytes())
            except OSError as error:
                raise ConfigurationError(
                    f"the plan {plan_json} cannot be read: {error.strerror}",
                    remedy="write it with `terraform show -json PLAN > FILE`",
                ) from None
        if folder is not None:
            house = self._infrastructure()
            reviewed = house.folder(folder)
            _refuse_other_plan(folder, str(reviewed.plan_digest()), reviewed.read("manifest.json"))
            return read_plan(house.runner.show(reviewed.plan_file))
        return None

    def _subject(self, spec: Spec, plan: Plan) -> GateInput:
        latest = self._latest()
        entries: Mapping[str, str] = latest.entries if latest else {}
        live = live_versions(self._journal(), entries)
        documents = policy_documents(self._around)
        return GateInput(spec=spec, plan=plan, live_versions=live, previous_entries=entries, documents=documents)

    def rendered(
        self, checked: CheckedSpec, form: str, audience: str = "internal", change: ChangeInWords | None = None
    ) -> str:
        """A verdict in one of `FORMATS`.

        Args:
            checked: the spec and its verdict.
            form: one of `FORMATS`.
            audience: who reads it: an `Audience`, or `REVIEWER`.
            change: what changes, for people; programs are told findings alone.
        """
        from lifecycle.renderers.findings_github import findings_github
        from lifecycle.renderers.findings_html import findings_html
        from lifecycle.renderers.findings_junit import findings_junit
        from lifecycle.renderers.findings_markdown import findings_markdown
        from lifecycle.renderers.findings_sarif import findings_sarif

        name = checked.spec.environment
        verdict, change = self._told(checked, audience, change)
        if form == "sarif":
            otherwise = Place(file=checked.spec.backend.place.file, line=1, column=1)
            return findings_sarif(verdict, self.cards, tool_version=__version__, otherwise=otherwise)
        if form == "junit":
            return findings_junit(verdict, self.cards, environment=name)
        if form == "github":
            return findings_github(verdict)
        page = findings_html if form == "html" else findings_markdown
        return page(verdict, environment=name, change=change)

    def _told(
        self, checked: CheckedSpec, audience: str, change: ChangeInWords | None
    ) -> tuple[GateVerdict, ChangeInWords | None]:
        from lifecycle.bootstrap.evidence_desk import pseudonym_key
        from lifecycle.domain.evidence import Audience
        from lifecycle.renderers.audience import Pseudonyms, change_for, known_names, verdict_for

        names = None
        if audience == Audience.AUDITOR:
            owners = known_names(entry.owner for _, entry in checked.spec.entries())
            names = Pseudonyms(key=pseudonym_key(self._around), known=owners)
        reads = Audience.PUBLIC if audience == REVIEWER else Audience(audience)
        if change is not None and audience != REVIEWER:
            change = change_for(change, reads, names)
        return verdict_for(checked.verdict, self.cards, reads, names), change

    @cached_property
    def cards(self) -> tuple[RuleCard, ...]:
        """Every rule of the catalogue as reports show it; none when the bundle cannot be read (the verdict says so)."""
        return rule_cards(self._around)

    # -- try ----------------------------------------------------------------------------------------------------------

    def test(self, folder: Path | None = None) -> BundleTrials:
        """Run the cases of every rule and the attacks, against this bundle or another.

        Args:
            folder: a bundle; its own cases and attacks are used.

        Raises:
            ConfigurationError: something in it is missing or wrong.
        """
        from lifecycle.policy_engine import fixtures
        from lifecycle.policy_engine.bundle import load_bundle
        from lifecycle.policy_engine.bundle_attacks import run_bundle_attacks
        from lifecycle.policy_engine.typed import TypedPolicyEngine

        bundle = folder or self._around.paths.policies
        loaded = load_bundle(bundle)
        base = fixtures.load_base(bundle / "tests")
        engine = TypedPolicyEngine(bundle, clock=lambda: fixtures.day_of(base), proven=False, forks=False)
        rego, one_sided = rego_trials(self._around, bundle, base)
        cases = (*fixtures.run_cases(engine, bundle / "tests"), *rego)
        return BundleTrials(
            bundle_digest=loaded.digest,
            cases=tuple(_trial(item, "fires" if item.case.fires else "stays silent") for item in cases),
            attacks=(
                *(_trial(item, "is refused") for item in fixtures.run_attacks(engine, bundle / "attacks", base)),
                *(
                    Trial(rule="trust root", expected="is refused", because=item.because, problem=item.problem)
                    for item in (run_bundle_attacks(bundle) if (bundle / "attacks").is_dir() else ())
                ),
            ),
            uncovered=(
                *fixtures.uncovered(tuple(item.case for item in cases), loaded.catalogue),
                *one_sided,
            ),
        )

    # -- rights of the tool itself ------------------------------------------------------------------------------------

    def stale_rights(self) -> list[str]:
        """Generated policies that are not what the spec gives, and files that it no longer gives."""
        wanted, home = self._generated()
        there = {path.relative_to(home).as_posix() for path in home.glob(f"{self._around.paths.env}/**/*")}
        files = {name for name in there if (home / name).is_file()}
        stale = {name for name, text in wanted.items() if name not in files or (home / name).read_text() != text}
        return sorted(stale | (files - wanted.keys()))

    def generate(self) -> list[str]:
        """Write the least policies of the tool's identities into `policies/generated/`; returns what changed."""
        from lifecycle.foundation.atomic_file import replace_file

        wanted, home = self._generated()
        changed = self.stale_rights()
        for name in changed:
            if name in wanted:
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                replace_file(home / name, wanted[name].encode(), mode=0o644)
            else:
                (home / name).unlink()
        return changed

    def _generated(self) -> tuple[Mapping[str, str], Path]:
        from lifecycle.policy_engine.generate import generate_policies

        return generate_policies(self._around.spec), self._around.paths.policies / "generated"

    # -- tell ---------------------------------------------------------------------------------------------------------

    def change(self, *, against: str = "", folder: Path | None = None, plan_json: Path | None = None) -> ChangeInWords:
        """What the change under review does, in words.

        Args:
            against: a git reference; empty = the last apply for a reviewed plan, else where the branch left main.
            folder: a reviewed-plan folder, as for `check`.
            plan_json: a plan, as for `check`.

        Raises:
            ConfigurationError: git does not know the reference, or the spec of that commit is wrong.
        """
        return self._teller.told(against=against, plan=self._plan(folder, plan_json), reviewed=folder is not None)

    def diff(self, against: str) -> GrantChange:
        """What the spec allows that it did not allow at a git reference, and the other way, in words.

        Raises:
            ConfigurationError: no such commit, or the spec of that commit is wrong.
        """
        return self._teller.diff(against)

    def spec_at(self, against: str) -> Spec | None:
        """The spec of this environment at a git reference; None when the environment did not exist there."""
        return self._teller.spec_at(against)

    @cached_property
    def _teller(self) -> ChangeTeller:
        return ChangeTeller(self._around, self._latest)

    def _latest(self) -> Receipt | None:
        return self._infrastructure().receipts.latest()

    def explain(self, rule: str) -> list[Mapping[str, Any]]:
        """What rules mean: one in full, all with a line each, or `controls`: which rules answer which control."""
        if rule != "controls":
            return explain_rules(self._around, rule)
        answered: dict[str, list[RuleCard]] = {}
        for card in self.cards:
            for control in card.controls:
                answered.setdefault(control, []).append(card)
        return [
            {
                "control": control,
                "rules": [card.id for card in cards],
                "lines": [control, *(f"  {card.id}  {card.severity:<7}  {card.title}" for card in cards)],
            }
            for control, cards in sorted(answered.items())
        ]


def _refuse_other_plan(folder: Path, found: str, manifest: Mapping[str, Any]) -> None:
    """Judge the plan that the folder's manifest names, and no other that somebody put there."""
    from lifecycle.domain.errors import UnsafePlanError

    digests = manifest.get("digests")
    if not isinstance(digests, dict) or digests.get("plan") != found:
        raise UnsafePlanError(
            f"the plan in {folder} is not the one that its manifest names", remedy="run `lifecycle plan` again"
        )


def _trial(result: CaseResult, expected: str) -> Trial:
    return Trial(rule=result.case.rule, expected=expected, because=result.case.because, problem=result.problem)
