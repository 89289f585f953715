"""Which credential a leaked value belongs to. Compares keyed fingerprints; prints and keeps no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.leak import handled
from lifecycle.domain.secret import SecretRef, SecretText, VersionStage, fingerprint

if TYPE_CHECKING:
    from lifecycle.bootstrap.rotation import Rotation

_STAGES = (VersionStage.CURRENT, VersionStage.PREVIOUS, VersionStage.RETIRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A credential that the value belongs to."""

    credential: str
    stage: str
    owner: str
    used_by: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """For JSON output."""
        used = list(self.used_by)
        return {"credential": self.credential, "stage": self.stage, "owner": self.owner, "used_by": used}

    def line(self) -> str:
        """For people."""
        used = ", ".join(self.used_by) or "nobody that is declared"
        return f"credentials.{self.credential} ({self.stage} value), owner {self.owner}, used by {used}"


def owners(around: Surroundings, rotation: Rotation, leaked: str) -> tuple[Owner, ...]:
    """Every credential of which a stored field is in the leaked text, word by word.

    Args:
        around: the environment.
        rotation: its stores.
        leaked: what was found somewhere; read from standard input, never from an argument.
    """
    words = {leaked.strip(), *leaked.split()} | {part for word in leaked.split() for part in _parts(word)}
    wanted = {_name(SecretText(word)) for word in words if word}
    found = []
    for name, credential in sorted(around.spec.credentials.items()):
        ref = SecretRef(store=credential.store, path=name)
        users = tuple(sorted(n for n, c in around.spec.connectors.items() if c.credential == name))
        agents = tuple(sorted(item.agent for item in credential.consumers if item.agent))
        for stage in _STAGES:
            try:
                value = rotation.stores.named(credential.store).read(ref, stage).value
            except NotFoundError:
                continue
            if any(_name(secret.value) in wanted for secret in handled(name, value)):
                found.append(Owner(credential=name, stage=stage, owner=credential.owner, used_by=(*agents, *users)))
    return tuple(found)


def _parts(word: str) -> list[str]:
    """`password=value,` and `"value"` as people paste them."""
    stripped = word.strip("\"'`,;()[]{}<>")
    return [stripped, *(part.strip("\"'`,;") for mark in ("=", ":") for part in stripped.split(mark)[1:])]


def _name(text: SecretText) -> str:
    # The key lives as long as this call: equal texts compare equal, and nothing is learnt from the digests.
    return fingerprint({"value": text}, key=b"whose", key_id="once")
