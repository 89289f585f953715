"""`lifecycle approve`, `report`, `status`: what people read and sign."""

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
    approve = commands.add_parser("approve", parents=[shared])
    approve.add_argument("folder", type=folder, metavar="DIR", help="the reviewed-plan folder")
    approve.add_argument("--key", type=folder, required=True, help="SSH key that signs review.json")
    approve.set_defaults(run=_approve)
    report = commands.add_parser("report", parents=[shared])
    report.add_argument("--out", type=folder, metavar="DIR", help="write the evidence pack there instead")
    report.add_argument("--from", dest="since", metavar="DATE", default="", help="first day (default: all)")
    report.add_argument("--to", dest="until", metavar="DATE", default="", help="last day, UTC (default: up to now)")
    audiences = ("internal", "auditor", "public")
    report.add_argument("--audience", choices=audiences, default="internal", help="who reads it (default: internal)")
    report.add_argument("--ask-providers", action="store_true", help="their lists and our logins' rights (network)")
    report.set_defaults(run=_report)
    status = commands.add_parser("status", parents=[shared])
    status.set_defaults(run=_status)


def _approve(args: argparse.Namespace, house: House, out: Output) -> int:
    approval = house.approve(args.folder, args.key)
    out.result(
        {
            "approver": approval.approver,
            "effect_digest": approval.effect_digest,
            "expires": approval.expires.isoformat(),
        },
        [
            f"{approval.approver} approved effect {approval.effect_digest[7:19]}, "
            f"valid until {approval.expires:%Y-%m-%d %H:%M} UTC"
        ],
    )
    return ExitCode.DONE


def _report(args: argparse.Namespace, house: House, out: Output) -> int:
    if args.out is not None:
        return _pack(args, house, out)
    report = house.last_report()
    out.result(report.document(), [*report.lines(), f"receipt      {report.path}"])
    return ExitCode.DONE


def _pack(args: argparse.Namespace, house: House, out: Output) -> int:
    from datetime import UTC, datetime

    from lifecycle.cli.period import period
    from lifecycle.domain.evidence import Audience, PackRequest

    since, until = period(args.since, args.until)
    wanted = PackRequest(
        folder=args.out,
        since=since or datetime(1970, 1, 1, tzinfo=UTC),
        until=until or house.now(),
        audience=Audience(args.audience),
    )
    if args.ask_providers:
        house.start()
    files = house.evidence(wanted, ask_providers=args.ask_providers)
    out.result({"files": files}, [f"{len(files)} files; open {args.out / 'report.html'}"])
    return ExitCode.DONE


def _status(_args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    status = house.rotation_status()
    out.result(status.document(), status.lines())
    return status.exit_code()
