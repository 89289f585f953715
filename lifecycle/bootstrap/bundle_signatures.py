"""Who signed the policy bundle that lies in `policies/`, as far as its own list of signers tells."""

from __future__ import annotations

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ApprovalMissingError, LifecycleError
from lifecycle.domain.trust import BUNDLE_NAMESPACE

Row = tuple[str, ...]


def bundle_signatures(around: Surroundings) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Signer, bundle, version and predecessor of each signature that counts; and what could not be shown.

    A signature counts when it is over exactly this bundle, by a key that this bundle lists and that is not revoked.
    Whether the signers of the bundle BEFORE agreed is what `lifecycle policy bundle verify --against REF` says.
    """
    from lifecycle.journals.ssh_signature import SshVerifier
    from lifecycle.policy_engine.bundle import named_bundle
    from lifecycle.settings import agent_environment

    folder = around.paths.policies
    try:
        bundle = named_bundle(folder)
    except LifecycleError as error:
        return (), (f"who signed the bundle: {error.message}",)
    revoked = folder / "signers" / "revoked"
    verifier = SshVerifier(
        allowed_signers=folder / "signers" / bundle.trust.signers,
        environment=agent_environment(),
        revoked=revoked if revoked.is_file() else None,
        namespace=BUNDLE_NAMESPACE,
    )
    found: set[str] = set()
    unknown = 0
    for path in sorted((folder / "signatures").glob("*.sig")):
        try:
            found.add(verifier.principal(bundle.statement(), path.read_text(), utc_now()))
        except (ApprovalMissingError, UnicodeDecodeError):
            unknown += 1
    head = (bundle.digest, str(bundle.trust.version), bundle.trust.previous or "none")
    gaps = [] if found else ["who signed the bundle: no signature over it lies in policies/signatures"]
    if unknown:
        gaps.append(f"{unknown} signatures that do not count: by no listed key, or over another bundle")
    return tuple((name, *head) for name in sorted(found)), tuple(gaps)
