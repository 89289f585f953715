"""`lifecycle verify`: connectors, concurrently, with deadlines."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import shared_options

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from datetime import timedelta

    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output

_JUNIT = "junit"
_AT_ONCE = 50


def add(commands: Commands, _shared: argparse.ArgumentParser) -> None:
    """Register the command."""
    verify = commands.add_parser("verify", parents=[shared_options(_JUNIT)])
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: every connector")
    verify.add_argument("--kind", action="append", default=[], metavar="KIND", help="only this kind; may be repeated")
    verify.add_argument("--credential", default="", metavar="NAME", help="only what uses this credential")
    verify.add_argument("--pending", action="store_true", help="try the candidate of an open rotation")
    verify.add_argument("--through", default="", metavar="ALLOWLIST", help="from there, or `direct`, instead")
    verify.add_argument("--deadline", type=_duration, metavar="10s", help="for each, instead of its own")
    verify.add_argument("--concurrency", type=int, default=_AT_ONCE, metavar="N", help="at once, 1 to 200; usually 50")
    verify.set_defaults(run=_verify)


def _duration(text: str) -> timedelta:
    from datetime import timedelta

    from lifecycle.domain.spec import parse_duration

    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    return duration if isinstance(duration, timedelta) else timedelta()


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    from lifecycle.cli import verify_screens
    from lifecycle.cli.verify_live import live_table
    from lifecycle.operations.select_connectors import Selection

    house.start()
    selection = Selection(
        names=tuple(args.names),
        kinds=tuple(args.kind),
        credential=args.credential,
        pending=args.pending,
        through=args.through,
        deadline=args.deadline,
        concurrency=args.concurrency,
    )
    with live_table(out) as watch:
        checks = house.verify(selection, watch)
    if out.form == _JUNIT:
        out.raw(verify_screens.junit(checks))
    else:
        out.result(*verify_screens.checks(checks))
    return checks.exit_code()
