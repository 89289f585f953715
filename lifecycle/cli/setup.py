"""`lifecycle init`: a working repository from the installed package; `lifecycle bootstrap`: what must exist first."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output
    from lifecycle.operations.bootstrap_environment import Survey


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    init = commands.add_parser("init", parents=[shared])
    init.add_argument("folder", type=folder, nargs="?", default=".", metavar="DIR")
    init.set_defaults(run=_init, needs_env=False)
    bootstrap = commands.add_parser("bootstrap", parents=[shared])
    bootstrap.add_argument("--yes", action="store_true", help="make what is missing without asking")
    bootstrap.add_argument("--repository", default="", metavar="OWNER/NAME", help="also tell how its CI jobs log in")
    bootstrap.set_defaults(run=_bootstrap)


def _init(args: argparse.Namespace, house: House, out: Output) -> int:
    made = house.setup.init_repository(args.folder)
    out.result({"files": list(made)}, [f"{len(made)} files in {args.folder}", "next: make apply"])
    return ExitCode.DONE


def _bootstrap(args: argparse.Namespace, house: House, out: Output) -> int:
    def confirm(survey: Survey) -> bool:
        """The list is shown before anything is made; without a terminal only --yes says yes."""
        for line in survey.lines():
            out.step("bootstrap", line)
        return bool(args.yes) or (out.interactive and out.ask(f"Make what is missing of {house.env}?"))

    with house.exclusive():
        outcome = house.setup.bootstrap(confirm)
    trust = house.setup.ci_trust(args.repository) if args.repository else ""
    out.result({**outcome.document(), "ci_trust": trust}, [*outcome.lines(), *trust.splitlines()])
    return ExitCode.DONE
