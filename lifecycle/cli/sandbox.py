"""`lifecycle sandbox up | down | status`: the local servers of the default environment."""

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
    verbs = commands.add_parser("sandbox").add_subparsers(metavar="VERB", required=True)
    for verb, text in (("up", "start what is not running"), ("down", "stop all"), ("status", "what runs where")):
        parser = verbs.add_parser(verb, parents=[shared], help=text)
        parser.set_defaults(run=_run, verb=verb)


def _run(args: argparse.Namespace, house: House, out: Output) -> int:
    report = getattr(house.setup, f"sandbox_{args.verb}")()
    out.result(report.document(), report.lines())
    return ExitCode.DONE
