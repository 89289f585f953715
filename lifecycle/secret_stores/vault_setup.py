"""What a Vault secret store needs before anybody logs in as one of the tool's identities: mount and policies.

Source: Vault API documentation, `sys/mounts` and `sys/policies/acl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.clients.vault import VaultClient
from lifecycle.domain.errors import ConfigurationError, NotFoundError


class VaultMount:
    """A part of bootstrapping: the KV version 2 mount.

    Args:
        client: logged in as an administrator.
        mount: its path.
    """

    def __init__(self, client: VaultClient, *, mount: str) -> None:
        self._client, self._mount = client, mount.strip("/")

    @property
    def title(self) -> str:
        """What it is."""
        return f"Vault mount {self._mount} at {self._client.address}"

    def missing(self) -> tuple[str, ...]:
        """The mount. Raises ConfigurationError when something else is mounted there."""
        answer = self._client.read(lambda c: _system(c).list_mounted_secrets_engines(), what="listing mounts")
        found = answer["data"].get(f"{self._mount}/")
        if found is None:
            return ("KV version 2 mount",)
        if found["type"] != "kv" or (found.get("options") or {}).get("version") != "2":
            raise ConfigurationError(
                f"{self.title} exists, but it is not KV version 2", remedy="name another mount in the spec"
            )
        return ()

    def make(self) -> None:
        """Mount it."""
        if self.missing():
            self._client.write(
                lambda c: _system(c).enable_secrets_engine("kv", path=self._mount, options={"version": "2"}),
                what=f"mounting {self._mount}",
            )


class VaultPolicies:
    """A part of bootstrapping: the generated policies of the tool's identities.

    Args:
        client: logged in as an administrator.
        policies: name -> text.
    """

    def __init__(self, client: VaultClient, policies: Mapping[str, str]) -> None:
        self._client, self._policies = client, dict(policies)

    @property
    def title(self) -> str:
        """What it is."""
        return f"Vault policies at {self._client.address}"

    def missing(self) -> tuple[str, ...]:
        """Names of policies that are absent or differ from what the spec gives."""
        return tuple(name for name, text in sorted(self._policies.items()) if self._text(name) != text)

    def make(self) -> None:
        """Write those."""
        for name in self.missing():
            self._write(name, self._policies[name])

    def _write(self, name: str, text: str) -> None:
        self._client.write(lambda c: _system(c).create_or_update_acl_policy(name, text), what=f"writing policy {name}")

    def _text(self, name: str) -> str | None:
        try:
            answer = self._client.read(lambda c: _system(c).read_acl_policy(name), what=f"reading policy {name}")
        except NotFoundError:
            return None
        return str(answer["data"]["policy"])


def _system(client: Any) -> Any:
    """The system backend, whose calls have no types."""
    return client.sys
