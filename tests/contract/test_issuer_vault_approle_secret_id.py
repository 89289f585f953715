import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from lifecycle.clients.vault import AppRoleLogin, TokenLogin, VaultClient
from lifecycle.connectors.vault_approle import VaultAppRoleCheck, VaultAppRoleVerifier
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.rotation import State
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.vault_approle_secret_id import VaultAppRoleSecretIdIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import RotationContext, Standing
from lifecycle.testing.driven import LONG, Driven, rotates_and_retires, survives_a_lost_answer
from lifecycle.testing.issuer_contract import IssuerBench, IssuerContract
from lifecycle.testing.issuer_port import IssuerPort
from lifecycle.testing.simulated_journal import JournalPort
from lifecycle.testing.simulated_store import StorePort
from lifecycle.testing.world import Call, Calm, Crash, Fault
from tests.contract.odd_servers import closed_port
from tests.servers.openbao import OpenBaoServer


class TestOnOpenBao(IssuerContract):
    """Against the real server."""

    @pytest.fixture
    def mount(self, openbao_server: OpenBaoServer) -> str:
        mount = f"approle-{uuid4()}"
        client = openbao_server.client()
        client.sys.enable_auth_method("approle", path=mount)
        client.auth.approle.create_or_update_approle("ingest", mount_point=mount)
        return mount

    @pytest.fixture
    def driven(self, openbao_server: OpenBaoServer, mount: str) -> Driven:
        verifier = VaultAppRoleVerifier(openbao_server.address, clock=lambda: datetime.now(UTC))

        def verify(value: SecretValue) -> VerificationResult:
            return verifier.verify(VaultAppRoleCheck(mount=mount), value, deadline=LONG, via=None)

        client = VaultClient(openbao_server.address, TokenLogin(token=SecretText(openbao_server.root_token)))
        return Driven(issuer=VaultAppRoleSecretIdIssuer(client, mount=mount), principal="ingest", verify=verify)

    @pytest.fixture
    def bench(self, openbao_server: OpenBaoServer, mount: str, driven: Driven) -> IssuerBench:
        def other(address: str, token: str) -> VaultAppRoleSecretIdIssuer:
            return VaultAppRoleSecretIdIssuer(VaultClient(address, TokenLogin(token=SecretText(token))), mount=mount)

        return IssuerBench(
            issuer=other(openbao_server.address, openbao_server.root_token),
            principal="ingest",
            works=driven.works,
            unreachable=other(closed_port(), "x"),
            refused=other(openbao_server.address, "wrong-login"),
        )

    def test_driver_rotates_and_retires_beside_somebody_elses(
        self, driven: Driven, openbao_server: OpenBaoServer, mount: str
    ) -> None:
        made = openbao_server.client().auth.approle.generate_secret_id("ingest", mount_point=mount)
        rotates_and_retires(driven, foreign=frozenset({made["data"]["secret_id_accessor"]}))

    def test_driver_survives_a_lost_answer(self, driven: Driven) -> None:
        survives_a_lost_answer(driven, "mint")

    def test_age_is_told(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        listed = bench.issuer.list(bench.principal).find(minted.credential.id)
        assert listed is not None
        assert listed.created is not None
        assert listed.expires is None

    def test_missing_role_does_not_pass_for_an_empty_list(self, bench: IssuerBench) -> None:
        with pytest.raises(ConfigurationError, match="no AppRole"):
            bench.issuer.list("nobody")


def test_own_login_comes_last(openbao_server: OpenBaoServer) -> None:
    client = VaultClient(openbao_server.address, TokenLogin(token=SecretText("x")))
    assert VaultAppRoleSecretIdIssuer(client, self_admin=True).traits.self_admin


@dataclass
class Own:
    """The tool's own login: it manages the secret ids of the AppRole with which it logs in."""

    address: str
    mount: str
    role_id: str

    def issuer(self, secret_id: SecretText) -> VaultAppRoleSecretIdIssuer:
        """As a process that was started with this secret id."""
        login = AppRoleLogin(role_id=self.role_id, secret_id=secret_id, mount=self.mount)
        return VaultAppRoleSecretIdIssuer(VaultClient(self.address, login), mount=self.mount, self_admin=True)

    def verify(self, value: SecretValue) -> VerificationResult:
        """Log in."""
        verifier = VaultAppRoleVerifier(self.address, clock=lambda: datetime.now(UTC))
        return verifier.verify(VaultAppRoleCheck(mount=self.mount), value, deadline=LONG, via=None)

    def driven(self, first: SecretValue) -> Driven:
        """Under the driver, the first login stored and adopted."""
        driven = Driven(issuer=self.issuer(first["secret_id"]), principal="lifecycle", verify=self.verify)
        driven.store.put_current(first)
        assert adopt(driven.context).standing is Standing.DONE
        return driven


@pytest.fixture
def own(openbao_server: OpenBaoServer) -> Own:
    mount = f"approle-{uuid4()}"
    client = openbao_server.client()
    client.sys.enable_auth_method("approle", path=mount)
    rules = f'path "auth/{mount}/role/lifecycle/*" {{ capabilities = ["create", "read", "update", "list"] }}'
    client.sys.create_or_update_policy(mount, rules)
    client.auth.approle.create_or_update_approle("lifecycle", token_policies=[mount], mount_point=mount)
    role_id = client.auth.approle.read_role_id("lifecycle", mount_point=mount)["data"]["role_id"]
    return Own(openbao_server.address, mount, role_id)


@pytest.fixture
def first(openbao_server: OpenBaoServer, own: Own) -> SecretValue:
    made = openbao_server.client().auth.approle.generate_secret_id("lifecycle", mount_point=own.mount)["data"]
    fields = {name: made[name] for name in ("secret_id", "secret_id_accessor")}
    return secret_value({"role_id": own.role_id, **fields})


def test_own_login_is_not_ended_by_the_process_that_uses_it(own: Own, first: SecretValue) -> None:
    driven = own.driven(first)
    driven.rotate()
    second = driven.current()
    assert second != first
    assert driven.works(second)
    assert driven.works(first), "this process still logs in with it"
    record = driven.journal.head("one").record
    assert record is not None
    assert record.state is State.REVOKING
    next_run = replace(driven.context, issuer=own.issuer(second["secret_id"]))
    driven.clock.sleep(timedelta(hours=12))
    assert resume(next_run, wait=True).state is State.CLOSED
    assert driven.works(second)
    assert not driven.works(first)


def test_crash_anywhere_in_the_rotation_of_the_own_login_leaves_one_that_works(own: Own, first: SecretValue) -> None:
    driven = own.driven(first)
    world, runs = driven.store.world, Runs(own, driven)
    world.calls.clear()
    rotate(runs.next(), force=True, wait=True)
    writes = sum(1 for call in world.calls if call.write and call.name.startswith(("issuer.", "store.", "journal.")))
    assert writes > 8
    for nth in range(1, writes + 1):
        resume(runs.next(), wait=True)
        started = driven.current()
        world.conductor = Cut(nth)
        with contextlib.suppress(Crash):
            rotate(runs.next(), force=True, wait=True)
        world.conductor = Calm()
        assert driven.works(started), f"cut at write {nth}: the process that was started with it is locked out"
        assert driven.works(driven.current()), f"cut at write {nth}: whoever starts the next run is locked out"
    assert resume(runs.next(), wait=True).state is State.CLOSED
    resume(runs.next(), wait=True)
    assert driven.ids() == {driven.issuer.identify(driven.current())}


@dataclass
class Runs:
    """Processes, one after the other, each started with the value that is current then."""

    own: Own
    driven: Driven
    serial: int = 0

    def next(self) -> RotationContext:
        """Hours later, when every lease and grace is over."""
        driven, self.serial = self.driven, self.serial + 1
        driven.clock.sleep(timedelta(hours=12))
        world, name = driven.store.world, f"run-{self.serial}"
        driven.issuer = self.own.issuer(driven.current()["secret_id"])
        journal = JournalPort(world=world, process=name, journal=driven.journal)
        issuer = IssuerPort(world=world, process=name, issuer=driven.issuer, ahead=lambda: driven.clock.ahead, jumps={})
        store = StorePort(world=world, process=name, store=driven.store)
        return replace(driven.context, owner=name, issuer=issuer, store=store, journal=journal, leases=journal)


@dataclass
class Cut:
    """Kills the process after its n-th write."""

    nth: int
    seen: int = 0

    def before(self, call: Call) -> Fault:
        """Count the writes."""
        counted = call.write and call.name.startswith(("issuer.", "store.", "journal."))
        self.seen += counted
        return Fault.KILLED_AFTER if counted and self.seen == self.nth else Fault.NONE

    def after(self, call: Call) -> None:
        """Nothing."""
