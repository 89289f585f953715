"""The policy gate over the pinned bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

    from lifecycle.domain.policy import RuleCard
    from lifecycle.domain.ports import PolicyEngine
    from lifecycle.policy_engine.waiver_signatures import Witness


def gate(around: Surroundings) -> PolicyEngine:
    """The engine over the repository's bundle, pinned or not: for checks that apply nothing."""
    from lifecycle.clients.opa import Opa
    from lifecycle.policy_engine.rego_rules import RegoPolicyEngine
    from lifecycle.policy_engine.typed import TypedPolicyEngine
    from lifecycle.settings import child_environment

    folder = around.paths.policies
    program = Opa(around.settings.policy_opa or "opa", environment=child_environment(with_aws=False))
    typed = TypedPolicyEngine(folder, clock=utc_now, witness=waiver_witness(folder))
    return RegoPolicyEngine(folder, program=program, clock=utc_now, typed=typed)


def waiver_witness(policies: Path) -> Witness:
    """Checks the signatures of waivers with ssh-keygen, now, against the keys that the bundle has not revoked."""
    from lifecycle.domain.trust import WAIVER_NAMESPACE
    from lifecycle.journals.ssh_signature import SshVerifier
    from lifecycle.settings import agent_environment

    revoked = policies / "signers" / "revoked"

    def witness(data: bytes, signature: str, signers: Path) -> str:
        verifier = SshVerifier(
            allowed_signers=signers,
            environment=agent_environment(),
            revoked=revoked if revoked.is_file() else None,
            namespace=WAIVER_NAMESPACE,
        )
        return verifier.principal(data, signature, utc_now())

    return witness


def pinned_gate(around: Surroundings) -> PolicyEngine:
    """The engine over the bundle whose digest is pinned; a sandbox pins the one that it finds first.

    Raises:
        PolicyError: nothing is pinned, or the folder is not what is pinned.
    """
    from lifecycle.bootstrap.policy_pin import pin_in_sandbox, pinned_digest
    from lifecycle.policy_engine.bundle import bundle_digest

    found, pinned = bundle_digest(around.paths.policies), pinned_digest(around)
    if not pinned and around.sandbox is not None:
        pin_in_sandbox(around, found)
    elif not pinned:
        raise PolicyError(
            "no policy bundle is pinned, so the change under review could bring its own rules",
            remedy=f"set LIFECYCLE_POLICY_DIGEST={found} where this identity can read but not write (a line in"
            " lifecycle.toml does not count: it is under review too)",
        )
    elif found != pinned:
        raise PolicyError(
            f"policies/ is {found}, but {pinned} is pinned",
            remedy="check out the pinned bundle; a new one is checked with `lifecycle policy bundle verify` and then"
            f" pinned{' with `lifecycle policy bundle pin`' if around.sandbox else ''}, in a change of its own",
        )
    return gate(around)


def explain_rules(around: Surroundings, rule: str) -> list[Mapping[str, Any]]:
    """What rules mean, from the catalogue: one in full, or all with a line each.

    Raises:
        ConfigurationError: no such rule.
    """
    from lifecycle.policy_engine.bundle import load_bundle

    catalogue = load_bundle(around.paths.policies).catalogue
    if not rule:
        return [
            {"id": item.id, "title": item.title, "lines": [f"{item.id}  {item.severity:<7}  {item.title}"]}
            for _, item in sorted(catalogue.items())
        ]
    item = catalogue.get(rule)
    if item is None:
        raise ConfigurationError(f"there is no rule {rule!r}", remedy="`lifecycle policy explain` lists them")
    lines = [f"{item.id}  {item.severity}: {item.title}", f"why      {item.why}", f"remedy   {item.remedy}"]
    lines += [f"answers  {', '.join(item.controls)}"] if item.controls else []
    return [{**item.model_dump(mode="json"), "lines": lines}]


def rule_cards(around: Surroundings) -> tuple[RuleCard, ...]:
    """Every rule as reports show it; none when the bundle cannot be read (the verdict says so)."""
    from lifecycle.policy_engine.bundle import load_bundle

    try:
        catalogue = load_bundle(around.paths.policies).catalogue
    except ConfigurationError:
        return ()
    return tuple(item.card() for _, item in sorted(catalogue.items()))
