"""An emergency approved with real SSH signatures over the file that people read, and told apart in the audit log."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lifecycle.domain.errors import ApprovalMissingError, ExitCode, UnsafePlanError
from lifecycle.journals.approvals_file import FileApprovals
from lifecycle.journals.ssh_signature import SshSigner, SshVerifier
from lifecycle.operations.approve_plan import ApproveContext, approve_plan
from lifecycle.operations.break_glass import EmergencyDesk, carry_out
from tests.unit.operations.test_break_glass import REASON, SCOPE, Emergency, stop

_PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class SignedEmergency(Emergency):
    """As there, with approvals that `ssh-keygen` verifies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "break-glass")
        self._keys, lines = folder, []
        for name in ("ann", "bea", "cyd"):
            key = folder / name
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
            subprocess.run(argv, check=True, capture_output=True)
            kind, public, *_ = key.with_suffix(".pub").read_text().split()
            lines.append(f'{name}@acme.example namespaces="lifecycle-review" {kind} {public}\n')
        signers = folder / "signers"
        signers.write_text("".join(lines))
        verifier = SshVerifier(allowed_signers=signers, environment=_PATH)
        self.files = FileApprovals(folder / "approvals", verifier=verifier, clock=lambda: self.now)

    def desk(self, actor: str = "ann@build-1") -> EmergencyDesk:
        return EmergencyDesk(
            environment="prod",
            folder=self.folder,
            place="plans/break-glass",
            approvals=self.files,
            audit=self.audit,
            actor=actor,
            clock=lambda: self.now,
            basis=super().desk(actor).basis,
        )

    def approve(self, name: str) -> None:
        """`lifecycle approve DIR --key KEY`."""
        approve_plan(
            ApproveContext(
                folder=self.folder,
                sign=SshSigner(key=self._keys / name, environment=_PATH).sign,
                store=self.files,
                audit=self.audit,
                actor=f"{name}@laptop",
                clock=lambda: self.now,
            )
        )


@pytest.fixture
def emergency(tmp_path: Path) -> SignedEmergency:
    return SignedEmergency(tmp_path)


def test_two_signatures_beside_whoever_acts_open_the_glass_and_stand_in_the_log(emergency: SignedEmergency) -> None:
    before = emergency.mints()
    found, left = emergency.ask()
    for name in ("ann", "bea"):
        emergency.approve(name)
        with pytest.raises(ApprovalMissingError, match="needs 2 people beside ann@build-1"):
            carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    assert emergency.mints() == before
    emergency.approve("cyd")
    run = carry_out(emergency.desk(), found, left, wait=True, stop=stop)
    assert run.exit_code(detailed=True) is ExitCode.DONE, run.lines()
    assert emergency.mints() == {name: count + 1 for name, count in before.items()}
    told = [event for event in emergency.audit.read() if event.action.startswith("credentials.break_glass")]
    assert [event.action.removeprefix("credentials.break_glass") for event in told] == [".approve"] * 3 + ["", ""]
    assert told[0].detail == {
        "approver": "ann@acme.example",
        "method": told[0].detail["method"],
        "scope": SCOPE,
        "reason": REASON,
    }
    assert told[-1].detail["approvers"] == "bea@acme.example, cyd@acme.example"
    assert {event.digest for event in told} == {found.review.effect_digest}


def test_edited_request_is_signed_by_nobody_and_made_anew(emergency: SignedEmergency) -> None:
    emergency.ask()
    path = emergency.folder.plan_file.with_name("review.json")
    path.write_text(path.read_text().replace("app, db, root", "app"))
    with pytest.raises(UnsafePlanError, match="edited"):
        emergency.approve("bea")
    found, left = emergency.ask()
    assert len(left) == 3 and emergency.files.verified(found.review.effect_digest) == ()


def test_lapsed_request_names_the_command_that_asks_again(emergency: SignedEmergency) -> None:
    emergency.ask()
    for house in emergency.houses.values():
        house.world.now = datetime(2099, 1, 1, tzinfo=UTC)
    with pytest.raises(UnsafePlanError) as refused:
        emergency.approve("bea")
    assert "rotate all --break-glass" in refused.value.remedy
