"""Who signs heads: an SSH key, Vault's transit engine, or KMS. Who checks them: keys committed in the policy bundle.

    policies/signers/audit              allowed signers of SSH keys, namespace `lifecycle-audit`
    policies/signers/audit-keys/*.pem   public keys of transit and KMS; the file's name is the signer's

Transit and KMS make an ECDSA signature over SHA-256 in DER (or Ed25519), which OpenSSL verifies as well:

    openssl dgst -sha256 -verify NAME.pem -signature HEAD.json.sig HEAD.json

Sources: Vault API, transit (`marshaling_algorithm` asn1 is the default); AWS KMS API, Sign.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.clients.vault import VaultClient
from lifecycle.domain.audit_head import HeadSigner, HeadVerifier
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError, IntegrityError
from lifecycle.journals.ssh_signature import SshSigner, SshVerifier

HEAD_NAMESPACE = "lifecycle-audit"
_ARMOUR = b"-----BEGIN SSH SIGNATURE-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshHeadSigner:
    """Signs with a key file, or with the agent that holds it.

    Attributes:
        key: private key, or the public half of one that an agent holds.
        environment: what ssh-keygen may see.
    """

    key: Path
    environment: Mapping[str, str]

    @property
    def method(self) -> str:
        """For file names."""
        return "ssh"

    def sign(self, data: bytes) -> bytes:
        """The armoured signature."""
        return SshSigner(key=self.key, environment=self.environment, namespace=HEAD_NAMESPACE).sign(data).encode()

    def public_key(self) -> str:
        """A line for the allowed-signers file."""
        path = self.key if self.key.suffix == ".pub" else self.key.with_name(f"{self.key.name}.pub")
        try:
            kind, key = path.read_text(encoding="utf-8").split()[:2]
        except (OSError, ValueError):
            raise ConfigurationError(
                f"{path} is no public key", remedy=f"write it with `ssh-keygen -y -f {self.key} > {path}`"
            ) from None
        return f'NAME namespaces="{HEAD_NAMESPACE}" {kind} {key}'


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitHeadSigner:
    """Signs with a key that never leaves Vault.

    Attributes:
        client: logged in as the auditor; the rotator's policy must not allow `transit/sign`.
        mount, key: of the transit engine.
    """

    client: VaultClient
    mount: str
    key: str

    @property
    def method(self) -> str:
        """For file names."""
        return "transit"

    def sign(self, data: bytes) -> bytes:
        """The signature, without Vault's prefix."""
        text = base64.b64encode(data).decode()
        answer = self.client.write(
            lambda c: _transit(c).sign_data(
                name=self.key, hash_input=text, hash_algorithm="sha2-256", mount_point=self.mount
            ),
            what=f"signing with {self.mount}/{self.key}",
        )
        return base64.b64decode(str(answer["data"]["signature"]).rpartition(":")[2])

    def public_key(self) -> str:
        """The newest version's key as PEM."""
        answer = self.client.read(
            lambda c: _transit(c).read_key(name=self.key, mount_point=self.mount),
            what=f"reading the public half of {self.mount}/{self.key}",
        )
        newest = answer["data"]["keys"][str(answer["data"]["latest_version"])]
        text = str(newest.get("public_key", "")) if isinstance(newest, dict) else ""
        if text.startswith("-----BEGIN"):
            return text if text.endswith("\n") else f"{text}\n"
        if answer["data"].get("type") == "ed25519":
            return _ed25519_pem(base64.b64decode(text))
        raise ConfigurationError(
            f"the transit key {self.key} cannot sign", remedy="make one of type ecdsa-p256 or ed25519"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsHeadSigner:
    """Signs with a KMS key of type ECC_NIST_P256.

    Attributes:
        clients: of the auditor; the rotator must not have `kms:Sign`.
        key: id, ARN or alias.
    """

    clients: AwsClients
    key: str

    @property
    def method(self) -> str:
        """For file names."""
        return "kms"

    def sign(self, data: bytes) -> bytes:
        """The signature in DER."""
        with aws_errors(f"signing with KMS key {self.key}"):
            answer = self.clients.reader("kms").sign(
                KeyId=self.key, Message=data, MessageType="RAW", SigningAlgorithm="ECDSA_SHA_256"
            )
        return bytes(answer["Signature"])

    def public_key(self) -> str:
        """As PEM."""
        with aws_errors(f"reading the public half of KMS key {self.key}"):
            der = self.clients.reader("kms").get_public_key(KeyId=self.key)["PublicKey"]
        body = base64.encodebytes(bytes(der)).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleHeadVerifier:
    """Checks heads against the keys of a policy bundle, offline.

    Attributes:
        signers: the folder `policies/signers`.
        environment: what ssh-keygen may see.
    """

    signers: Path
    environment: Mapping[str, str]

    def signer(self, data: bytes, signature: bytes, at: datetime) -> str:
        """Who signed. Raises IntegrityError for an unknown, lapsed or wrong signature."""
        if signature.startswith(_ARMOUR):
            return self._ssh(data, signature, at)
        for path in sorted((self.signers / "audit-keys").glob("*.pem")):
            if _verifies(path.read_bytes(), data, signature):
                return path.stem
        raise _refused("no key in policies/signers/audit-keys made this signature")

    def _ssh(self, data: bytes, signature: bytes, at: datetime) -> str:
        allowed = self.signers / "audit"
        if not allowed.is_file():
            raise _refused("policies/signers/audit does not exist")
        verifier = SshVerifier(allowed_signers=allowed, environment=self.environment, namespace=HEAD_NAMESPACE)
        try:
            return verifier.principal(data, signature.decode(errors="replace"), at)
        except ApprovalMissingError as error:
            raise _refused(error.message.rpartition("does not count: ")[2]) from None


def _transit(client: Any) -> Any:
    """The engine's calls, which hvac leaves without types."""
    return client.secrets.transit


def _refused(why: str) -> IntegrityError:
    return IntegrityError(
        f"a signed head of the audit log does not count: {why}",
        remedy="`lifecycle audit sign --show-key` prints the line that policies/signers must hold; let it be reviewed",
    )


def _verifies(pem: bytes, data: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    try:
        key = serialization.load_pem_public_key(pem)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _ed25519_pem(raw: bytes) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


_signers: tuple[type[HeadSigner], ...] = (SshHeadSigner, TransitHeadSigner, KmsHeadSigner)
_verifier: type[HeadVerifier] = BundleHeadVerifier
