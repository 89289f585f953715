"""`lifecycle approve`, `report`, `status`: what people read and sign."""

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
    approve = commands.add_parser("approve", parents=[shared], help="sign the review of a plan")
    approve.add_argument("folder", type=Path, metavar="DIR", help="the reviewed-plan folder")
    approve.add_argument("--key", type=Path, required=True, help="SSH key that signs review.json")
    approve.set_defaults(run=_approve)
    report = commands.add_parser("report", parents=[shared], help="the last receipt on one screen")
    report.set_defaults(run=_report)
    status = commands.add_parser("status", parents=[shared], help="what lapses next, what is open, what needs a person")
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


def _report(_args: argparse.Namespace, house: House, out: Output) -> int:
    report = house.last_report()
    out.result(report.document(), [*report.lines(), f"receipt      {report.path}"])
    return ExitCode.DONE


def _status(_args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    status = house.rotation_status()
    out.result(status.document(), status.lines())
    return status.exit_code()
