"""What bootstrap makes in Vault, on the real OpenBao, as the house makes it: mount, policies, key, then a journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from lifecycle.bootstrap.journals import open_journal
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.preparation import bootstrap
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.settings import Settings
from tests.servers.openbao import OpenBaoServer

_SPEC = """\
version: 1
environment: vault-only
owner: ml-platform
datarobot: {{default: {{endpoint: "https://app.datarobot.com/api/v2"}}}}
backend: {{local: {{path: terraform.tfstate}}}}
secret_stores:
  default: {{vault: {{address: "{address}", mount: {mount}, prefix: lifecycle/vault-only}}}}
journal: {{vault: {{store: default, path: journal/vault-only}}}}
credentials:
  agent-key: {{kind: datarobot_api_key, principal: svc@acme.example, reason: RA-17}}
"""


@pytest.fixture
def mount() -> str:
    return f"kv-{uuid4()}"


@pytest.fixture
def around(tmp_path: Path, openbao_server: OpenBaoServer, mount: str) -> Iterator[Surroundings]:
    folder = tmp_path / "environments" / "vault-only"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(_SPEC.format(address=openbao_server.address, mount=mount))
    settings = Settings(env="vault-only", root=tmp_path, vault_token=SecretText(openbao_server.root_token))
    paths = Paths(root=tmp_path, env="vault-only", state_home=tmp_path / "state")
    yield Surroundings(settings=settings, paths=paths, step=lambda _name, _text: None, note=lambda _text: None)
    headers = {"X-Vault-Token": openbao_server.root_token}
    with httpx.Client(trust_env=False, headers=headers) as client:
        client.delete(f"{openbao_server.address}/v1/sys/mounts/{mount}").raise_for_status()


@pytest.fixture
def kept_policy(around: Surroundings, openbao_server: OpenBaoServer) -> Callable[[str], str]:
    def read(identity: str) -> str:
        url = f"{openbao_server.address}/v1/sys/policies/acl/lifecycle-vault-only-default-{identity}"
        with httpx.Client(trust_env=False, headers={"X-Vault-Token": openbao_server.root_token}) as client:
            text: str = client.get(url).raise_for_status().json()["data"]["policy"]
        return text

    return read


def test_mount_policies_and_key_are_made_once(
    around: Surroundings, mount: str, kept_policy: Callable[[str], str]
) -> None:
    outcome = bootstrap(around, confirm=lambda survey: not survey.complete)
    assert [title.split(" at ")[0] for title in outcome.made] == [
        f"Vault mount {mount}",
        "Vault policies",
        "fingerprint key in secret store default",
    ]
    assert f'path "{mount}/data/journal/vault-only/heads/+"' in kept_policy("rotate")
    assert "create" not in kept_policy("audit")
    key = Stores(around).make_fingerprint_key()
    assert bootstrap(around, confirm=lambda _survey: False).made == ()
    assert Stores(around).make_fingerprint_key() == key


def test_a_changed_policy_is_written_again_and_the_rest_left_alone(
    around: Surroundings, openbao_server: OpenBaoServer, kept_policy: Callable[[str], str]
) -> None:
    bootstrap(around, confirm=lambda _survey: True)
    before = kept_policy("verify")
    url = f"{openbao_server.address}/v1/sys/policies/acl/lifecycle-vault-only-default-verify"
    with httpx.Client(trust_env=False, headers={"X-Vault-Token": openbao_server.root_token}) as client:
        wide = 'path "*" { capabilities = ["sudo"] }'
        client.put(url, json={"policy": wide}).raise_for_status()
    outcome = bootstrap(around, confirm=lambda _survey: True)
    assert [title.split(" at ")[0] for title in outcome.made] == ["Vault policies"]
    assert kept_policy("verify") == before


def test_the_journal_lies_where_it_was_prepared(around: Surroundings) -> None:
    bootstrap(around, confirm=lambda _survey: True)
    journal = open_journal(around, Stores(around))
    assert journal.credentials() == ()


def test_a_mount_of_another_kind_is_never_taken_over(
    around: Surroundings, openbao_server: OpenBaoServer, mount: str
) -> None:
    with httpx.Client(trust_env=False, headers={"X-Vault-Token": openbao_server.root_token}) as client:
        body = {"type": "kv", "options": {"version": "1"}}
        client.post(f"{openbao_server.address}/v1/sys/mounts/{mount}", json=body).raise_for_status()
    with pytest.raises(ConfigurationError, match="not KV version 2"):
        bootstrap(around, confirm=lambda _survey: True)
