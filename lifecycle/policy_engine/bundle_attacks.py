"""Attacks on a bundle itself: what somebody would slip into `policies/` together with his change. Each must be refused.

Each is done to a copy. Its digest must move, so that the pin refuses it; and where the bundle should refuse by itself
(a quorum of zero, a waiver that nobody signed), it must do that too, also where somebody pins the copy by mistake.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.domain.errors import LifecycleError
from lifecycle.policy_engine.bundle import bundle_digest, load_bundle
from lifecycle.policy_engine.waiver_signatures import why_unsigned

_WAIVER = """- id: W-SLIPPED-IN
  rule: {rule}
  scope: agents.eu-1
  owner: somebody
  reason: it is only for a week
  ticket: NONE-1
  granted: {granted}
  expires: {granted}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAttack:
    """One attack and what came of it; `problem` is empty when it was refused."""

    because: str
    problem: str


def run_bundle_attacks(folder: Path) -> tuple[BundleAttack, ...]:
    """Try every attack on copies of a bundle.

    Raises:
        ConfigurationError: the bundle itself cannot be read.
    """
    before = bundle_digest(folder)
    return tuple(BundleAttack(because=why, problem=_tried(folder, before, attack)) for why, attack in _ATTACKS)


def _tried(folder: Path, before: str, attack: Callable[[Path], str]) -> str:
    with tempfile.TemporaryDirectory(prefix="lifecycle-attack-") as name:
        copy = Path(name) / "policies"
        shutil.copytree(folder, copy)
        problem = attack(copy)
        return problem or ("the digest of the bundle did not move" if bundle_digest(copy) == before else "")


def _extra_signer(copy: Path) -> str:
    group = copy / "signers" / load_bundle(copy).trust.signers
    group.write_text(f"{group.read_text() if group.is_file() else ''}mallory@attacker.example ssh-ed25519 AAAA\n")
    return ""


def _extra_approver(copy: Path) -> str:
    (copy / "signers" / "attackers").write_text("mallory@attacker.example ssh-ed25519 AAAA\n")
    return ""


def _no_quorum(copy: Path) -> str:
    path = copy / "trust.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("quorum:")]
    path.write_text("\n".join((*kept, "quorum: 0", "")))
    try:
        load_bundle(copy)
    except LifecycleError:
        return ""
    return "a quorum of zero was accepted"


def _waiver(copy: Path) -> str:
    path = copy / "waivers.yaml"
    rule = next(iter(sorted(load_bundle(copy).catalogue)))
    path.write_text((path.read_text() if path.is_file() else "") + _WAIVER.format(rule=rule, granted="2026-11-24"))
    bundle = load_bundle(copy)
    slipped = next(item for item in bundle.waivers if item.id == "W-SLIPPED-IN")
    return "" if why_unsigned(slipped, copy, bundle.trust, None) else "a waiver that nobody signed counted"


def _weaker_rules(copy: Path) -> str:
    path = next(iter(sorted((copy / "rules").glob("*.yaml"))))
    path.write_text(path.read_text().replace("severity: error", "severity: note"))
    return ""


def _edited_table(copy: Path) -> str:
    path = next(iter(sorted((copy / "data").glob("*.json"))))
    path.write_text(path.read_text().replace('"as_of"', '"as_of" '))
    return ""


def _other_people(copy: Path) -> str:
    path = copy / "people.yaml"
    path.write_text("- {person: Nobody, principals: [mallory@attacker.example], emails: [nobody@attacker.example]}\n")
    return ""


_ATTACKS: tuple[tuple[str, Callable[[Path], str]], ...] = (
    ("one more signer could hand over to any bundle he likes", _extra_signer),
    ("a new group of approvers approves what its founder wants", _extra_approver),
    ("with a quorum of zero nobody has to sign the next bundle", _no_quorum),
    ("a waiver slipped in would let its author's own finding pass", _waiver),
    ("a rule that only notes blocks nothing", _weaker_rules),
    ("a table edited by one character is another table", _edited_table),
    ("an author under a second name could approve himself", _other_people),
)
