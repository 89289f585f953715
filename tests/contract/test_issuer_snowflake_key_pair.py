from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lifecycle.clients.snowflake import SnowflakeClient
from lifecycle.connectors.snowflake import SnowflakeSettings, SnowflakeVerifier
from lifecycle.domain.errors import AmbiguousEffectError, AuthenticationError, ConfigurationError, RemoteServiceError
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import VerificationResult
from lifecycle.foundation.signed_jwt import generate_key
from lifecycle.issuers.snowflake_key_pair import SnowflakeKeyPairIssuer
from lifecycle.operations.adopt_credential import adopt
from lifecycle.operations.rotation_context import Standing
from lifecycle.testing.driven import LONG, Driven
from lifecycle.testing.setting_contract import SettingBench, SettingContract
from tests.contract.odd_servers import closed_port, page, raw_server
from tests.servers.snowflake_gate import KeyPair, SnowflakeGate

_SLOTS = ("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")


def _now() -> datetime:
    return datetime.now(UTC)


def _value(gate: SnowflakeGate, user: str, pair: KeyPair) -> SecretValue:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return secret_value({"account": gate.account, "user": user, "private_key": pem})


def _verifier(gate: SnowflakeGate) -> Callable[[SecretValue], VerificationResult]:
    verifier, settings = SnowflakeVerifier(clock=_now), SnowflakeSettings(endpoint=gate.url)
    return lambda value: verifier.verify(settings, value, deadline=LONG, via=None)


def _issuer(gate: SnowflakeGate, user: str, login: Callable[[], SecretValue], url: str = "") -> SnowflakeKeyPairIssuer:
    client = SnowflakeClient(url or gate.url, clock=_now)
    return SnowflakeKeyPairIssuer(client, account=gate.account, user=user, admin=login)


@pytest.fixture(scope="module")
def stranger() -> SecretText:
    return generate_key("RS256")


class TestOnGate(SettingContract):
    """Against the double, which checks signatures and rights."""

    cut = ("issuer.",)  # a fresh RSA key per cut

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
            occupy=lambda slot: gate.users.change(user, keys={slot: KeyPair.generate().public}),
            unreachable=_issuer(gate, user, lambda: admin, closed_port()),
            refused=_issuer(gate, user, lambda: wrong),
            refused_admin=wrong,
            driven=Driven(issuer=mine, principal=user, verify=verify, admin=lambda: admin),
        )

    def test_user_that_may_alter_itself_needs_no_administrator(self, snowflake_gate: SnowflakeGate) -> None:
        gate, pair = snowflake_gate, KeyPair.generate()
        user = gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
        gate.users.change(user, administers=[user])
        verify = _verifier(gate)
        first = _value(gate, user, pair)
        driven = Driven(issuer=_issuer(gate, user, lambda: first), principal=user, verify=verify)
        driven.context = replace(driven.context, issuer=_issuer(gate, user, driven.current))
        driven.store.put_current(first)
        assert adopt(driven.context).standing is Standing.DONE
        values = [driven.rotated() for _ in range(2)]
        assert driven.context.issuer.list(user).ids() == {driven.issuer.identify(values[1])}
        assert not driven.works(first)

    def test_admin_without_the_right_is_told_which(self, bench: SettingBench, snowflake_gate: SnowflakeGate) -> None:
        pair = KeyPair.generate()
        weak = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
        value = bench.issuer.generate(_SLOTS[0])
        login = _value(snowflake_gate, weak, pair)
        with pytest.raises(AuthenticationError) as caught:
            bench.issuer.set(bench.principal, _SLOTS[0], value, expected=None, admin=login)
        assert "OWNERSHIP" in caught.value.remedy

    def test_key_of_the_slot_names_its_age(self, bench: SettingBench) -> None:
        bench.set(_SLOTS[1], bench.issuer.generate(_SLOTS[1]))
        held = bench.in_slot(_SLOTS[1])
        assert held is not None
        assert held.created is not None
        assert abs((_now() - held.created).total_seconds()) < 60

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            ("503 Service Unavailable", "{}", RemoteServiceError),
            ("403 Forbidden", "<html>", RemoteServiceError),
            ("200 OK", "[]", RemoteServiceError),
        ],
    )
    def test_answers_of_others_are_no_lists(
        self, snowflake_gate: SnowflakeGate, status: str, body: str, error: type[Exception]
    ) -> None:
        login = _value(snowflake_gate, "ADMINISTRATOR", snowflake_gate.admin)
        with raw_server(page(status, body, "application/json")) as odd, pytest.raises(error):
            _issuer(snowflake_gate, "X", lambda: login, odd).list("X")

    def test_unanswered_statement_may_have_landed(self, snowflake_gate: SnowflakeGate, bench: SettingBench) -> None:
        issuer = _issuer(snowflake_gate, bench.principal, lambda: bench.admin)
        with raw_server(page("503 Service Unavailable")) as odd:
            broken = _issuer(snowflake_gate, bench.principal, lambda: bench.admin, odd)
            with pytest.raises(AmbiguousEffectError):
                broken._write("ALTER USER x UNSET y", bench.admin, "unsetting")
        assert issuer.list(bench.principal).credentials == ()


def test_key_that_cannot_be_read_is_told_without_it() -> None:
    value = secret_value({"account": "A", "user": "U", "private_key": "-----BEGIN nonsense"})
    issuer = SnowflakeKeyPairIssuer(
        SnowflakeClient("https://a.example", clock=_now), account="A", user="U", admin=lambda: value
    )
    with pytest.raises(ConfigurationError) as caught:
        issuer.identify(value)
    assert "nonsense" not in str(caught.value)
