"""A journal in Vault under exactly the generated rights: enough to rotate, and records can only be added."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.audit import GENESIS
from lifecycle.domain.errors import AuthenticationError
from lifecycle.domain.secret import SecretText
from lifecycle.journals.document_journal import DocumentJournal
from lifecycle.journals.vault_kv import VaultKvDocuments
from lifecycle.policy_engine.generate import generate_policies
from tests.contract.journal_contract import Clock, record_after
from tests.servers.openbao import OpenBaoServer
from tests.unit.policy_engine.generated_spec import reference_spec

_PATH = "lifecycle/journal/reference"
_TTL = timedelta(minutes=5)


@pytest.fixture
def documents(openbao_server: OpenBaoServer, openbao_kv_mount: str) -> Callable[[str], VaultKvDocuments]:
    """The journal as one of the identities sees it."""
    settings = {"mount": openbao_kv_mount, "prefix": "datarobot/reference"}
    spec = reference_spec(
        secret_stores={"default": {"kind": "vault", "settings": settings}},
        journal={"kind": "vault", "settings": {"store": "default", "path": _PATH}},
        credentials=None,
        connectors=None,
        agents=None,
    )
    files = generate_policies(spec)

    def seen_by(identity: str) -> VaultKvDocuments:
        name, headers = f"{openbao_kv_mount}-{identity}", {"X-Vault-Token": openbao_server.root_token}
        with httpx.Client(trust_env=False, base_url=openbao_server.address, headers=headers) as client:
            policy = {"policy": files[f"reference/vault/default/{identity}.hcl"]}
            client.put(f"/v1/sys/policies/acl/{name}", json=policy).raise_for_status()
            answer = client.post("/v1/auth/token/create", json={"policies": [name], "no_default_policy": True})
        token = answer.raise_for_status().json()["auth"]["client_token"]
        vault = VaultClient(openbao_server.address, TokenLogin(token=SecretText(token)))
        return VaultKvDocuments(vault, mount=openbao_kv_mount, path=_PATH)

    return seen_by


def test_rotate_may_write_the_journal_and_audit_only_read_it(documents: Callable[[str], VaultKvDocuments]) -> None:
    journal = DocumentJournal(documents("rotate"), clock=Clock())
    lease = journal.acquire("agent-key", "p1", _TTL)
    head = journal.append(lease, record_after(lease), GENESIS)
    journal.append(lease, record_after(lease, head, 2), head)
    journal.release(lease)
    auditor = DocumentJournal(documents("audit"), clock=Clock())
    assert len(auditor.history("agent-key")) == 2
    assert [record.sequence for record in auditor.open_operations()] == [2]
    with pytest.raises(AuthenticationError):
        auditor.acquire("agent-key", "p2", _TTL)


def test_rotate_may_not_rewrite_what_is_archived(documents: Callable[[str], VaultKvDocuments]) -> None:
    rotating = documents("rotate")
    rotating.archive("agent-key", 1, "first")
    with pytest.raises(AuthenticationError):
        rotating._write("records/agent-key/0000000001", {"record": "other"}, cas=1)
    rotating.archive("agent-key", 1, "other")
    assert rotating.archived("agent-key") == ("first",)
