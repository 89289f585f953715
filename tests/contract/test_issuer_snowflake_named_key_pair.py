from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lifecycle.clients.snowflake import SnowflakeClient, quoted
from lifecycle.connectors.snowflake import SnowflakeSettings, SnowflakeVerifier
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.foundation.signed_jwt import generate_key
from lifecycle.issuers.snowflake_named_key_pair import SnowflakeNamedKeyPairIssuer
from lifecycle.testing.driven import LONG, Driven
from lifecycle.testing.setting_contract import SettingBench, SettingContract
from tests.contract.odd_servers import closed_port, page, raw_server
from tests.servers.snowflake_gate import KeyPair, SnowflakeGate

_SLOTS = ("LIFECYCLE_1", "LIFECYCLE_2")


def _now() -> datetime:
    return datetime.now(UTC)


def _value(gate: SnowflakeGate, user: str, pair: KeyPair) -> SecretValue:
    pem = pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return secret_value({"account": gate.account, "user": user, "private_key": pem})


def _verifier(gate: SnowflakeGate) -> Callable[[SecretValue], VerificationResult]:
    verifier, settings = SnowflakeVerifier(clock=_now), SnowflakeSettings(endpoint=gate.url)
    return lambda value: verifier.verify(settings, value, deadline=LONG, via=None)


def _issuer(
    gate: SnowflakeGate, user: str, login: Callable[[], SecretValue], url: str = ""
) -> SnowflakeNamedKeyPairIssuer:
    client = SnowflakeClient(url or gate.url, clock=_now)
    return SnowflakeNamedKeyPairIssuer(client, account=gate.account, user=user, admin=login)


def _add(gate: SnowflakeGate, user: str, name: str) -> None:
    gate.execute(f"ALTER USER {quoted(user)} ADD KEY PAIR {name} PUBLIC_KEY = '{KeyPair.generate().public}'")


@pytest.fixture(scope="module")
def stranger() -> SecretText:
    return generate_key("RS256")


class TestOnGate(SettingContract):
    """Against the double, which checks signatures, rights and names."""

    cut = ("issuer.set",)  # a fresh RSA key per cut

    @pytest.fixture
    def bench(self, snowflake_gate: SnowflakeGate, stranger: SecretText) -> SettingBench:
        gate = snowflake_gate
        user = gate.users.fresh()
        admin = _value(gate, "ADMINISTRATOR", gate.admin)
        wrong: SecretValue = {**admin, "private_key": stranger}
        mine, verify = _issuer(gate, user, lambda: admin), _verifier(gate)
        return SettingBench(
            issuer=mine,
            principal=user,
            admin=admin,
            slots=_SLOTS,
            works=lambda value: str(verify(value).status) == "valid",
            occupy=lambda slot: _add(gate, user, slot),
            unreachable=_issuer(gate, user, lambda: admin, closed_port()),
            refused=_issuer(gate, user, lambda: wrong),
            refused_admin=wrong,
            driven=Driven(issuer=mine, principal=user, verify=verify, admin=lambda: admin),
        )

    def test_key_pairs_of_others_are_listed_and_survive(
        self, bench: SettingBench, snowflake_gate: SnowflakeGate
    ) -> None:
        _add(snowflake_gate, bench.principal, "BI_TEAM")
        (other,) = bench.issuer.list(bench.principal).credentials
        assert other.slot == ""
        value = bench.driven.rotated()
        assert bench.driven.ids() == {other.id, bench.issuer.identify(value)}

    def test_a_pair_that_somebody_adds_at_the_same_moment_is_not_overwritten(
        self, bench: SettingBench, snowflake_gate: SnowflakeGate
    ) -> None:
        _add(snowflake_gate, bench.principal, _SLOTS[0])
        before = bench.in_slot(_SLOTS[0])
        issuer = _issuer(snowflake_gate, bench.principal, lambda: bench.admin)
        issuer._read = lambda *_: {}  # type: ignore[method-assign]  # the list, from before that moment
        with pytest.raises(SlotOccupiedError, match="002002"):
            issuer.set(bench.principal, _SLOTS[0], issuer.generate(""), expected=None, admin=bench.admin)
        assert bench.in_slot(_SLOTS[0]) == before

    def test_expected_pair_is_replaced(self, bench: SettingBench) -> None:
        first = bench.set(_SLOTS[0], bench.issuer.generate(_SLOTS[0]))
        second = bench.set(_SLOTS[0], bench.issuer.generate(_SLOTS[0]), first)
        assert bench.issuer.list(bench.principal).ids() == {second.id}

    def test_age_is_listed(self, bench: SettingBench) -> None:
        bench.set(_SLOTS[1], bench.issuer.generate(_SLOTS[1]))
        held = bench.in_slot(_SLOTS[1])
        assert held is not None
        assert held.created is not None
        assert abs((_now() - held.created).total_seconds()) < 60

    def test_admin_without_the_right_is_told(self, bench: SettingBench, snowflake_gate: SnowflakeGate) -> None:
        pair = KeyPair.generate()
        weak = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
        value, login = bench.issuer.generate(_SLOTS[0]), _value(snowflake_gate, weak, pair)
        with pytest.raises(AuthenticationError):
            bench.issuer.set(bench.principal, _SLOTS[0], value, expected=None, admin=login)

    def test_first_pair_needs_an_admin_and_a_name_of_ours(self, bench: SettingBench) -> None:
        value = bench.issuer.generate(_SLOTS[0])
        with pytest.raises(ConfigurationError, match="authorises"):
            bench.issuer.set(bench.principal, _SLOTS[0], value, expected=None, admin=None)
        with pytest.raises(ConfigurationError, match="BI_TEAM"):
            bench.issuer.set(bench.principal, "BI_TEAM", value, expected=None, admin=bench.admin)

    @pytest.mark.parametrize(("status", "error"), [("503 Service Unavailable", AmbiguousEffectError)])
    def test_unanswered_statement_may_have_landed(
        self, bench: SettingBench, snowflake_gate: SnowflakeGate, status: str, error: type[RemoteServiceError]
    ) -> None:
        with raw_server(page(status)) as odd:
            broken = _issuer(snowflake_gate, bench.principal, lambda: bench.admin, odd)
            with pytest.raises(error):
                broken._run(bench.principal, f"REMOVE KEY PAIR {_SLOTS[0]}", bench.admin)
