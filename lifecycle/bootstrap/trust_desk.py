"""What `lifecycle policy bundle …` may ask for: hand over from one policy bundle to the next, and check that.

    policies/trust.yaml                 version, predecessor, who signs, how many
    policies/signatures/statement.json  what is signed: digest, version and predecessor of the bundle
    policies/signatures/PERSON.sig      one signature each, namespace lifecycle-bundle

Anybody can check a signature without this tool:

    ssh-keygen -Y verify -f OLD/signers/bundle-owners -I PERSON -n lifecycle-bundle \
        -s policies/signatures/PERSON.sig < policies/signatures/statement.json
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.bootstrap.policy_pin import pin_in_sandbox, pinned_digest
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError, PolicyError
from lifecycle.domain.trust import BUNDLE_NAMESPACE, WAIVER_NAMESPACE, NamedBundle, refuse_succession

_STATEMENT = "statement.json"


class TrustDesk:
    """The trust root of one repository.

    Args:
        around: settings and paths.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._folder = around.paths.policies
        self._signatures = around.paths.policies / "signatures"

    def build(self, *, against: str, key: Path | None) -> list[str]:
        """Make policies/ the successor of the bundle at a git reference, write its statement, and sign it.

        A statement that is right already is left alone, so that every signer runs the same command.

        Raises:
            ConfigurationError: there is no such commit or bundle, or the key cannot be used.
        """
        from lifecycle.foundation.atomic_file import replace_file
        from lifecycle.policy_engine.bundle import named_bundle

        with self._bundle_at(against) as old:
            before = named_bundle(old)
        bundle = named_bundle(self._folder)
        if bundle.digest != before.digest:
            self._follow(before, bundle)
        bundle = named_bundle(self._folder)
        self._signatures.mkdir(exist_ok=True)
        statement = self._signatures / _STATEMENT
        if not statement.is_file() or statement.read_bytes() != bundle.statement():
            for stale in self._signatures.glob("*.sig"):
                stale.unlink()
            replace_file(statement, bundle.statement(), mode=0o644)
        lines = [
            f"bundle {bundle.digest}",
            f"version {bundle.trust.version}, follows {bundle.trust.previous or 'none'}",
        ]
        return [*lines, self._sign(statement, key)] if key else lines

    def verify(self, *, against: str) -> list[str]:
        """Check that policies/ may follow the bundle at a git reference, or in a folder.

        Raises:
            PolicyError: the old bundle is not the pinned one, or the new one may not follow it.
            ConfigurationError: a bundle cannot be read.
        """
        from lifecycle.policy_engine.bundle import load_bundle, named_bundle

        with self._bundle_at(against) as old:
            before = named_bundle(old)
            pinned = pinned_digest(self._around)
            if pinned and before.digest != pinned:
                raise PolicyError(
                    f"the bundle at {against} is {before.digest}, but {pinned} is pinned",
                    remedy="name the commit of the pinned bundle: --against REF",
                )
            load_bundle(self._folder)  # a bundle that cannot judge is no successor
            bundle = named_bundle(self._folder)
            if bundle.digest == before.digest:
                return [f"policies/ is the bundle at {against}: {bundle.digest}"]
            signers = self._signers(old, before, bundle)
        refuse_succession(before, bundle, signers)
        return [
            f"bundle {bundle.digest} may follow {before.digest}",
            f"version {bundle.trust.version}, signed by {', '.join(sorted(signers))}",
            "pin this digest where the apply identity cannot write, then apply it in a change of its own",
        ]

    def waive(self, waiver: str, key: Path) -> list[str]:
        """Sign one waiver of the bundle, as somebody of its risk group; refuses a signature that would not count.

        Raises:
            ConfigurationError: there is no such waiver, or the key cannot be used.
            PolicyError: the signature would not count.
        """
        from lifecycle.bootstrap.gate import waiver_witness
        from lifecycle.foundation.atomic_file import replace_file
        from lifecycle.journals.ssh_signature import SshSigner
        from lifecycle.policy_engine.bundle import load_bundle
        from lifecycle.policy_engine.waiver_signatures import signature_path, statement, why_unsigned
        from lifecycle.settings import agent_environment

        bundle = load_bundle(self._folder)
        found = next((item for item in bundle.waivers if item.id == waiver), None)
        if found is None:
            known = ", ".join(item.id for item in bundle.waivers) or "none"
            raise ConfigurationError(f"waivers.yaml has no waiver {waiver!r}", remedy=f"known are: {known}")
        path = signature_path(self._folder, waiver)
        path.parent.mkdir(parents=True, exist_ok=True)
        signer = SshSigner(key=key, environment=agent_environment(), namespace=WAIVER_NAMESPACE)
        replace_file(path, signer.sign(statement(found)).encode(), mode=0o644)
        if why := why_unsigned(found, self._folder, bundle.trust, waiver_witness(self._folder)):
            path.unlink()
            raise PolicyError(f"waiver {waiver} {why}", remedy=f"have it signed by somebody of {bundle.trust.waivers}")
        return [f"signed: waiver {waiver} of {found.rule} for {found.scope}, until {found.expires}"]

    def pin(self) -> list[str]:
        """Let a sandbox go on with the bundle that lies in policies/; elsewhere somebody else pins.

        Raises:
            ConfigurationError: this environment is no sandbox.
            PolicyError: the bundle does not load.
        """
        from lifecycle.policy_engine.bundle import load_bundle

        if self._around.spec.sandbox is None:
            raise ConfigurationError(
                "outside a sandbox this command pins nothing: the pin is where the apply identity cannot write",
                remedy="run `lifecycle policy bundle verify`, then write the digest to the place of the pin",
            )
        digest = load_bundle(self._folder).digest
        pin_in_sandbox(self._around, digest)
        return [f"this sandbox now uses the bundle {digest}"]

    def _follow(self, before: NamedBundle, bundle: NamedBundle) -> None:
        from lifecycle.foundation.atomic_file import replace_file

        version, previous = before.trust.version + 1, before.digest
        if (bundle.trust.version, bundle.trust.previous) == (version, previous):
            return
        path = self._folder / "trust.yaml"
        text = re.sub(r"(?m)^version:[^#\n]*?(\s*(?:#.*)?)$", rf"version: {version}\1", path.read_text(), count=1)
        text = re.sub(r"(?m)^previous:[^#\n]*?(\s*(?:#.*)?)$", rf"previous: {previous}\1", text, count=1)
        if "\nprevious:" not in f"\n{text}":
            text += f"previous: {previous}\n"
        replace_file(path, text.encode(), mode=0o644)

    def _sign(self, statement: Path, key: Path) -> str:
        from lifecycle.domain.audit import digest_bytes
        from lifecycle.foundation.atomic_file import replace_file
        from lifecycle.journals.ssh_signature import SshSigner
        from lifecycle.settings import agent_environment

        signer = SshSigner(key=key, environment=agent_environment(), namespace=BUNDLE_NAMESPACE)
        signature = signer.sign(statement.read_bytes()).encode()
        name = f"{digest_bytes(signature).removeprefix('sha256:')[:16]}.sig"
        replace_file(self._signatures / name, signature, mode=0o644)
        return f"signed: policies/signatures/{name}"

    def _signers(self, old: Path, before: NamedBundle, bundle: NamedBundle) -> frozenset[str]:
        """Who of the OLD bundle's signers signed the new one now; signatures by anybody else do not count."""
        from lifecycle.journals.ssh_signature import SshVerifier
        from lifecycle.settings import agent_environment

        revoked = old / "signers" / "revoked"
        verifier = SshVerifier(
            allowed_signers=old / "signers" / before.trust.signers,
            environment=agent_environment(),
            revoked=revoked if revoked.is_file() else None,
            namespace=BUNDLE_NAMESPACE,
        )
        found: set[str] = set()
        for path in sorted(self._signatures.glob("*.sig")):
            try:
                found.add(verifier.principal(bundle.statement(), path.read_text(), utc_now()))
            except (ApprovalMissingError, UnicodeDecodeError):
                continue
        return frozenset(found)

    @contextmanager
    def _bundle_at(self, against: str) -> Iterator[Path]:
        from lifecycle.clients.git import GitHistory
        from lifecycle.settings import child_environment

        if Path(against).is_dir() and (Path(against) / "trust.yaml").is_file():
            yield Path(against)
            return
        root = self._around.paths.root
        history = GitHistory(root, environment=child_environment(with_aws=False))
        with tempfile.TemporaryDirectory(prefix="lifecycle-bundle-") as name:
            history.write_folder(history.commit(against), "policies", Path(name))
            yield Path(name) / "policies"
