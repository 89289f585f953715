"""Wires plan and apply: the runner, the gate, the digests and the target of one environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle import __version__
from lifecycle.bootstrap.digests import provider_digest
from lifecycle.bootstrap.gate import pinned_gate
from lifecycle.bootstrap.in_flight import made_in_flight
from lifecycle.bootstrap.live_state import credential_versions, live_versions, restored_secrets
from lifecycle.bootstrap.policy_files import policy_documents
from lifecycle.bootstrap.progress import TerraformProgress
from lifecycle.bootstrap.surroundings import Surroundings, new_id, utc_now
from lifecycle.domain.audit import digest_bytes
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.plan import Target
from lifecycle.domain.ports import RotationJournal

if TYPE_CHECKING:
    from lifecycle.domain.policy import Finding
    from lifecycle.journals.plan_store import PlanFolderFiles
    from lifecycle.journals.receipt_files import ReceiptFiles
    from lifecycle.operations.plan_infrastructure import PlanContext
    from lifecycle.terraform_cli.cli_config import ProviderMirror
    from lifecycle.terraform_cli.runner import TerraformCli

PROVIDER_VERSION = "5.100.0"
LOCK_FILE = ".terraform.lock.hcl"
_ORPHAN_GRACE = timedelta(minutes=1)
_MIRROR_ROOTS = ("/usr/local/share/terraform", "/usr/share/terraform", "/usr/local", "/opt")


class Infrastructure:
    """Terraform of one environment.

    Args:
        around: settings, spec, sandbox.
        journal: tells which credentials are live.
        live: shows a line that changes in place.
    """

    def __init__(
        self, around: Surroundings, journal: Callable[[], RotationJournal], progress: TerraformProgress
    ) -> None:
        self._around = around
        self._journal = journal
        self.progress = progress

    @cached_property
    def receipts(self) -> ReceiptFiles:
        """Receipts of this environment."""
        from lifecycle.journals.receipt_files import ReceiptFiles

        return ReceiptFiles(self._around.paths.receipts)

    def folder(self, path: Path | None) -> PlanFolderFiles:
        """A reviewed-plan folder; the environment's own when none is named."""
        from lifecycle.journals.plan_store import PlanFolderFiles

        return PlanFolderFiles(path or self._around.paths.plans / "current")

    @cached_property
    def runner(self) -> TerraformCli:
        """Terraform or OpenTofu in the generated root. Made under the environment's lock only.

        What an orchestrator that was killed left running is ended first: under the lock, nobody else can own it.
        """
        from lifecycle.bootstrap.terraform_place import find_binary, terraform_environment
        from lifecycle.terraform_cli.lock_holders import lock_object_key, stored_lock
        from lifecycle.terraform_cli.run_records import RunRecords
        from lifecycle.terraform_cli.runner import TerraformCli
        from lifecycle.terraform_cli.workplace import Workplace

        around, spec = self._around, self._around.spec
        place = Workplace(
            folder=around.paths.generated,
            environment_name=spec.environment,
            binary=find_binary(around.settings.terraform),
            environment=terraform_environment(around),
            data_dir=around.paths.terraform_work,
            mirror=self.mirror,
            platforms=spec.terraform.platforms,
            parallelism=spec.terraform.parallelism,
            plan_variables=self._versions,
            state=_state_in_words(around),
        )
        key = lock_object_key(spec.backend)
        records = RunRecords(around.paths.state / "runs")
        for ended in records.end_orphans(grace=_ORPHAN_GRACE):
            around.note(f"ended Terraform {ended.command} (process {ended.pid}), which a killed run left behind")
        return TerraformCli(
            place,
            records=records,
            clock=utc_now,
            new_id=new_id,
            observer=self.progress.hear,
            lock_holder=stored_lock(lambda: self._lock_object(key)) if key else None,
        )

    def _versions(self) -> Mapping[str, str]:
        """Every credential of the spec, also one that has no value yet: a module may count on its key."""
        from lifecycle.terraform_cli.render import VERSIONS

        known = credential_versions(self._journal())
        return {VERSIONS: json.dumps({name: known.get(name, 0) for name in sorted(self._around.spec.credentials)})}

    @cached_property
    def mirror(self) -> ProviderMirror | None:
        """An unpacked provider mirror: the configured one, else one found in the usual places, else none."""
        from lifecycle.terraform_cli.cli_config import ProviderMirror, find_mirror

        configured = self._around.settings.provider_mirror
        if configured:
            return ProviderMirror(folder=Path(configured), only=True)
        roots = [Path.home() / ".terraform.d", *map(Path, _MIRROR_ROOTS)]
        return find_mirror(roots, version=PROVIDER_VERSION)

    def generated(
        self, *, restored: Mapping[str, str] | None = None, adopted: Mapping[str, str] | None = None
    ) -> Mapping[str, bytes]:
        """The generated root: file name -> content.

        Args:
            restored: secrets to import that were scheduled for deletion.
            adopted: objects to import that a killed run made.
        """
        from lifecycle.renderers import render_agent_config, render_allowlist
        from lifecycle.terraform_cli.render import Renderings, render

        spec = self._around.spec
        today = utc_now().date()
        renderings = Renderings(
            agent_config=render_agent_config,
            allowlist=lambda spec_, entry: render_allowlist(spec_, entry, today),
        )
        return render(
            spec, modules_path="../../modules", renderings=renderings, restored=restored or {}, adopted=adopted or {}
        )

    def write_root(self) -> None:
        """Write the generated root, with `import` blocks for what exists already without Terraform's knowledge."""
        restored = restored_secrets(self._around)
        self._write(self.generated(restored=restored))
        if adopted := self._left_by_killed_runs():
            self._around.step("resume", f"adopting {len(adopted)} objects that a killed run made: {', '.join(adopted)}")
            self._write(self.generated(restored=restored, adopted=adopted))

    def settle_root(self) -> None:
        """Write the root without `import` blocks, as these have done their work; the spec alone gives it again."""
        self._write(self.generated())

    def _left_by_killed_runs(self) -> Mapping[str, str]:
        """Objects to adopt: address -> import id. Most of the time nothing was left, and nothing is asked."""
        from lifecycle.domain.errors import LifecycleError
        from lifecycle.domain.plan import Action
        from lifecycle.terraform_cli.addresses import entry_of
        from lifecycle.terraform_cli.created_log import Created
        from lifecycle.terraform_cli.plan_reader import read_plan
        from lifecycle.terraform_cli.run_records import RunRecords

        records = RunRecords(self._around.paths.state / "runs")
        if not records.created.left() or self.static_check():  # the caller refuses foreign code
            return {}
        self.runner.init()
        found = self.runner.left_by_killed_runs()
        for address, newer in found.replaced.items():
            self._around.note(f"a killed run replaced {address} with {newer}, which the state does not know: delete it")
        declared = {f"{section}.{entry.name}" for section, entry in self._around.spec.entries()}
        stray = {address: id for address, id in found.adopted.items() if entry_of(address) not in declared}
        for address, id in stray.items():
            self._around.note(f"a killed run made {address} ({id}), which is declared no longer: delete it by hand")
        records.created.forget({a for a in records.created.left() if entry_of(a) not in declared} | {*found.replaced})
        planned: dict[str, Mapping[str, Any]] = {}
        for plan in sorted(found.plans):
            with suppress(LifecycleError):  # without the plan file, "exists already" is what the next apply may say
                changes = read_plan(self.runner.show(Path(plan))).changes
                planned |= {change.address: change.after for change in changes if change.action is Action.CREATE}
        unknown = {a: after for a, after in planned.items() if a not in {*found.adopted, *found.held}}
        in_flight = made_in_flight(self._around.aws.reader, unknown)
        for address, id in in_flight.items():  # the plan that is made now takes the place of the one that told us
            records.created.note(new_id(), Created(address=address, id=id))
        return {address: id for address, id in {**found.adopted, **in_flight}.items() if entry_of(address) in declared}

    def _write(self, files: Mapping[str, bytes]) -> None:
        """Write changed files only."""
        from lifecycle.foundation.atomic_file import replace_file

        folder = self._around.paths.generated
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            if not path.is_file() or path.read_bytes() != content:
                replace_file(path, content, mode=0o644)

    def stale(self) -> list[str]:
        """Generated files that are not what the spec gives."""
        folder = self._around.paths.generated
        wanted = self.generated()
        current = {name: (folder / name).read_bytes() for name in wanted if (folder / name).is_file()}
        return [name for name, data in wanted.items() if current.get(name) != data]

    def plan_context(self, folder: PlanFolderFiles) -> PlanContext:
        """What planning works with."""
        from lifecycle.operations.plan_infrastructure import PlanContext
        from lifecycle.terraform_cli.addresses import source_map
        from lifecycle.terraform_cli.plan_reader import read_plan

        around = self._around
        latest = self.receipts.latest()
        return PlanContext(
            spec=around.spec,
            runner=self.runner,
            decode=read_plan,
            gate=pinned_gate(around),
            folder=folder,
            write_root=self.write_root,
            static_check=self.static_check,
            read_target=self.read_target,
            read_digests=self.read_digests,
            tool_version=__version__,
            clock=utc_now,
            observe=self.progress.say,
            source_map=source_map(around.spec),
            live_versions=live_versions(self._journal(), latest.entries if latest else ()),
            previous_entries=latest.entries if latest else {},
            previous_grants=latest.grants if latest else None,
            previous_digests=latest.digests if latest and around.sandbox is None else {},
            documents=policy_documents(around),
        )

    def static_check(self) -> tuple[Finding, ...]:
        """What in root and modules would run foreign code."""
        from lifecycle.terraform_cli.static_check import static_check

        return static_check(self._around.paths.generated, self._around.paths.modules)

    def read_target(self) -> Target:
        """Account, region, endpoint, backend, lineage and serial, read now."""
        from lifecycle.clients.aws import aws_errors

        around, spec = self._around, self._around.spec
        if spec.aws is None:
            raise ConfigurationError("the spec names no AWS account", remedy="set aws.account_id and aws.region")
        with aws_errors(f"asking AWS {around.aws_in_words} who we are"):
            account = str(around.aws.reader("sts").get_caller_identity()["Account"])
        identity = self.runner.state_identity()
        backend = spec.backend.settings.model_dump_json(exclude_none=True)
        return Target(
            environment=spec.environment,
            account_id=account,
            region=spec.aws.region,
            endpoint=around.aws.connection.endpoint,
            backend=f"{spec.backend.kind} {backend}",
            lineage=identity.lineage,
            serial=identity.serial,
            sandbox_instance=around.sandbox.instance_id if around.sandbox else "",
        )

    def read_digests(self) -> Mapping[str, str]:
        """The named digests, computed from disk now."""
        from lifecycle.documents.digest import spec_digest
        from lifecycle.foundation.tree_digest import file_digest, tree_digest
        from lifecycle.policy_engine.bundle import bundle_digest

        paths = self._around.paths
        lock = paths.generated / LOCK_FILE
        return {
            "spec": spec_digest(paths.environment, root=paths.root),
            "generated": tree_digest(paths.generated, skip=lambda path: path.name.startswith(".")),
            "modules": tree_digest(paths.modules),
            "lock": file_digest(lock) if lock.exists() else digest_bytes(b""),
            "provider": provider_digest(paths.terraform_work, cache=paths.state / "provider-digest.json"),
            "policy_bundle": bundle_digest(paths.policies),
        }

    def _lock_object(self, key: str) -> bytes | None:
        from lifecycle.clients.aws import aws_errors, error_code

        with aws_errors("reading the state lock"):
            try:
                bucket = self._around.spec.backend.settings.bucket
                body: bytes = self._around.aws.reader("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
                return body
            except Exception as error:
                if error_code(error) in ("NoSuchKey", "404"):  # type: ignore[arg-type]  # only boto3 errors get here
                    return None
                raise


def _state_in_words(around: Surroundings) -> str:
    """Where the state is and, in AWS, at which endpoint and as whom it is asked for."""
    from lifecycle.terraform_cli.backends import backend_identity

    backend = around.spec.backend
    where = backend_identity(backend)
    # The backend uses the login itself: only the provider assumes the role of the spec.
    return f"{where} at {around.aws_place} as {around.aws_login}" if backend.kind == "s3" else where
