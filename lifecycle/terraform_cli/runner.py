"""Runs Terraform or OpenTofu. The only importer of python_terraform, which serves as argv builder and nothing else.

What python_terraform 0.10.1 would do itself is overridden (`facts`: it loads the state into memory, sends `-force` to
destroy, passes `synchronous` as a flag, reads all of the environment or nothing, cannot stop a child, and logs values).
Ours adds: an explicit environment, typed events while it runs, deadlines, orderly stops, run records, typed errors.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import orjson
from python_terraform import IsFlagged, Terraform

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.plan import AppliedChanges, StateIdentity, ToolIdentity
from lifecycle.domain.ports import Clock, NewId, TerraformRunner
from lifecycle.foundation.known_secrets import KnownSecrets
from lifecycle.terraform_cli.adoption import Adoption, adoption
from lifecycle.terraform_cli.cli_config import cli_config
from lifecycle.terraform_cli.events import Diagnostic, Message, Observer, parse_diagnostic
from lifecycle.terraform_cli.failures import Failure, StateLockedError, error_of, held_by, stopped, unadoptable
from lifecycle.terraform_cli.listening import Heard, RecordedRun
from lifecycle.terraform_cli.lock_file import lock_file_kept
from lifecycle.terraform_cli.lock_holders import LockHolder
from lifecycle.terraform_cli.locks import StaleLock, stale_lock
from lifecycle.terraform_cli.process import Finished, Limits, memory_file, run
from lifecycle.terraform_cli.run_records import RunRecords, is_alive, this_boot, this_host
from lifecycle.terraform_cli.workplace import RunLimits, Workplace

# It logs command lines, outputs and every variable's value.
logging.getLogger("python_terraform").setLevel(logging.CRITICAL)

MINIMUM_VERSION = (1, 11, 0)
LOCK_FILE = ".terraform.lock.hcl"
_DONE, _CHANGES = 0, 2
_LOCKING = frozenset({"plan", "apply"})
_READ_ONLY = Limits(deadline=timedelta(minutes=5), grace=timedelta(seconds=10))


class ArgvBuilder(Terraform):  # type: ignore[misc]  # python_terraform has no types
    """python_terraform reduced to what it does well: subcommand and options -> argv."""

    def read_state_file(self, file_path: str | None = None) -> None:
        """Nothing: the original loads the local state into memory."""

    def argv(self, command: str, *arguments: str, **options: Any) -> list[str]:
        """The command line.

        Args:
            command: subcommand, e.g. `providers lock`.
            arguments: positional ones.
            options: with `_` for `-`; True and False, text, numbers, lists, `IsFlagged`. A dict is refused: the
                original writes it to a file or, for a backend, to the command line.
        """
        if any(isinstance(value, dict) for value in options.values()):
            raise TypeError("options of Terraform are never dicts: a value could reach the command line or the disk")
        built: list[str] = self.generate_cmd_string(command, *arguments, **options)
        return built

    def cmd(self, cmd: str, *args: str, **kwargs: Any) -> NoReturn:
        """Refused: commands run through `TerraformCli`."""
        raise TypeError(f"{cmd}: python_terraform builds command lines here, it runs nothing")

    destroy = output = cmd

    def __getattr__(self, item: str) -> NoReturn:
        # The original turns any misspelt attribute into a subcommand.
        raise AttributeError(item)


class TerraformCli:
    """One generated root and the program that plans and applies it.

    Args:
        place: where and as whom.
        records: run records of this environment.
        clock: the time, for records.
        new_id: names of runs.
        limits: deadlines.
        observer: called with each event while a command runs.
        stop: asked while a command runs; true interrupts it in order. Ctrl-C does the same.
        lock_holder: reads the state lock as the backend stores it; None when nothing can (the lock of a killed run
            is then reported and not released).

    Raises:
        ConfigurationError: the environment holds a variable that makes Terraform log secrets or take other arguments.
    """

    def __init__(
        self,
        place: Workplace,
        *,
        records: RunRecords,
        clock: Clock,
        new_id: NewId,
        limits: RunLimits | None = None,
        observer: Observer | None = None,
        stop: Callable[[], bool] | None = None,
        lock_holder: LockHolder | None = None,
    ) -> None:
        self._place = place
        self._records = records
        self._clock = clock
        self._new_id = new_id
        self._limits = limits or RunLimits()
        self._observer = observer
        self._stop = stop
        self._lock_holder = lock_holder
        self._builder = ArgvBuilder(terraform_bin_path=place.binary)
        self._secrets = KnownSecrets()
        self._secrets.register(*place.secrets())
        self._identity: ToolIdentity | None = None
        self._environment = place.child_environment()

    # --- what is installed ------------------------------------------------------------------------------------------

    def version(self) -> ToolIdentity:
        """Which binary, asked once. Raises ConfigurationError when it is missing or too old."""
        if self._identity is None:
            document = orjson.loads(self._read("version", json=IsFlagged))
            version = str(document["terraform_version"])
            name = "tofu" if b"OpenTofu" in self._read("version") else "terraform"
            if _number(version) < MINIMUM_VERSION:
                raise ConfigurationError(
                    f"{name} {version} is too old: ephemeral values need 1.11",
                    remedy="Install Terraform or OpenTofu 1.11 or newer, or set LIFECYCLE_TERRAFORM to its path.",
                )
            self._identity = ToolIdentity(name=name, version=version, platform=str(document.get("platform", "")))
        return self._identity

    def init(self, *, update_lock: bool = False) -> None:
        """Prepare the working folder.

        The lock file decides the providers and is not changed when it exists; the first run makes it, for every
        declared platform. Second call: nothing changes.

        Args:
            update_lock: write the lock file anew.
        """
        lock = self._place.folder / LOCK_FILE
        product = self.version().name
        if self._place.platforms and (update_lock or not lock.exists()):
            self.lock_providers()
        options: dict[str, Any] = {"input": False, "reconfigure": IsFlagged}
        if not lock.exists():
            self._stream("init", self._limits.init, **options)
        elif product == "terraform":
            self._stream("init", self._limits.init, lockfile="readonly", **options)
        else:
            with lock_file_kept(lock):
                self._stream("init", self._limits.init, **options)

    def lock_providers(self) -> None:
        """Write the lock file for every declared platform, from the mirror where there is one."""
        self._plain("get", self._limits.init)  # the modules say which providers they need
        options: dict[str, Any] = {"platform": list(self._place.platforms)}
        if self._place.mirror is not None:
            options["fs_mirror"] = str(self._place.mirror.folder)
        self._plain("providers lock", self._limits.init, **options)

    def validate(self) -> tuple[Diagnostic, ...]:
        """Check the configuration without any outside call.

        Returns:
            Its errors and warnings.
        """
        finished, _ = self._execute("validate", _READ_ONLY, {"json": IsFlagged}, (), None)
        try:
            document = orjson.loads(finished.stdout)
        except orjson.JSONDecodeError:
            self._fail("validate", finished, Heard(None))
        return tuple(parse_diagnostic(item) for item in document.get("diagnostics", ()))

    # --- plan and apply ---------------------------------------------------------------------------------------------

    def plan(self, out: Path, *, destroy: bool = False, refresh_only: bool = False) -> bool:
        """Write a saved plan.

        Args:
            out: file; may hold values, so it belongs into a 0700 folder.
            destroy: plan the removal of everything.
            refresh_only: only look for drift.

        Returns:
            Whether it holds changes.
        """
        options: dict[str, Any] = {"out": str(out), "detailed_exitcode": IsFlagged, **self._common()}
        if destroy:
            options["destroy"] = IsFlagged
        if refresh_only:
            options["refresh_only"] = IsFlagged
        finished, _ = self._stream("plan", self._limits.plan, (_DONE, _CHANGES), **options)
        return finished.returncode == _CHANGES

    def show(self, plan: Path) -> bytes:
        """The saved plan as JSON. It may hold values: keep it in memory."""
        return self._read("show", str(plan), json=IsFlagged, no_color=IsFlagged)

    def apply(self, plan: Path) -> AppliedChanges:
        """Apply exactly this saved plan.

        Raises:
            UnsafePlanError: it is stale.
            ApplyStoppedError: it stopped half-way; names done and open addresses.
            StateLockedError: somebody else is at work.
        """
        _, heard = self._stream("apply", self._limits.apply, (_DONE,), str(plan), **self._common())
        self.left_by_killed_runs()
        return AppliedChanges(addresses=tuple(heard.done))

    def left_by_killed_runs(self) -> Adoption:
        """What killed applies made on this machine and the state does not hold. What is settled is forgotten.

        Call it after `init`, and only while holding the environment's own lock on this machine.
        """
        logs = self._records.created
        left = logs.left()
        found = adoption(left, self.state_bytes() if left else b"")
        logs.forget(found.settled)
        return found

    def _common(self) -> dict[str, Any]:
        wait = int(self._limits.lock_wait.total_seconds())
        return {"input": False, "lock_timeout": f"{wait}s", "parallelism": self._place.parallelism}

    # --- state --------------------------------------------------------------------------------------------------------

    def outputs(self) -> Mapping[str, Any]:
        """Root outputs that are not sensitive: name -> value."""
        document = orjson.loads(self._read("output", json=IsFlagged))
        return {name: item["value"] for name, item in document.items() if not item.get("sensitive")}

    def state_bytes(self) -> bytes:
        """The state as stored, for the leak scan; empty when there is none."""
        return self._read("state pull").strip()

    def state_identity(self) -> StateIdentity:
        """Lineage and serial of the state now."""
        state = self.state_bytes()
        if not state:
            return StateIdentity()
        document = orjson.loads(state)
        return StateIdentity(lineage=str(document.get("lineage", "")), serial=int(document.get("serial", 0)))

    def force_unlock(self, lock_id: str) -> None:
        """Release a state lock. Decide with `stale_lock` first."""
        self._plain("force-unlock", _READ_ONLY.deadline, lock_id, force=IsFlagged)

    def release_left_lock(self) -> str:
        """Release the lock that a dead run of ours left behind.

        Returns:
            Its id; empty when no lock is held, or none that can be read.

        Raises:
            BusyError: somebody else holds it, or it is not provably ours.
        """
        lock = self._lock_holder() if self._lock_holder else None
        if lock is None:
            return ""
        remedy = f"wait for them, or: lifecycle unlock --env {self._place.environment_name} {lock.id}"
        self._released(StateLockedError(f"the state is locked: {lock}", remedy=remedy, lock=lock))
        return lock.id

    # --- running ------------------------------------------------------------------------------------------------------

    def _read(self, command: str, *arguments: str, **options: Any) -> bytes:
        """A command that only reads; its output stays in memory."""
        finished, heard = self._execute(command, _READ_ONLY, options, arguments, None)
        if finished.returncode != _DONE:
            self._fail(command, finished, heard)
        return finished.stdout

    def _plain(self, command: str, deadline: timedelta, *arguments: str, **options: Any) -> None:
        """A command without JSON output."""
        limits = Limits(deadline=deadline, grace=self._limits.grace)
        finished, heard = self._execute(command, limits, {**options, "no_color": IsFlagged}, arguments, None)
        if finished.returncode != _DONE:
            self._fail(command, finished, heard)

    def _stream(
        self, command: str, deadline: timedelta, accepted: Sequence[int] = (_DONE,), *arguments: str, **options: Any
    ) -> tuple[Finished, Heard]:
        """A command with an event stream."""
        limits = Limits(deadline=deadline, grace=self._limits.grace)
        options = {**options, "json": IsFlagged}
        for last in (False, True):
            finished, heard = self._execute(command, limits, options, arguments, Heard(self._observer))
            if finished.returncode in accepted and not finished.interrupted and not finished.timed_out:
                if command in _LOCKING:
                    self._forget_dead_runs()
                break
            try:
                self._fail(command, finished, heard)
            except StateLockedError as locked:
                if last or not self._released(locked):
                    raise
        return finished, heard

    def _forget_dead_runs(self) -> None:
        """We held the lock ourselves just now, so what is on record of dead runs can explain no lock any more."""
        for record in self._records.all():
            if record.host == this_host() and not is_alive(record):
                self._records.close(record)

    def _released(self, locked: StateLockedError) -> bool:
        """Release the lock that a dead run of ours left behind; anybody else's is reported."""
        decision = stale_lock(locked.lock, self._records.all(), host=this_host(), boot_id=this_boot(), alive=is_alive)
        if not isinstance(decision, StaleLock):
            raise held_by(locked, decision)
        if self._observer is not None:
            self._observer(Message(text=f"Releasing the lock that killed run {decision.record.run_id} left behind"))
        self.force_unlock(decision.lock.id)
        self._records.close(decision.record)
        return True

    def _execute(
        self,
        command: str,
        limits: Limits,
        options: Mapping[str, Any],
        arguments: Sequence[str],
        heard: Heard | None,
    ) -> tuple[Finished, Heard]:
        argv = self._builder.argv(command, *arguments, **options)
        recorded = RecordedRun(
            records=self._records,
            command=command,
            run_id=self._new_id() if command in _LOCKING else "",
            clock=self._clock,
            lock_holder=self._lock_holder,
            plan_file=arguments[0] if command == "apply" else "",
        )
        with memory_file("terraform.tfrc", cli_config(self._place.mirror)) as config:
            given = self._environment | self._place.added_to(command)
            environment = {**given, "TF_CLI_CONFIG_FILE": f"/proc/self/fd/{config}"}
            finished = run(
                argv,
                cwd=self._place.folder,
                environment=environment,
                limits=limits,
                pass_fds=(config,),
                on_line=None if heard is None else recorded.hearing(heard),
                on_start=recorded.started,
                stop=None if heard is None else self._stop,  # reading is short, and needed after a stop
            )
            recorded.ended(finished, heard)
        return finished, heard or Heard(None)

    def _fail(self, command: str, finished: Finished, heard: Heard) -> NoReturn:
        what = f"{self._place.binary.rpartition('/')[2]} {command} of environment {self._place.environment_name}"
        text = "\n".join([finished.stderr.decode(errors="replace"), *heard.text])
        resume = f"lifecycle {'apply' if command == 'apply' else 'plan'} --env {self._place.environment_name}"
        failure = Failure(
            what=what,
            command=command,
            diagnostics=[self._scrubbed(diagnostic) for diagnostic in heard.diagnostics],
            text=self._secrets.scrub(text),
            resume=resume,
            done=tuple(heard.done),
            started=tuple(heard.started),
            planned=tuple(heard.planned),
            state=self._place.state,
            signal=max(0, -finished.returncode),
        )
        if finished.interrupted or finished.timed_out:
            raise stopped(failure, timed_out=finished.timed_out, killed=finished.killed)
        if gone := unadoptable(failure, self._records.created.left() if command == "plan" else {}):
            self._records.created.forget(gone.addresses)
            raise gone
        raise error_of(failure)

    def _scrubbed(self, diagnostic: Diagnostic) -> Diagnostic:
        return Diagnostic(
            severity=diagnostic.severity,
            summary=self._secrets.scrub(diagnostic.summary),
            detail=self._secrets.scrub(diagnostic.detail),
            address=diagnostic.address,
            file=diagnostic.file,
            line=diagnostic.line,
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("-")[0])[:3])


_: type[TerraformRunner] = TerraformCli
