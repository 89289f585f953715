"""`lifecycle init`: a working repository from the installed package."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    init = commands.add_parser("init", parents=[shared])
    init.add_argument("folder", type=folder, nargs="?", default=".", metavar="DIR")
    init.set_defaults(run=_init, needs_env=False)


def _init(args: argparse.Namespace, house: House, out: Output) -> int:
    made = house.init_repository(args.folder)
    out.result({"files": list(made)}, [f"{len(made)} files in {args.folder}", "next: make apply"])
    return ExitCode.DONE
