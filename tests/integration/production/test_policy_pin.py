"""The policy bundle's digest, pinned in Vault (the real OpenBao): read, and refused where the token could move it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.policy_pin import pinned_digest
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import PolicyError
from lifecycle.domain.secret import SecretText
from lifecycle.settings import Settings
from tests.integration.production.test_vault_preparation import _SPEC
from tests.servers.openbao import OpenBaoServer

DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def root(openbao_server: OpenBaoServer) -> Iterator[httpx.Client]:
    headers = {"X-Vault-Token": openbao_server.root_token}
    with httpx.Client(trust_env=False, headers=headers, base_url=f"{openbao_server.address}/v1") as client:
        yield client


@pytest.fixture
def pin(root: httpx.Client) -> Iterator[str]:
    mount = f"kv-{uuid4()}"
    root.post(f"/sys/mounts/{mount}", json={"type": "kv", "options": {"version": "2"}}).raise_for_status()
    root.post(f"/{mount}/data/lifecycle/pin", json={"data": {"digest": DIGEST}}).raise_for_status()
    yield f"{mount}/data/lifecycle/pin"
    root.delete(f"/sys/mounts/{mount}").raise_for_status()


@pytest.fixture
def apply_as(
    tmp_path: Path, root: httpx.Client, pin: str, openbao_server: OpenBaoServer
) -> Callable[..., Surroundings]:
    """Surroundings of an apply whose token may do this with the pin."""

    def make(*capabilities: str) -> Surroundings:
        name = f"apply-{uuid4()}"
        listed = ", ".join(f'"{item}"' for item in capabilities)
        text = f'path "{pin}" {{ capabilities = [{listed}] }}'
        root.put(f"/sys/policies/acl/{name}", json={"policy": text}).raise_for_status()
        made = root.post("/auth/token/create", json={"policies": [name], "ttl": "10m"}).raise_for_status().json()
        folder = tmp_path / "environments" / "vault-only"
        folder.mkdir(parents=True, exist_ok=True)
        spec = _SPEC.format(address=openbao_server.address, mount=pin.partition("/")[0])
        (folder / "environment.yaml").write_text(spec.replace("prefix:", "auth: {token: {}}, prefix:"))
        settings = Settings(
            env="vault-only",
            root=tmp_path,
            vault_token=SecretText(made["auth"]["client_token"]),
            policy_pin=f"vault:{openbao_server.address}/v1/{pin}",
        )
        paths = Paths(root=tmp_path, env="vault-only", state_home=tmp_path / "state")
        return Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None)

    return make


def test_a_token_that_may_only_read_finds_the_pin(apply_as: Callable[..., Surroundings]) -> None:
    assert pinned_digest(apply_as("read")) == DIGEST


@pytest.mark.parametrize("capability", ["update", "patch", "delete"])
def test_a_token_that_could_move_the_pin_is_refused(apply_as: Callable[..., Surroundings], capability: str) -> None:
    with pytest.raises(PolicyError, match=f"may {capability} "):
        pinned_digest(apply_as("read", capability))
