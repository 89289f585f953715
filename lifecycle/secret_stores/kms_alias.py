"""The KMS key behind the alias that a store of AWS Secrets Manager names: symmetric, rotated yearly.

Creating a key and naming it are two calls: a run that is killed in between leaves a key without alias, which costs
little, encrypts nothing, and carries the alias in its description so that a person finds it.
"""

from __future__ import annotations

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.domain.errors import NotFoundError


class KmsAlias:
    """A part of bootstrapping.

    Args:
        clients: an administrator's.
        alias: `alias/NAME`.
    """

    def __init__(self, clients: AwsClients, *, alias: str) -> None:
        self._clients, self._alias = clients, alias

    @property
    def title(self) -> str:
        """What it is."""
        return f"KMS key {self._alias}"

    def missing(self) -> tuple[str, ...]:
        """The key, or its yearly rotation."""
        key = self._key()
        if not key:
            return ("key", "alias", "key rotation")
        with aws_errors(f"looking at {self.title}"):
            status = self._clients.reader("kms").get_key_rotation_status(KeyId=key)
        return () if status["KeyRotationEnabled"] else ("key rotation",)

    def make(self) -> None:
        """Create key and alias where there is none, and switch rotation on."""
        sdk = self._clients.writer("kms")
        with aws_errors(f"making {self.title}", writes=True):
            key = self._key()
            if not key:
                made = sdk.create_key(Description=f"lifecycle: secrets under {self._alias}", KeyUsage="ENCRYPT_DECRYPT")
                key = made["KeyMetadata"]["KeyId"]
                sdk.create_alias(AliasName=self._alias, TargetKeyId=key)
            sdk.enable_key_rotation(KeyId=key)

    def _key(self) -> str:
        try:
            with aws_errors(f"looking for {self.title}"):
                answer = self._clients.reader("kms").describe_key(KeyId=self._alias)
        except NotFoundError:
            return ""
        return str(answer["KeyMetadata"]["KeyId"])
