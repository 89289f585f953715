"""`lifecycle verify`: connectors, concurrently, with deadlines."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lifecycle.cli import screens

if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.output import Output


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Register the command."""
    verify = commands.add_parser(
        "verify", parents=[shared], help="do the connectors work, and if not, whose fault is it"
    )
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: every connector")
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    checks = house.verify(tuple(args.names))
    out.result(*screens.checks(checks))
    return checks.exit_code()
