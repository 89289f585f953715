"""`lifecycle init`: a working repository from the installed package."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.domain.errors import ExitCode

if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.output import Output


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    init = commands.add_parser("init", parents=[shared], help="a working repository: modules, policies, an environment")
    init.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="DIR")
    init.set_defaults(run=_init, needs_env=False)


def _init(args: argparse.Namespace, house: House, out: Output) -> int:
    made = house.init_repository(args.folder)
    out.result({"files": list(made)}, [f"{len(made)} files in {args.folder}", "next: make apply"])
    return ExitCode.DONE
