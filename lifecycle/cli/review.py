"""`lifecycle approve`, `report`, `status`: what people read and sign."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from datetime import datetime

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
    report.add_argument("--from", dest="since", metavar="DATE", default="1970-01-01", help="first day (default: all)")
    report.add_argument("--to", dest="until", metavar="DATE", default="", help="last day, UTC (default: up to now)")
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
        since, until = _period(args.since, args.until)
        files = house.evidence(args.out, since, until)
        out.result({"files": files}, [f"{len(files)} files; open {args.out / 'report.html'}"])
        return ExitCode.DONE
    report = house.last_report()
    out.result(report.document(), [*report.lines(), f"receipt      {report.path}"])
    return ExitCode.DONE


def _period(first: str, last: str) -> tuple[datetime, datetime | None]:
    from datetime import UTC, date, datetime, time

    from lifecycle.domain.errors import ConfigurationError

    try:
        since, until = date.fromisoformat(first), date.fromisoformat(last) if last else None
    except ValueError:
        raise ConfigurationError("--from or --to is no date", remedy="write it as 2026-11-24") from None
    if until is not None and since > until:
        raise ConfigurationError("--from is later than --to", remedy="exchange them")
    end = datetime.combine(until, time.max, tzinfo=UTC) if until is not None else None
    return datetime.combine(since, time.min, tzinfo=UTC), end


def _status(_args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    status = house.rotation_status()
    out.result(status.document(), status.lines())
    return status.exit_code()
