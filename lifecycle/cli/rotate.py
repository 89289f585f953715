"""`lifecycle rotate …` and `whose`: credentials."""

from __future__ import annotations

import argparse

from lifecycle.domain.exit_codes import ExitCode

_WATCH_SECONDS = 2.0

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output
    from lifecycle.operations.plan_rotations import RotationPlan
    from lifecycle.operations.rotation_status import RotationStatus


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    verbs = commands.add_parser("rotate").add_subparsers(metavar="VERB", required=True)
    plan = verbs.add_parser("plan", parents=[shared], help="what is due, in which order, with a digest")
    plan.set_defaults(run=_plan)
    apply = verbs.add_parser("apply", parents=[shared], help="rotate NAME…, those due, or all")
    apply.add_argument("names", nargs="*", metavar="NAME")
    apply.add_argument("--due", action="store_true", help="those that are due")
    apply.add_argument("--all", action="store_true", help="every credential, due or not")
    apply.add_argument("--plan", default="", metavar="DIGEST", help="only if `rotate plan` would still say this")
    apply.add_argument("--wait", action="store_true", help="wait for grace to end instead of leaving it to a later run")
    apply.add_argument("--dry-run", action="store_true", help="say what would be rotated; change nothing")
    apply.add_argument("--detailed-exitcode", action="store_true", help="6 while grace is running")
    apply.set_defaults(run=_apply)
    everything = verbs.add_parser("all", parents=[shared], help="emergency: every credential in a scope, two approvers")
    everything.add_argument("--scope", required=True, help="`everything`, or key=pattern terms joined by commas")
    everything.add_argument("--break-glass", action="store_true", required=True, help="say that it is one")
    everything.add_argument("--reason", required=True, help="stands in the request and the audit log")
    everything.add_argument("--wait", action="store_true", help="wait for acknowledgements")
    everything.add_argument("--dry-run", action="store_true", help="the estimate only")
    everything.add_argument("--detailed-exitcode", action="store_true", help="6 while something is pending")
    everything.set_defaults(run=_break_glass)
    resume = verbs.add_parser("resume", parents=[shared], help="finish what is open")
    resume.add_argument("--wait", action="store_true", help="wait for grace to end")
    resume.add_argument("--detailed-exitcode", action="store_true", help="6 while grace is running")
    resume.set_defaults(run=_resume)
    status = verbs.add_parser("status", parents=[shared], help="state, age, next due, who has acknowledged")
    status.add_argument("--watch", action="store_true", help="until nothing is open, or Ctrl-C; tells what changes")
    status.set_defaults(run=_status)
    retire = verbs.add_parser("retire", parents=[shared], help="drain consumers and revoke, so that the entry may go")
    retire.add_argument("name", metavar="NAME")
    retire.set_defaults(run=_retire)
    adopt = verbs.add_parser("adopt", parents=[shared], help="take over a credential that exists, changing nothing")
    adopt.add_argument("name", metavar="NAME")
    adopt.set_defaults(run=_adopt)
    rehearse = verbs.add_parser("rehearse", parents=[shared], help="the whole path on a shadow credential, timed")
    rehearse.add_argument("name", metavar="NAME")
    rehearse.set_defaults(run=_rehearse)
    for verb, text in (("release", "end QUARANTINED and go on"), ("abandon", "end QUARANTINED and keep everything")):
        parser = verbs.add_parser(verb, parents=[shared], help=f"a person decides: {text}")
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--reason", required=True, help="stands in the audit log")
        parser.set_defaults(run=_end_quarantine, verb=verb)
    exposed = verbs.add_parser("mark-exposed", parents=[shared], help="it may have leaked: due now")
    exposed.add_argument("name", metavar="NAME")
    exposed.add_argument("--reason", required=True, help="stands in the journal and the audit log")
    exposed.set_defaults(run=_mark_exposed)
    whose = commands.add_parser("whose", parents=[shared])
    whose.set_defaults(run=_whose)


def _plan(_args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    plan = house.plan_rotations()
    out.result(plan.document(), plan.lines())
    return plan.exit_code()


def _apply(args: argparse.Namespace, house: House, out: Output) -> int:
    selected = sum((bool(args.names), args.due, args.all))
    if selected > 1 or not (selected or args.plan):  # a plan is one of what is due
        from lifecycle.domain.errors import ConfigurationError

        raise ConfigurationError("say which credentials", remedy="give names, or --due, or --all")
    with house.exclusive():
        house.start()
        if args.dry_run or args.plan:
            plan = house.plan_rotations(names=tuple(args.names), everything=args.all)
            if args.plan:
                _must_be(plan, args.plan)
            if args.dry_run:
                out.result(plan.document(), plan.lines())
                return plan.exit_code()
        outcome = house.rotate(names=tuple(args.names), everything=args.all, wait=args.wait)
    out.result(outcome.document(), outcome.lines())
    return outcome.exit_code(detailed=args.detailed_exitcode)


def _break_glass(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        emergency = house.emergency(args.scope, args.reason)
        for line in emergency.lines():
            out.note(line)
        if args.dry_run:
            out.result(emergency.document(), emergency.lines() if out.quiet else ())
            return ExitCode.DONE
        run = emergency.carry_out(wait=args.wait)
    out.result(run.document(), run.lines())
    return run.exit_code(detailed=args.detailed_exitcode)


def _must_be(plan: RotationPlan, digest: str) -> None:
    from lifecycle.domain.audit import Digest
    from lifecycle.operations.plan_rotations import check_plan

    check_plan(plan, Digest(digest))


def _resume(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        outcome = house.resume(wait=args.wait)
    out.result(outcome.document(), outcome.lines())
    return outcome.exit_code(detailed=args.detailed_exitcode)


def _status(args: argparse.Namespace, house: House, out: Output) -> int:
    house.start()
    status = house.rotation_status()
    if args.watch:
        status = _watched(house, out, status)
    out.result(status.document(), status.lines())
    return status.exit_code()


def _watched(house: House, out: Output, status: RotationStatus, *, seconds: float = _WATCH_SECONDS) -> RotationStatus:
    """Note each line that is new, as progress, until every rotation has ended or waits for a person."""
    import time

    told: set[str] = set()
    try:
        while status.open:
            for line in status.lines():
                if line not in told:
                    out.note(line)
            told = set(status.lines())
            time.sleep(seconds)
            status = house.rotation_status()
    except KeyboardInterrupt:  # whoever watches may stop watching: nothing was under way here
        pass
    return status


def _retire(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        run = house.retire(args.name)
    out.result(run.document(), run.lines())
    return run.exit_code()


def _adopt(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        run = house.adopt(args.name)
    out.result(run.document(), run.lines())
    return run.exit_code()


def _rehearse(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        told = house.rehearse(args.name)
    out.result(told.document(), told.lines())
    return told.exit_code()


def _end_quarantine(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        end = house.release if args.verb == "release" else house.abandon
        run = end(args.name, reason=args.reason)
    out.result(run.document(), run.lines())
    return run.exit_code()


def _mark_exposed(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        run = house.mark_exposed(args.name, reason=args.reason)
    out.result(run.document(), run.lines())
    return run.exit_code()


def _whose(_args: argparse.Namespace, house: House, out: Output) -> int:
    import sys

    house.start()
    owners = house.whose(sys.stdin.read())
    out.result({"matches": [owner.document() for owner in owners]}, [owner.line() for owner in owners] or ["not ours"])
    return ExitCode.DONE if owners else ExitCode.REFUSED
