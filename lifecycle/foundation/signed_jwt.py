"""Compact JWTs that a private key signs (RS256, ES256), and the public half of such a key as a JWK.

Sources: RFC 7515 (compact form), 7517 and 7518 (JWK, algorithms), 7638 (thumbprint).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    SigningKey = RSAPrivateKey | EllipticCurvePrivateKey

Algorithm = Literal["RS256", "ES256"]
_RSA_BITS = 2048
_P256_BYTES = 32
_THUMBPRINT_MEMBERS = ("crv", "e", "kty", "n", "x", "y")


def generate_key(algorithm: Algorithm) -> SecretText:
    """A fresh private key, PEM, PKCS 8, unencrypted: the secret store encrypts it."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key: SigningKey
    if algorithm == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    return SecretText(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def load_key(pem: SecretText, *, of: str, passphrase: SecretText | None = None) -> SigningKey:
    """Load a private key.

    Args:
        pem: PEM, PKCS 8.
        of: names the owner in the message.
        passphrase: of an encrypted key.

    Raises:
        ConfigurationError: it is no RSA key and none on P-256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    phrase = (passphrase.get_secret_value().encode() or None) if passphrase is not None else None
    try:
        key = load_pem_private_key(pem.get_secret_value().encode(), phrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ConfigurationError(
        f"the private key of {of} cannot be read",
        remedy="store an RSA or P-256 key as PEM (PKCS 8), with its passphrase beside it when it is encrypted",
    )


def public_jwk(key: SigningKey) -> dict[str, str]:
    """The public half, with `alg` and `use`; no `kid`."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        parts = {"kty": "RSA", "n": _number(rsa_numbers.n), "e": _number(rsa_numbers.e)}
        return {**parts, "alg": "RS256", "use": "sig"}
    numbers = key.public_key().public_numbers()
    point = {"x": _number(numbers.x, _P256_BYTES), "y": _number(numbers.y, _P256_BYTES)}
    return {"kty": "EC", "crv": "P-256", **point, "alg": "ES256", "use": "sig"}


def thumbprint(jwk: Mapping[str, str]) -> str:
    """What names a key by its content (RFC 7638)."""
    required = {name: jwk[name] for name in _THUMBPRINT_MEMBERS if name in jwk}
    return base64url(hashlib.sha256(_json(required)).digest())


def signed_jwt(claims: Mapping[str, Any], key: SigningKey, *, kid: str = "") -> SecretText:
    """A compact JWT; `kid` goes into its header unless empty."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    header = {"alg": "RS256" if is_rsa else "ES256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    text = f"{base64url(_json(header))}.{base64url(_json(claims))}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(text, padding.PKCS1v15(), SHA256())
    else:
        halves = decode_dss_signature(key.sign(text, ec.ECDSA(SHA256())))
        signature = b"".join(half.to_bytes(_P256_BYTES, "big") for half in halves)
    return SecretText(f"{text.decode()}.{base64url(signature)}")


def base64url(octets: bytes) -> str:
    """Base64 for URLs, unpadded."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _number(value: int, length: int = 0) -> str:
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
