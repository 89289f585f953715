"""Signs and verifies with `ssh-keygen -Y`, so that anybody can check an approval without this tool.

    ssh-keygen -Y verify -f allowed_signers -I PRINCIPAL -n lifecycle-review -s review.json.sig < review.json

Source: man ssh-keygen, ALLOWED SIGNERS. Traps: with an existing `.sig` and no terminal, signing a file returns 0 and
keeps the old signature, so standard input is signed; verification answers 255 for every kind of no; a principal may be
a pattern, which names nobody.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError

NAMESPACE = "lifecycle-review"
_MISSING = "install OpenSSH 8.9 or newer (apt-get install openssh-client)"
_VERIFY_SECONDS = 30
_SIGN_SECONDS = 180  # somebody may have to type a passphrase or touch a key


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSigner:
    """Signs with one key file; a hardware key or agent is used when the file is its public half.

    Attributes:
        key: the private key, or a public key whose private half an agent holds.
        environment: what ssh-keygen may see (SSH_AUTH_SOCK for an agent).
        namespace: what the signature is for; one for another purpose does not verify.
    """

    key: Path
    environment: Mapping[str, str]
    namespace: str = NAMESPACE

    def sign(self, data: bytes) -> str:
        """The armoured signature.

        Raises:
            ConfigurationError: the key cannot be used.
        """
        argv = ["ssh-keygen", "-Y", "sign", "-n", self.namespace, "-f", str(self.key)]
        done = _run(argv, data, self.environment, _SIGN_SECONDS)
        if done.returncode != 0 or b"BEGIN SSH SIGNATURE" not in done.stdout:
            text = _last_line(done.stderr)
            remedy = "the key file must exist, be yours and have mode 0600; for an agent name the .pub file"
            raise ConfigurationError(f"{self.key} could not sign: {text}", remedy=remedy)
        return done.stdout.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SshVerifier:
    """Verifies against an allowed-signers file of the policy bundle.

    Attributes:
        allowed_signers: one line per person: principal, validity, key.
        revoked: keys that no longer count (a key revocation list or public keys); None when there is no such file.
        environment: what ssh-keygen may see.
        namespace: what the signature must be for.
    """

    allowed_signers: Path
    environment: Mapping[str, str]
    revoked: Path | None = None
    namespace: str = NAMESPACE

    def principal(self, data: bytes, signature: str, at: datetime) -> str:
        """Who signed, by the allowed-signers file, at the given time.

        Raises:
            ApprovalMissingError: nobody who may: unknown, revoked, lapsed or not yet valid key, altered data, another
                namespace, or a pattern in place of a name.
        """
        with TemporaryDirectory(prefix="lifecycle-approval-") as folder:
            sig = Path(folder) / "review.json.sig"
            sig.write_text(signature)
            options = ["-f", str(self.allowed_signers), "-s", str(sig)]
            when = f"-Overify-time={at.astimezone(UTC):%Y%m%d%H%M%S}Z"
            found = _run(
                ["ssh-keygen", "-Y", "find-principals", *options, when], data, self.environment, _VERIFY_SECONDS
            )
            names = [name for name in found.stdout.decode().replace(",", "\n").split() if name]
            if found.returncode != 0 or not names:
                raise _refused("signed by a key that is not among the allowed signers, or not at this time")
            if any(mark in names[0] for mark in "*?!"):
                raise _refused(f"the allowed signers have the pattern {names[0]} in place of a name")
            revoked = ["-r", str(self.revoked)] if self.revoked else []
            argv = ["ssh-keygen", "-Y", "verify", *options, "-I", names[0], "-n", self.namespace, when, *revoked]
            if _run(argv, data, self.environment, _VERIFY_SECONDS).returncode != 0:
                raise _refused(f"the signature of {names[0]} does not verify: data, namespace, or a revoked key")
            return names[0]


def _refused(why: str) -> ApprovalMissingError:
    return ApprovalMissingError(
        f"the approval does not count: {why}", remedy="have review.json approved by somebody of the approving group"
    )


def _run(
    argv: list[str], data: bytes, environment: Mapping[str, str], seconds: int
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - a fixed program; arguments are a list, files and names, never a shell line
            argv, input=data, capture_output=True, env=dict(environment), timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise ConfigurationError("ssh-keygen is not installed", remedy=_MISSING) from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"ssh-keygen gave no answer in {seconds} s", remedy="unlock the key or agent"
        ) from None


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
