"""`lifecycle plan`, `apply`, `drift`, `destroy`, `unlock`: infrastructure."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output
    from lifecycle.domain.review import ReviewedPlan


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    plan = commands.add_parser("plan", parents=[shared])
    plan.add_argument("--out", type=folder, metavar="DIR", help="where the reviewed-plan folder goes")
    plan.add_argument("--check-generated", action="store_true", help="fail when the committed root is stale; no plan")
    plan.add_argument("--update-lock", action="store_true", help="write the provider lock file anew first")
    plan.add_argument("--detailed-exitcode", action="store_true", help="6 when there are changes")
    plan.set_defaults(run=_plan)
    apply = commands.add_parser("apply", parents=[shared])
    apply.add_argument("--plan", type=folder, metavar="DIR", help="a reviewed-plan folder, approved")
    apply.add_argument("--detailed-exitcode", action="store_true", help="6 when work is pending")
    apply.set_defaults(run=_apply)
    drift = commands.add_parser("drift", parents=[shared])
    drift.set_defaults(run=_drift)
    destroy = commands.add_parser("destroy", parents=[shared])
    destroy.add_argument("--yes", metavar="ENV", default="", help="repeat the environment's name")
    destroy.set_defaults(run=_destroy)
    unlock = commands.add_parser("unlock", parents=[shared])
    unlock.add_argument("lock_id", nargs="?", default="", help="default: one that a dead run of ours left behind")
    unlock.set_defaults(run=_unlock)


def _plan(args: argparse.Namespace, house: House, out: Output) -> int:
    if args.check_generated:
        stale = house.stale_generated()
        out.result({"stale": stale}, [f"stale: {name}" for name in stale] or ["generated files are current"])
        return ExitCode.REFUSED if stale else ExitCode.DONE
    with house.exclusive():
        house.start()
        if args.update_lock:
            house.update_lock()
        reviewed = house.plan(args.out)
    out.result(reviewed.document(), reviewed.lines())
    if not reviewed.verdict.passed:
        return ExitCode.REFUSED
    return ExitCode.PENDING if args.detailed_exitcode and not reviewed.empty else ExitCode.DONE


def _apply(args: argparse.Namespace, house: House, out: Output) -> int:
    from lifecycle.cli import screens

    def confirm(reviewed: ReviewedPlan) -> bool:
        """A sandbox asks nothing; elsewhere a person says yes, and without a terminal nobody does."""
        if house.is_sandbox or reviewed.empty:
            return True
        return out.interactive and out.ask(f"Apply plan {reviewed.short_digest} to {house.env}?")

    with house.exclusive():
        house.start()
        outcome = house.apply(args.plan, confirm=confirm, detailed=args.detailed_exitcode)
    out.result(*screens.environment(outcome))
    return outcome.exit_code()


def _drift(_args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        drift = house.drift()
    out.result(drift.document(), drift.lines())
    return ExitCode.DONE if drift.clean else ExitCode.REFUSED


def _destroy(args: argparse.Namespace, house: House, out: Output) -> int:
    if not house.is_sandbox and args.yes != house.env:
        from lifecycle.domain.errors import ApprovalMissingError

        raise ApprovalMissingError(
            f"destroying {house.env} needs its name repeated",
            remedy=f"lifecycle destroy --env {house.env} --yes {house.env}",
        )
    with house.exclusive():
        house.start()
        done = house.destroy()
    addresses = done.receipt.plan.addresses if done.receipt and done.receipt.plan else ()
    out.result({"destroyed": list(addresses)}, [f"destroyed {len(addresses)} resources"])
    return ExitCode.DONE


def _unlock(args: argparse.Namespace, house: House, out: Output) -> int:
    with house.exclusive():
        house.start()
        released = house.unlock(args.lock_id)
    out.result({"released": released}, [f"released lock {released}" if released else "no lock is held"])
    return ExitCode.DONE
