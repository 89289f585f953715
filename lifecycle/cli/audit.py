"""`lifecycle audit …`: who did what, offline."""

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
    verbs = commands.add_parser("audit").add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", parents=[shared], help="every event, oldest first")
    show.set_defaults(run=_show)
    verify = verbs.add_parser("verify", parents=[shared], help="has the trail been altered")
    verify.add_argument("--expect-head", default="", metavar="DIGEST", help="an earlier head that must be an ancestor")
    verify.set_defaults(run=_verify)


def _show(_args: argparse.Namespace, house: House, out: Output) -> int:
    events = house.audit_events()
    out.result(
        {"events": [event.model_dump(mode="json") for event in events]},
        [f"{e.at:%Y-%m-%d %H:%M:%S} {e.actor} {e.action} {e.object} {e.result}" for e in events],
    )
    return ExitCode.DONE


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    head, count = house.verify_audit(args.expect_head)
    out.result({"head": head, "events": count}, [f"{count} events, unaltered, head {head}"])
    return ExitCode.DONE
