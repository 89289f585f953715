"""The driver on real adapters: first issuance, rotation, retirement, and the one resume rule that needs a read-back."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsConnection
from lifecycle.clients.datarobot import DataRobotClient
from lifecycle.clients.oauth import OAuthClient
from lifecycle.clients.vault import TokenLogin, VaultClient
from lifecycle.connectors.aws_identity import AwsIdentitySettings, AwsIdentityVerifier
from lifecycle.connectors.datarobot import DataRobotSettings, DataRobotVerifier
from lifecycle.connectors.oauth_token import OAuthTokenSettings, OAuthTokenVerifier
from lifecycle.destinations.file import FileDestination
from lifecycle.domain.credential import Minted
from lifecycle.domain.errors import AmbiguousEffectError
from lifecycle.domain.ports import MintingIssuer
from lifecycle.domain.rotation import Outcome, State
from lifecycle.domain.rotation_policy import Limits, RotationPolicy
from lifecycle.domain.secret import SecretRef, SecretText, SecretValue, fingerprint, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.issuers.aws_iam_access_key import AwsIamAccessKeyIssuer
from lifecycle.issuers.datarobot_api_key import DataRobotApiKeyIssuer
from lifecycle.issuers.oauth_client_secret import OAuthClientSecretIssuer
from lifecycle.journals.sqlite import SqliteJournal
from lifecycle.operations.retire_credential import retire
from lifecycle.operations.rotate_credential import resume, rotate
from lifecycle.operations.rotation_context import ConsumerBinding, RotationContext, Standing
from lifecycle.secret_stores.vault_kv import VaultKvStore
from lifecycle.testing.simulated_journal import MemoryAudit
from tests.contract.sandbox_server import Double, running_double
from tests.servers.openbao import OpenBaoServer

_FINGERPRINT = partial(fingerprint, key=b"k" * 32, key_id="test")
_LONG = timedelta(seconds=20)


class Silent:
    """Tells nobody."""

    def notify(self, event: object) -> None:
        """Nothing."""


@dataclass
class Kept:
    """Registration notes in memory."""

    value: SecretValue

    def load(self) -> SecretValue:
        return self.value

    def save(self, value: SecretValue) -> None:
        self.value = value


@dataclass
class Jumping:
    """A clock that sleeping moves, so that grace and settle times cost nothing."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()

    def sleep(self, duration: timedelta) -> None:
        self.ahead += duration


@dataclass(frozen=True, kw_only=True)
class Case:
    """One credential of a kind."""

    issuer: MintingIssuer
    principal: str
    verify: Callable[[SecretValue], VerificationResult]


def _datarobot(double: Double) -> Case:
    client = DataRobotClient(f"{double.url}/api/v2", double.bootstrap.datarobot.admin_key)
    verifier = DataRobotVerifier(f"{double.url}/api/v2", api_version="2.49", clock=lambda: datetime.now(UTC))
    return Case(
        issuer=DataRobotApiKeyIssuer(client),
        principal="svc-ingest@sandbox.example",
        verify=lambda value: verifier.verify(DataRobotSettings(), value, deadline=_LONG, via=None),
    )


def _oauth(double: Double, clock: Jumping) -> Case:
    own = double.bootstrap.oauth
    uri = f"{double.url}{own.registration_path}"
    kept = Kept({**secret_value({"registration_client_uri": uri}), "registration_access_token": _token(double)})
    verifier = OAuthTokenVerifier(double.url, clock=lambda: datetime.now(UTC))
    issuer = OAuthClientSecretIssuer(
        OAuthClient(double.url),
        kept,
        _FINGERPRINT,
        clock=clock.now,
        readback=True,
        overlap=timedelta(hours=1),
        end_initial_secret=True,
    )
    return Case(
        issuer=issuer,
        principal=own.client_id,
        verify=lambda value: verifier.verify(OAuthTokenSettings(introspect=True), value, deadline=_LONG, via=None),
    )


def _aws(double: Double) -> Case:
    user, admin = f"user-{uuid4()}", double.bootstrap.aws
    double.aws().writer("iam").create_user(UserName=user)
    verifier = AwsIdentityVerifier(
        AwsConnection(region=admin.region, endpoint=double.url), clock=lambda: datetime.now(UTC)
    )
    return Case(
        issuer=AwsIamAccessKeyIssuer(double.aws()),
        principal=user,
        verify=lambda value: verifier.verify(AwsIdentitySettings(), value, deadline=_LONG, via=None),
    )


def _token(double: Double) -> SecretText:
    return double.bootstrap.oauth.registration_access_token


@pytest.fixture
def clock() -> Jumping:
    return Jumping()


@pytest.fixture(params=["aws", "datarobot", "oauth"])
def case(request: pytest.FixtureRequest, tmp_path: Path, clock: Jumping) -> Iterator[Case]:
    state = tmp_path / "double"
    state.mkdir(mode=0o700)
    with running_double(request.param, state) as double:
        make: dict[str, Callable[[Double], Case]] = {
            "aws": _aws,
            "datarobot": _datarobot,
            "oauth": partial(_oauth, clock=clock),
        }
        yield make[request.param](double)


@pytest.fixture
def context(
    case: Case, clock: Jumping, tmp_path: Path, openbao_server: OpenBaoServer, openbao_kv_mount: str
) -> RotationContext:
    login = TokenLogin(token=SecretText(openbao_server.root_token))
    journal = SqliteJournal(tmp_path / "journal", clock=clock.now)
    return RotationContext(
        credential="one",
        scope="test",
        owner="test:1",
        actor="test",
        issuer=case.issuer,
        principal=case.principal,
        store=VaultKvStore(VaultClient(openbao_server.address, login), mount=openbao_kv_mount),
        ref=SecretRef(store="default", path="one"),
        verify=case.verify,
        journal=journal,
        leases=journal,
        audit=MemoryAudit(),
        notifier=Silent(),
        clock=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        new_id=lambda: uuid4().hex,
        fingerprint=_FINGERPRINT,
        consumers=(ConsumerBinding(name="file", destination=FileDestination(tmp_path / "copy", _FINGERPRINT)),),
        policy=RotationPolicy(period=timedelta(days=30), minimum=timedelta(seconds=1), ceiling=timedelta(minutes=30)),
        limits=Limits(poll=timedelta(seconds=1)),
    )


def _current(context: RotationContext) -> SecretValue:
    state = context.store.describe(context.ref)
    assert state.current is not None
    return context.store.read(context.ref, state.current.version).value


def test_issue_rotate_retire(context: RotationContext, case: Case) -> None:
    assert rotate(context, wait=True).state is State.CLOSED
    first = _current(context)
    assert case.verify(first).status == "valid"
    outcome = rotate(context, force=True, wait=True)
    assert (outcome.state, outcome.outcome) == (State.CLOSED, Outcome.DONE), outcome
    second = _current(context)
    assert case.verify(second).status == "valid"
    assert case.verify(first).status == "invalid"
    assert case.issuer.identify(first) not in case.issuer.list(case.principal).ids()
    retired = retire(context, wait=True)
    assert retired.standing is Standing.DONE, retired
    assert case.verify(second).status == "invalid"
    assert context.store.describe(context.ref).current is None


@pytest.mark.parametrize("case", ["datarobot", "oauth"], indirect=True)  # IAM keys carry no mark: a person decides
def test_lost_answer_ends_with_one_live_credential(
    context: RotationContext, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate(context, wait=True)
    mint = case.issuer.mint

    def lose(*args: Any) -> Minted:
        monkeypatch.setattr(case.issuer, "mint", mint)
        mint(*args)
        raise AmbiguousEffectError("the answer was lost", remedy="read")

    before = case.issuer.list(case.principal).ids()
    monkeypatch.setattr(case.issuer, "mint", lose)
    rotate(context, force=True, wait=True)
    outcome = resume(context, wait=True)
    assert outcome.state is State.CLOSED, outcome
    value = _current(context)
    assert case.verify(value).status == "valid"
    ours = case.issuer.list(case.principal).ids() - before
    assert ours == {case.issuer.identify(value)}
