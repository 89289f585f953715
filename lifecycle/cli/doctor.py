"""`lifecycle doctor`: the known causes of failure, in order, up to the first that holds."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output
    from lifecycle.domain.diagnosis import Diagnosis


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the command."""
    doctor = commands.add_parser("doctor", parents=[shared])
    doctor.add_argument("--deployment", default="", metavar="ID", help="default: those that the spec names")
    doctor.add_argument("--data", type=folder, metavar="FILE", help="a CSV file that the deployment is to take")
    doctor.add_argument("--datarobot", default="", metavar="NAME", help="installation of the spec")
    doctor.set_defaults(run=_doctor)


def _doctor(args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    with out.live("doctor") as update:
        found = house.examine(args.datarobot, args.deployment, args.data, update)
    out.result(*screen(found))
    return found.exit_code()


def screen(found: Diagnosis) -> tuple[Mapping[str, Any], Iterable[str]]:
    """The result of `doctor`: a line for each check, then the cause with what to do."""
    from lifecycle.domain.diagnosis import outcome_of

    told = [(item.check, *outcome_of(item.finding)) for item in found.examined]
    width = max((len(check) for check, _, _ in told), default=0)
    lines = [found.subject, *(f"  {word:<9}  {check:<{width}}  {seen}".rstrip() for check, word, seen in told)]
    document: dict[str, Any] = {
        "subject": found.subject,
        "checked_at": found.checked_at.isoformat(),
        "checks": [{"check": check, "outcome": word, "seen": seen} for check, word, seen in told],
        "not_reached": list(found.ahead),
        "cause": None,
        "exit_code": int(found.exit_code()),
    }
    cause = found.cause
    if cause is None:
        counts = [(word, sum(told_word == word for _, told_word, _ in told)) for word in ("ok", "not asked", "unknown")]
        summary = ", ".join(f"{count} {word}" for word, count in counts if count)
        return document, [*lines, f"no known cause holds: {summary}"]
    named = found.examined[-1].check
    document["cause"] = {
        "check": named,
        "message": cause.message,
        "evidence": cause.evidence,
        "remedy": cause.remedy,
    }
    left = f" ({len(found.ahead)} checks not reached)" if found.ahead else ""
    return document, [*lines, f"cause: {cause.message}: {cause.evidence}{left}", f"  next: {cause.remedy}"]
