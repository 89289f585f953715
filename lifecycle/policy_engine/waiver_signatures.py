"""Which waivers of a bundle count: those that somebody of the risk group signed, and nobody who approves changes.

    policies/signatures/waivers/ID.sig     over `statement(waiver)`, namespace lifecycle-waiver

Signatures lie outside the bundle's digest, as those over the digest itself do; what they sign lies inside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lifecycle.domain.audit import canonical
from lifecycle.domain.errors import LifecycleError
from lifecycle.domain.trust import WAIVER_NAMESPACE, TrustRoot
from lifecycle.policy_engine.waivers import Waiver

# Who signed these bytes, by an allowed-signers file; raises a LifecycleError when nobody who may.
Witness = Callable[[bytes, str, Path], str]


def statement(waiver: Waiver) -> bytes:
    """What is signed: canonical JSON of the whole waiver, so that no field of it can be changed afterwards."""
    return canonical({"kind": WAIVER_NAMESPACE, **waiver.model_dump(mode="json")})


def signature_path(folder: Path, waiver: str) -> Path:
    """Where the signature of a waiver lies in a bundle."""
    return folder / "signatures" / "waivers" / f"{waiver}.sig"


def why_unsigned(waiver: Waiver, folder: Path, trust: TrustRoot, witness: Witness | None) -> str:
    """Why a waiver does not count; empty when it does.

    Args:
        waiver: of the bundle.
        folder: the bundle.
        trust: its trust root.
        witness: checks signatures; None where nobody can, and then no waiver counts.
    """
    path = signature_path(folder, waiver.id)
    if witness is None or not path.is_file():
        return f"is signed by nobody of {trust.waivers}"
    try:
        signer = witness(statement(waiver), path.read_text(), folder / "signers" / trust.waivers)
    except (LifecycleError, OSError, UnicodeDecodeError):
        return f"is signed by nobody of {trust.waivers}, or was changed since"
    group = _approves(signer, folder, trust)
    return f"is signed by {signer}, who also approves changes ({group})" if group else ""


def _approves(signer: str, folder: Path, trust: TrustRoot) -> str:
    """The group in which a signer of waivers may also approve changes; empty when none."""
    apart = {trust.waivers, trust.signers, "committers", "revoked"}
    for path in sorted((folder / "signers").iterdir()):
        lines = path.read_text(encoding="utf-8").splitlines() if path.name not in apart else []
        names = {
            name.lower() for line in lines if line.strip()[:1] not in ("", "#") for name in line.split()[0].split(",")
        }
        if signer.lower() in names:
            return path.name
    return ""
