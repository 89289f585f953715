"""`lifecycle verify`: connectors, concurrently, with deadlines."""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the command."""
    verify = commands.add_parser("verify", parents=[shared])
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: every connector")
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    from lifecycle.cli import screens

    house.start()
    checks = house.verify(tuple(args.names))
    out.result(*screens.checks(checks))
    return checks.exit_code()
