"""Where things are: in the repository, and in the user's state directory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Folders of one environment of one checkout.

    Attributes:
        root: the repository.
        env: name of the environment.
        state_home: the user's state directory for this tool.
    """

    root: Path
    env: str
    state_home: Path

    @property
    def environment(self) -> Path:
        """The spec folder."""
        return self.root / "environments" / self.env

    @property
    def generated(self) -> Path:
        """The generated Terraform root; committed."""
        return self.root / "terraform" / "environments" / self.env

    @property
    def modules(self) -> Path:
        """The static modules."""
        return self.root / "terraform" / "modules"

    @property
    def policies(self) -> Path:
        """The policy bundle."""
        return self.root / "policies"

    @property
    def state(self) -> Path:
        """Everything this user keeps for this environment of this checkout; mode 0700."""
        checkout = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]
        return self.state_home / f"{self.root.resolve().name}-{checkout}" / self.env

    @property
    def run_lock(self) -> Path:
        """Held while a run may change something; beside the folder, which a sandbox may rename."""
        return self.state.with_name(f".{self.env}.run.lock")

    @property
    def journal(self) -> Path:
        """The SQLite journal, where the environment uses one."""
        return self.state / "journal.sqlite3"

    @property
    def seen_heads(self) -> Path:
        """What this machine has seen of a journal that lies elsewhere."""
        return self.state / "journal-seen"

    @property
    def verifications(self) -> Path:
        """How the connectors' results turned."""
        return self.state / "verifications.jsonl"

    @property
    def attempts(self) -> Path:
        """What was refused when, so that checks lock no account."""
        return self.state / "verification-attempts.json"

    @property
    def audit(self) -> Path:
        """The audit log."""
        return self.state / "audit.jsonl"

    @property
    def plans(self) -> Path:
        """Reviewed-plan folders."""
        return self.state / "plans"

    @property
    def receipts(self) -> Path:
        """Receipts of applies."""
        return self.state / "receipts"

    @property
    def terraform_work(self) -> Path:
        """Terraform's data directory, CLI configuration and run record."""
        return self.state / "terraform"

    @property
    def delivered(self) -> Path:
        """What relative paths of the `file` destination are relative to."""
        return self.state / "delivered"
