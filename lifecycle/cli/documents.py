"""`lifecycle check`, `spec show`, `schema`: spec and policy files, offline."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from lifecycle.cli import screens
from lifecycle.domain.errors import ExitCode

if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.output import Output


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    check = commands.add_parser("check", parents=[shared], help="spec and policy files, offline")
    check.set_defaults(run=_check)
    spec = commands.add_parser("spec", help="the resolved spec")
    verbs = spec.add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", parents=[shared], help="every resolved value")
    show.add_argument("--origin", action="store_true", help="with its file and line")
    show.set_defaults(run=_show)
    schema = commands.add_parser("schema", parents=[shared], help="JSON Schema of the spec, for editors")
    schema.set_defaults(run=_schema, needs_env=False)


def _check(_args: argparse.Namespace, house: House, out: Output) -> int:
    result = house.check()
    out.result(*screens.checked(result))
    return ExitCode.DONE if result.verdict.passed else ExitCode.REFUSED


def _show(args: argparse.Namespace, house: House, out: Output) -> int:
    rows = house.show_spec()
    document = {row.key_path: {"value": row.value, "origin": str(row.origin or "")} for row in rows}
    out.result(document, [row.line(origins=args.origin) for row in rows])
    return ExitCode.DONE


def _schema(_args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw(json.dumps(house.schema(), indent=2, sort_keys=True))
    return ExitCode.DONE
