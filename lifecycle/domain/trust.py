"""The trust root: which bundle of rules may judge, and how one bundle hands over to the next. Pure.

A bundle names its predecessor by digest and says how many of its own signers a successor needs. So whoever holds the
digest of one bundle can check every later one, and nobody who merely proposes a change can bring his own judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from lifecycle.domain.audit import canonical
from lifecycle.domain.errors import PolicyError

BUNDLE_NAMESPACE = "lifecycle-bundle"
WAIVER_NAMESPACE = "lifecycle-waiver"
Group = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class TrustRoot(BaseModel):
    """`trust.yaml` of a bundle.

    Attributes:
        version: of the bundle; each successor has a higher one.
        previous: digest of the bundle that it follows; empty for the first.
        signers: group whose members sign a successor.
        quorum: how many different members have to.
        waivers: group whose members sign waivers; nobody of it may approve changes.
        never_waived: rules that cannot be waived, beside those that say that the gate itself is being got round.
        signed_commits: whether a commit without a signature by a known person keeps a change from being applied.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1)
    previous: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    signers: Group
    quorum: int = Field(ge=1)
    waivers: Group
    never_waived: tuple[Annotated[str, Field(pattern=r"^LC-[A-Z]+-\d{3}$")], ...] = ()
    signed_commits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBundle:
    """A bundle by its digest and what it says about itself."""

    digest: str
    trust: TrustRoot

    def statement(self) -> bytes:
        """What its signers sign: canonical JSON that names content, number and predecessor."""
        head = {"bundle": self.digest, "version": self.trust.version, "previous": self.trust.previous}
        return canonical({"kind": BUNDLE_NAMESPACE, **head})


def refuse_succession(old: NamedBundle, new: NamedBundle, signers: frozenset[str]) -> None:
    """Check that one bundle may follow another.

    Args:
        old: the one in force.
        new: the proposed one.
        signers: who signed the statement of the new one, by the signers of the OLD bundle.

    Raises:
        PolicyError: it follows another bundle, is not newer, or too few of the old bundle's signers signed it.
    """
    if new.trust.previous != old.digest:
        raise PolicyError(
            f"the bundle {new.digest} follows {new.trust.previous or 'none'}, but {old.digest} is in force",
            remedy="run `lifecycle policy bundle build` on top of the bundle in force, and have it signed again",
        )
    if new.trust.version <= old.trust.version:
        raise PolicyError(
            f"the bundle {new.digest} has version {new.trust.version}, the one in force {old.trust.version}",
            remedy="run `lifecycle policy bundle build`, which counts it up, and have it signed again",
        )
    if len(signers) < old.trust.quorum:
        named = ", ".join(sorted(signers)) or "nobody"
        raise PolicyError(
            f"the bundle {new.digest} needs {old.trust.quorum} signatures by {old.trust.signers} of the bundle in"
            f" force, it has: {named}",
            remedy="have it signed with `lifecycle policy bundle build --key KEY`; signers that it adds do not count",
        )


JUDGED = ("spec", "policy_bundle")


def judged(digests: Mapping[str, str]) -> dict[str, str]:
    """The digests of what is judged and of what judges it, of all that a manifest names."""
    return {name: digests[name] for name in JUDGED if name in digests}


def refuse_together(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse a change of rules and of what they judge at once, since each could hide behind the other.

    Args:
        before: digests `spec` and `policy_bundle` of what was applied last; empty when nothing was.
        now: the same of what is to be applied.

    Raises:
        PolicyError: both moved.
    """
    moved = [name for name in JUDGED if before.get(name) and before[name] != now.get(name)]
    if len(moved) == len(JUDGED):
        told = "; ".join(f"{name} {before[name]} -> {now.get(name)}" for name in moved)
        raise PolicyError(
            f"spec and policy bundle changed since the last apply: {told}",
            remedy="apply the spec that was applied last under the new bundle first, then the new spec",
        )
