from uuid import uuid4

import pytest

from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.domain.secret import SecretRef, SecretText
from lifecycle.secret_stores.vault_kv import VaultKvStore
from lifecycle.testing.store_contract import StoreBench, StoreContract
from tests.servers.openbao import OpenBaoServer


class TestOnOpenBao(StoreContract):
    """Against the real server."""

    @pytest.fixture
    def bench(self, openbao_server: OpenBaoServer, openbao_kv_mount: str) -> StoreBench:
        kv = openbao_server.client().secrets.kv.v2
        ref = SecretRef(store="default", path=f"credential-{uuid4()}")
        path = f"lifecycle/test/{ref.path}"

        def view() -> dict[str, object]:
            answer = kv.read_secret_version(path=path, mount_point=openbao_kv_mount, raise_on_deleted_version=True)
            document: dict[str, object] = answer["data"]["data"]
            return document

        def foreign(fields: dict[str, str]) -> None:
            kv.create_or_update_secret(path=path, secret=fields, mount_point=openbao_kv_mount)

        client = VaultClient(openbao_server.address, TokenLogin(token=SecretText(openbao_server.root_token)))
        store = VaultKvStore(client, mount=openbao_kv_mount, prefix="lifecycle/test")
        return StoreBench(store=store, ref=ref, consumer_view=view, foreign_write=foreign)
