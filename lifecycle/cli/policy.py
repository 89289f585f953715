"""`lifecycle policy …`: the rules of the gate."""

from __future__ import annotations

import argparse

from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    verbs = commands.add_parser("policy").add_subparsers(metavar="VERB", required=True)
    check = verbs.add_parser("check", parents=[shared], help="judge the spec, offline; exit code 5 on a violation")
    check.set_defaults(run=_check)
    explain = verbs.add_parser("explain", parents=[shared], help="what a rule means and which controls it answers")
    explain.add_argument("rule", metavar="RULE", nargs="?", default="", help="default: every rule, a line each")
    explain.set_defaults(run=_explain, needs_env=False)


def _check(_args: argparse.Namespace, house: House, out: Output) -> int:
    from lifecycle.cli import screens

    result = house.check()
    out.result(*screens.checked(result))
    return ExitCode.DONE if result.verdict.passed else ExitCode.REFUSED


def _explain(args: argparse.Namespace, house: House, out: Output) -> int:
    rules = house.explain_rules(args.rule)
    out.result({"rules": [dict(rule) for rule in rules]}, [line for rule in rules for line in rule["lines"]])
    return ExitCode.DONE
