"""`lifecycle policy bundle …`: which rules may judge, and who may hand over to new ones."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from typing import Any

    from lifecycle.bootstrap import House
    from lifecycle.cli.output import Output


def add(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    steps = verbs.add_parser("bundle").add_subparsers(metavar="STEP", required=True)
    against = argparse.ArgumentParser(add_help=False)
    against.add_argument("--against", default="HEAD", metavar="REF", help="the bundle in force: commit or folder")
    build = steps.add_parser("build", parents=[shared, against], help="make policies/ the next bundle, and sign it")
    build.add_argument("--key", type=folder, metavar="FILE", help="SSH key of a signer of the bundle in force")
    build.set_defaults(run=_build, needs_env=False)
    verify = steps.add_parser("verify", parents=[shared, against], help="may policies/ follow it? exit code 5 if not")
    verify.set_defaults(run=_verify)
    pin = steps.add_parser("pin", parents=[shared], help="let a sandbox go on with policies/ as it is now")
    pin.set_defaults(run=_pin)
    waive = verbs.add_parser("waive", parents=[shared], help="sign a waiver, as somebody of the risk group")
    waive.add_argument("waiver", metavar="ID", help="as in waivers.yaml")
    waive.add_argument("--key", type=folder, metavar="FILE", required=True, help="your SSH key")
    waive.set_defaults(run=_waive, needs_env=False)


def _build(args: argparse.Namespace, house: House, out: Output) -> int:
    return _told(out, house.trust.build(against=args.against, key=args.key))


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    return _told(out, house.trust.verify(against=args.against))


def _pin(args: argparse.Namespace, house: House, out: Output) -> int:
    del args
    house.start()
    return _told(out, house.trust.pin())


def _waive(args: argparse.Namespace, house: House, out: Output) -> int:
    return _told(out, house.trust.waive(args.waiver, args.key))


def _told(out: Output, lines: list[str]) -> int:
    out.result({"lines": lines}, lines)
    return ExitCode.DONE
