from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.clients.entra import RESOURCE_MANAGER
from lifecycle.clients.rest import RestClient
from lifecycle.connectors.azure_blob import AzureBlobSettings, AzureBlobVerifier
from lifecycle.domain.credential import NotReported
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Reason, VerificationResult, VerificationStatus, outcome
from lifecycle.issuers.azure_storage_account_key import AzureStorageAccountKeyIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import (
    FINGERPRINT,
    LONG,
    Driven,
    lost_answer,
    rotates_and_retires,
    survives_a_lost_answer,
)
from lifecycle.testing.issuer_contract import MARKER, IssuerBench, IssuerContract
from tests.contract.arm_double import GROUP, LIVE, POWERLESS, SUBSCRIPTION, ArmDouble
from tests.contract.entra_bench import QUICK, now
from tests.contract.faults import Faults
from tests.contract.http_doubles import Reply, http_double
from tests.contract.odd_servers import closed_port
from tests.servers.azurite import ACCOUNT, Azurite


def _nothing() -> SecretValue:
    raise NotFoundError("nothing is current", remedy="issue it")


def _current(holder: list[Driven]) -> SecretValue:
    """The current value of a driven credential that is made after its issuer."""
    return holder[0].current()


@dataclass
class Kept:
    """Notes in memory."""

    value: SecretValue | None = None

    def load(self) -> SecretValue:
        return self.value if self.value is not None else _nothing()

    def save(self, value: SecretValue) -> None:
        self.value = value


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The running double."""

    double: ArmDouble
    faults: Faults
    url: str

    def issuer(
        self,
        *,
        kept: Kept | None = None,
        current: Callable[[], SecretValue] = _nothing,
        take_over: bool = True,
        token: str = LIVE,
        url: str = "",
    ) -> AzureStorageAccountKeyIssuer:
        """An issuer; with notes of its own unless given."""
        authorization = SecretText(f"Bearer {token}")
        return AzureStorageAccountKeyIssuer(
            RestClient(url or self.url, RESOURCE_MANAGER, lambda: authorization, retry=QUICK),
            kept or Kept(),
            FINGERPRINT,
            current=current,
            subscription_id=SUBSCRIPTION,
            resource_group=GROUP,
            take_over=take_over,
        )

    def verify(self, value: SecretValue) -> VerificationResult:
        """Whether the account named in a value accepts it."""
        account, key = (value[name].get_secret_value() for name in ("account", "account_key"))
        reason = Reason.WORKS if self.double.works(account, key) else Reason.WRONG_VALUE
        return VerificationResult(status=outcome(reason), reason=reason, checked_at=now())

    def driven(self, *, take_over: bool = True, account: str = "") -> Driven:
        """An account under the driver."""
        account = account or self.double.register()
        holder: list[Driven] = []
        issuer = self.issuer(current=lambda: _current(holder), take_over=take_over)
        holder.append(Driven(issuer=issuer, principal=account, verify=self.verify))
        return holder[0]

    def key(self, account: str, slot: str) -> SecretValue:
        """A key as a person would store it."""
        return secret_value({"account": account, "account_key": self.double.accounts[account][slot][0]})


@pytest.fixture(scope="module")
def arm() -> Iterator[Arm]:
    double = ArmDouble()
    faults = Faults(real=double.answer)
    with http_double(faults) as url:
        yield Arm(double=double, faults=faults, url=url)


@pytest.fixture(autouse=True)
def _no_faults_left(arm: Arm) -> Iterator[None]:
    yield
    arm.faults.waiting.clear()


class TestOnDouble(IssuerContract):
    """Against the double."""

    @pytest.fixture
    def bench(self, arm: Arm) -> IssuerBench:
        account = arm.double.register()
        return IssuerBench(
            issuer=arm.issuer(),
            principal=account,
            works=lambda value: arm.double.works(account, value["account_key"].get_secret_value()),
            unreachable=arm.issuer(url=closed_port()),
            refused=arm.issuer(token="wrong-login"),
        )

    def test_third_key_finds_no_slot(self, bench: IssuerBench) -> None:
        bench.mint()
        bench.mint()
        with pytest.raises(SlotOccupiedError, match="ours"):
            bench.mint()

    def test_driver_issues_rotates_and_retires(self, arm: Arm) -> None:
        driven = arm.driven()
        driven.rotated()
        rotates_and_retires(driven)

    def test_driver_survives_a_lost_answer(self, arm: Arm) -> None:
        driven = arm.driven()
        driven.rotated()
        driven.rotated()
        survives_a_lost_answer(driven, "mint")

    def test_driver_reads_a_lost_key_back_and_regenerates_nothing_twice(self, arm: Arm) -> None:
        driven = arm.driven()
        driven.rotated()
        before = sum("regenerateKey" in path for _, path in arm.faults.seen)
        with lost_answer(driven.issuer, "mint"):
            driven.rotated()
        after = sum("regenerateKey" in path for _, path in arm.faults.seen)
        assert after - before == 2, "the new key, and the end of the old one"

    def test_adopted_key_is_kept_until_the_other_one_is_in_use(self, arm: Arm) -> None:
        account = arm.double.register()
        driven = arm.driven(account=account)
        first = arm.key(account, "key1")
        driven.store.put_current(first)
        assert adopt(driven.context).standing is Standing.DONE
        second = driven.rotated()
        assert second["key_id"].get_secret_value() == "key2"
        assert not driven.works(first)
        third = driven.rotated()
        assert third["key_id"].get_secret_value() == "key1"

    def test_unknown_key_is_not_regenerated_unless_the_spec_says_so(self, arm: Arm) -> None:
        account = arm.double.register()
        driven = arm.driven(account=account, take_over=False)
        driven.store.put_current(arm.key(account, "key1"))
        assert adopt(driven.context).standing is Standing.DONE
        other = arm.double.accounts[account]["key2"]
        outcome_of = driven.rotate()
        assert outcome_of.standing is not Standing.DONE
        assert arm.double.accounts[account]["key2"] == other
        with pytest.raises(SlotOccupiedError, match="key2 is unknown") as caught:
            driven.issuer.mint(account, MARKER, None)  # type: ignore[union-attr]  # a minting issuer
        assert "take_over" in caught.value.remedy

    def test_slot_that_we_left_is_taken_without_permission(self, arm: Arm) -> None:
        account, kept = arm.double.register(), Kept()
        generous = arm.issuer(kept=kept)
        minted = generous.mint(account, MARKER, None)
        generous.revoke(account, minted.credential.id)
        again = arm.issuer(kept=kept, take_over=False).mint(account, MARKER, None)
        assert again.credential.slot == minted.credential.slot

    def test_slot_whose_regeneration_never_landed_is_taken_again(self, arm: Arm) -> None:
        account, kept = arm.double.register(), Kept()
        issuer = arm.issuer(kept=kept)
        parked = issuer.mint(account, MARKER, None)
        issuer.revoke(account, parked.credential.id)
        strict = arm.issuer(kept=kept, take_over=False)
        arm.faults.after_next("POST", Reply(status=503))
        with pytest.raises(AmbiguousEffectError):
            strict.mint(account, MARKER, None)
        assert strict.mint(account, MARKER, None).credential.slot == parked.credential.slot

    def test_key_of_the_other_slot_is_not_ours(self, arm: Arm) -> None:
        account = arm.double.register()
        issuer = arm.issuer()
        minted = issuer.mint(account, MARKER, None)
        other = next(item for item in issuer.list(account).credentials if item.id != minted.credential.id)
        assert other.marker == ""
        issuer.revoke(account, minted.credential.id)
        assert issuer.read_back(account) is NotReported.UNKNOWN

    def test_lost_answer_is_stamped_and_read_back(self, arm: Arm) -> None:
        account, kept = arm.double.register(), Kept()
        issuer = arm.issuer(kept=kept)
        arm.faults.after_next("POST", Reply(hang_up=True), after=True)
        with pytest.raises(AmbiguousEffectError):
            issuer.mint(account, MARKER, None)
        (found,) = [item for item in issuer.list(account).credentials if item.marker == MARKER]
        live = issuer.read_back(account)
        assert not isinstance(live, str)
        assert live.credential.id == found.id

    def test_ages_are_listed(self, bench: IssuerBench) -> None:
        minted = bench.mint()
        ages = {item.id: item.created for item in bench.issuer.list(bench.principal).credentials}
        fresh = ages.pop(minted.credential.id)
        assert fresh is not None
        assert abs(fresh - now()) < timedelta(minutes=1)
        assert list(ages.values()) == [datetime(2020, 1, 1, tzinfo=UTC)]

    def test_throttled_mint_made_nothing_and_says_when(self, bench: IssuerBench, arm: Arm) -> None:
        before = bench.ids()
        body = b'{"error": {"code": "TooManyRequests"}}'
        arm.faults.after_next("POST", Reply(status=429, body=body, headers={"Retry-After": "11"}))
        with pytest.raises(RemoteServiceError) as caught:
            bench.mint()
        assert (caught.value.retryable, caught.value.retry_after) == (True, timedelta(seconds=11))
        assert bench.ids() == before

    def test_identity_without_the_action_is_told_which(self, bench: IssuerBench, arm: Arm) -> None:
        with pytest.raises(AuthenticationError, match="AuthorizationFailed") as caught:
            arm.issuer(token=POWERLESS).list(bench.principal)
        assert "regeneratekey/action" in caught.value.remedy

    def test_value_without_a_key_is_told(self, bench: IssuerBench) -> None:
        with pytest.raises(ConfigurationError, match="account_key"):
            bench.issuer.identify(secret_value({"account": "a"}))

    def test_unknown_account_is_not_found(self, bench: IssuerBench) -> None:
        with pytest.raises(NotFoundError):
            bench.issuer.list("nobody")

    def test_answer_without_a_new_key_is_ambiguous(self, bench: IssuerBench, arm: Arm) -> None:
        arm.faults.after_next("POST", Reply(body=b"[]"))
        with pytest.raises(AmbiguousEffectError):
            bench.mint()

    def test_answer_that_shows_one_key_is_no_list(self, bench: IssuerBench, arm: Arm) -> None:
        arm.faults.next("POST", Reply(body=b'{"keys": [{"keyName": "key1", "value": "x"}]}'))
        with pytest.raises(RemoteServiceError, match="both keys"):
            bench.ids()


def test_storage_accepts_each_key_that_was_minted(start_azurite: Callable[[], Azurite]) -> None:
    """Azurite restarts on regenerated keys before the next login, as storage would take them up."""
    azurite = start_azurite()
    azurite.client().create_container("features")
    double = ArmDouble()
    double.accounts[ACCOUNT] = {
        slot: (key, "2020-01-01T00:00:00Z") for slot, key in zip(("key1", "key2"), azurite.keys, strict=True)
    }
    verifier = AzureBlobVerifier(azurite.endpoint, clock=now, instance_discovery=False)
    target = AzureBlobSettings(account=ACCOUNT, container="features")

    def verify(value: SecretValue) -> VerificationResult:
        first, second = (double.accounts[ACCOUNT][slot][0] for slot in ("key1", "key2"))
        if (first, second) != azurite.keys:
            azurite.restart(keys=(first, second))
        return verifier.verify(target, value, deadline=LONG, via=None)

    faults = Faults(real=double.answer)
    with http_double(faults) as url:
        arm = Arm(double=double, faults=faults, url=url)
        holder: list[Driven] = []
        issuer = arm.issuer(current=lambda: _current(holder))
        holder.append(Driven(issuer=issuer, principal=ACCOUNT, verify=verify))
        first = holder[0].rotated()
        second = holder[0].rotated()
        assert verify(second).status is VerificationStatus.VALID
        assert verify(first).status is not VerificationStatus.VALID
