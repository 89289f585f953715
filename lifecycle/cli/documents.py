"""`lifecycle check`, `spec show`, `schema`: spec and policy files, offline."""

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
    check = commands.add_parser("check", parents=[shared])
    check.set_defaults(run=_check)
    spec = commands.add_parser("spec")
    verbs = spec.add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", parents=[shared], help="every resolved value")
    show.add_argument("--origin", action="store_true", help="with its file and line")
    show.set_defaults(run=_show)
    schema = commands.add_parser("schema", parents=[shared])
    schema.set_defaults(run=_schema, needs_env=False)


def _check(_args: argparse.Namespace, house: House, out: Output) -> int:
    from lifecycle.cli import screens

    result = house.documents.check()
    out.result(*screens.checked(result))
    return ExitCode.DONE if result.verdict.passed else ExitCode.REFUSED


def _show(args: argparse.Namespace, house: House, out: Output) -> int:
    rows = house.documents.show()
    document = {row.key_path: {"value": row.value, "origin": str(row.origin or "")} for row in rows}
    out.result(document, [row.line(origins=args.origin) for row in rows])
    return ExitCode.DONE


def _schema(_args: argparse.Namespace, house: House, out: Output) -> int:
    import json

    out.raw(json.dumps(house.documents.schema(), indent=2, sort_keys=True))
    return ExitCode.DONE
