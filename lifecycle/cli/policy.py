"""`lifecycle policy …`: the rules of the gate."""

from __future__ import annotations

import argparse

from lifecycle.cli import policy_bundle
from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output

_FORMATS = ("text", "json", "sarif", "junit", "markdown", "html", "github")
_WITH_CHANGE = ("markdown", "html")


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    verbs = commands.add_parser("policy").add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", parents=[shared], help="judge the spec, or a plan; exit code 5 on a violation")
    judged = check.add_mutually_exclusive_group()
    judged.add_argument("--plan", type=folder, metavar="DIR", help="a reviewed-plan folder")
    judged.add_argument("--plan-json", type=folder, metavar="FILE", help="what `terraform show -json` printed")
    check.add_argument("--format", choices=_FORMATS, default="", help="default: as --output says")
    against = "the commit whose spec is compared (default for markdown and html: where the branch left main)"
    check.add_argument("--against", default="", metavar="REF", help=against)
    audiences = ("internal", "reviewer", "auditor", "public")
    told = "default: reviewer for markdown and github (the change in full, findings in brief), else internal"
    check.add_argument("--audience", choices=audiences, default="", help=told)
    check.set_defaults(run=_check)
    test = verbs.add_parser("test", parents=[shared], help="what each rule must find, and must not; the attacks")
    test.add_argument("bundle", type=folder, metavar="BUNDLE", nargs="?", help="default: policies/ of the repository")
    test.add_argument("--bundle", type=folder, metavar="DIR", dest="named", help="the same, as an option")
    test.set_defaults(run=_test, needs_env=False)
    diff = verbs.add_parser("diff", parents=[shared], help="what is allowed now that was not, and the other way")
    diff.add_argument("--against", default="HEAD", metavar="REF", help="branch, tag or commit (default: HEAD)")
    diff.set_defaults(run=_diff)
    explain = verbs.add_parser("explain", parents=[shared], help="what a rule means and which controls it answers")
    explain.add_argument(
        "rule", metavar="RULE", nargs="?", default="", help="or `controls`: rules by control (default: a line each)"
    )
    explain.set_defaults(run=_explain, needs_env=False)
    generate = verbs.add_parser("generate", parents=[shared], help="the least rights of the tool's own identities")
    generate.add_argument("--check", action="store_true", help="write nothing; exit code 5 when files are stale")
    generate.set_defaults(run=_generate)
    policy_bundle.add(verbs, shared)


def _check(args: argparse.Namespace, house: House, out: Output) -> int:
    from contextlib import nullcontext

    from lifecycle.cli import screens

    # Terraform shows a saved plan, and it runs under the environment's lock only.
    with house.exclusive() if args.plan is not None else nullcontext():
        if args.plan is not None:
            house.start()
        result = house.policy.check(folder=args.plan, plan_json=args.plan_json)
    form = args.format or out.form
    change = None
    if args.against or form in _WITH_CHANGE:
        change = house.policy.change(against=args.against, folder=args.plan, plan_json=args.plan_json)
    if form in ("text", "json"):
        out.form = form
        document, lines = screens.checked(result)
        told = {"change": change.document()} if change else {}
        out.result({**document, **told}, [*(change.lines() if change else ()), *lines])
    else:
        usual = "reviewer" if form in ("markdown", "github") else "internal"
        out.raw(house.policy.rendered(result, form, args.audience or usual, change))
    return ExitCode.DONE if result.verdict.passed else ExitCode.REFUSED


def _test(args: argparse.Namespace, house: House, out: Output) -> int:
    trials = house.policy.test(args.named or args.bundle)
    out.result(trials.document(), trials.lines())
    return ExitCode.DONE if trials.passed else ExitCode.REFUSED


def _diff(args: argparse.Namespace, house: House, out: Output) -> int:
    change = house.policy.diff(args.against)
    lines = [f"newly allowed: {text}" for text in change.added]
    lines += [f"no longer allowed: {text}" for text in change.removed]
    document = {"against": args.against, "added": list(change.added), "removed": list(change.removed)}
    out.result(document, lines or [f"nothing is allowed or forbidden that was not at {args.against}"])
    return ExitCode.DONE


def _explain(args: argparse.Namespace, house: House, out: Output) -> int:
    rules = house.policy.explain(args.rule)
    out.result({"rules": [dict(rule) for rule in rules]}, [line for rule in rules for line in rule["lines"]])
    return ExitCode.DONE


def _generate(args: argparse.Namespace, house: House, out: Output) -> int:
    if args.check:
        stale = house.policy.stale_rights()
        out.result({"stale": stale}, [f"stale: {name}" for name in stale] or ["generated rights are current"])
        return ExitCode.REFUSED if stale else ExitCode.DONE
    changed = house.policy.generate()
    out.result({"written": changed}, [f"policies/generated/{name}" for name in changed] or ["nothing changed"])
    return ExitCode.DONE
