import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from lifecycle.connectors.snowflake import LOGIN, SnowflakeSettings, SnowflakeVerifier, right
from lifecycle.domain.secret import SecretText, SecretValue, secret_value
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server, tls_in_front
from tests.servers.certificates import write_server_certificate
from tests.servers.provisioned import provisioned
from tests.servers.snowflake_gate import KeyPair, SnowflakeGate


class At:
    """The verifier at another address than the target's."""

    def __init__(self, url: str, *, ahead: timedelta = timedelta()) -> None:
        self._url, self._ahead = url, ahead

    def verify(
        self, target: SnowflakeSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        signing = datetime.now(UTC) + self._ahead
        verifier = SnowflakeVerifier(
            clock=lambda: NOW, signing_clock=lambda: signing, python=str(provisioned("snowflake"))
        )
        return verifier.verify(target.model_copy(update={"endpoint": self._url}), value, deadline=deadline, via=via)


def _pem(pair: KeyPair, passphrase: str = "") -> str:
    hidden = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode()


@pytest.fixture(scope="module")
def pairs() -> tuple[KeyPair, KeyPair]:
    return KeyPair.generate(), KeyPair.generate()


@pytest.fixture
def table(snowflake_gate: SnowflakeGate) -> str:
    database = f"D{uuid4().hex.upper()}"
    snowflake_gate.execute(f"CREATE DATABASE {database}")
    snowflake_gate.execute(f"CREATE TABLE {database}.PUBLIC.CUSTOMER (ID INT)", database=database, schema="PUBLIC")
    return f"{database}.PUBLIC.CUSTOMER"


def _refused(code: str, status: str, text: str = "no", late: timedelta = timedelta()) -> bytes:
    stamp = (datetime.now(UTC) - late).strftime("%a, %d %b %Y %H:%M:%S GMT")
    body = f'{{"code": "{code}", "message": "{text}"}}'
    return page(status, body, "application/json", f"Date: {stamp}\r\n")


class TestOnGate(ConnectorContract):
    """A key pair by the SQL API, against the double, whose logins are checked."""

    @pytest.fixture
    def bench(self, snowflake_gate: SnowflakeGate, pairs: tuple[KeyPair, KeyPair], table: str) -> ConnectorBench:
        user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY_2": pairs[0].public})
        valid = {"account": snowflake_gate.account, "user": user, "private_key": _pem(pairs[0])}
        return ConnectorBench(
            make=At,
            url=snowflake_gate.url,
            target=SnowflakeSettings(warehouse="W", can_select=(table,), client="sql_api"),
            valid=secret_value(valid),
            invalid=secret_value({**valid, "private_key": _pem(pairs[1])}),
            proves=(LOGIN, right(table)),
        )

    def test_missing_table_reads_as_a_missing_right(self, bench: ConnectorBench, table: str) -> None:
        missing = table.replace("CUSTOMER", "MISSING")
        result = bench.verify(target=SnowflakeSettings(can_select=(missing, table)))
        assert result.reason is Reason.NO_PERMISSION
        assert result.proved == (LOGIN, right(table))
        assert result.not_proved == (right(missing),)

    def test_table_name_is_no_sql(self, bench: ConnectorBench) -> None:
        assert bench.verify(target=SnowflakeSettings(can_select=("X; DROP TABLE Y",))).reason is Reason.NOT_CONFIGURED

    def test_encrypted_key_works_with_its_passphrase(
        self, bench: ConnectorBench, pairs: tuple[KeyPair, KeyPair]
    ) -> None:
        value = {**bench.valid, "private_key": SecretText(_pem(pairs[0], "phrase"))}
        assert bench.verify(value).reason is Reason.NOT_CONFIGURED
        assert bench.verify({**value, "private_key_passphrase": SecretText("phrase")}).reason is Reason.WORKS

    def test_refusal_under_a_wrong_clock_judges_nothing(self, bench: ConnectorBench) -> None:
        late = At(bench.url, ahead=timedelta(minutes=5))
        result = late.verify(bench.target, bench.valid, deadline=timedelta(seconds=20), via=None)
        assert result.reason is Reason.CLOCK_SKEW

    @pytest.mark.parametrize(
        ("refusal", "reason"), [(["390422", "IP not allowed"], Reason.NETWORK_POLICY), (["390102", "x"], Reason.LOCKED)]
    )
    def test_refusals_of_a_right_key(
        self, bench: ConnectorBench, snowflake_gate: SnowflakeGate, refusal: list[str], reason: Reason
    ) -> None:
        snowflake_gate.users.change(bench.valid["user"].get_secret_value(), refusal=refusal)
        assert bench.verify().reason is reason

    @pytest.mark.parametrize(
        ("code", "status", "text", "late", "reason"),
        [
            ("390144", "401 Unauthorized", "", 0, Reason.WRONG_VALUE),
            ("390144", "401 Unauthorized", "", 90, Reason.CLOCK_SKEW),
            ("390144", "503 Service Unavailable", "", 0, Reason.SERVICE_FAULT),
            ("390318", "401 Unauthorized", "", 0, Reason.EXPIRED),
            ("394300", "401 Unauthorized", "", 0, Reason.WRONG_TENANT),
            ("390100", "401 Unauthorized", "MFA authentication is required", 0, Reason.CONDITIONAL_ACCESS),
            ("999999", "401 Unauthorized", "", 0, Reason.AMBIGUOUS),
            ("333334", "202 Accepted", "", 0, Reason.AMBIGUOUS),
        ],
    )
    def test_codes_of_the_sql_api(
        self, bench: ConnectorBench, code: str, status: str, text: str, late: int, reason: Reason
    ) -> None:
        with raw_server(_refused(code, status, text, timedelta(seconds=late))) as server:
            assert bench.verify(url=server).reason is reason

    def test_value_that_is_no_key_pair_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        result = bench.verify(secret_value({"token": "x"}))
        assert result.status is VerificationStatus.INDETERMINATE
        assert result.reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("field", "kept", "invalid", "lapsed"),
    [
        ("oauth_token", "oauth_tokens", Reason.WRONG_VALUE, Reason.EXPIRED),
        ("programmatic_access_token", "access_tokens", Reason.WRONG_VALUE, Reason.EXPIRED),
    ],
)
class TestTokens:
    """Tokens that stand for their user, against the double."""

    def test_live_unknown_and_lapsed(
        self, snowflake_gate: SnowflakeGate, table: str, field: str, kept: str, invalid: Reason, lapsed: Reason
    ) -> None:
        live, dead, now = uuid4().hex, uuid4().hex, datetime.now(UTC).timestamp()
        snowflake_gate.users.fresh(**{kept: {live: now + 600, dead: now - 1}})
        bench = ConnectorBench(
            make=At,
            url=snowflake_gate.url,
            target=SnowflakeSettings(can_select=(table,)),
            valid=secret_value({"account": snowflake_gate.account, field: live}),
            invalid={},
            proves=(LOGIN, right(table)),
        )
        assert bench.verify().proved == bench.proves
        for token, reason in (("unknown-token", invalid), (dead, lapsed)):
            result = bench.verify({**bench.valid, field: SecretText(token)})
            assert result.reason is reason
            assert token not in repr(result)

    def test_account_is_needed(
        self, snowflake_gate: SnowflakeGate, field: str, kept: str, invalid: Reason, lapsed: Reason
    ) -> None:
        result = At(snowflake_gate.url).verify(
            SnowflakeSettings(), secret_value({field: kept}), deadline=timedelta(seconds=5), via=None
        )
        assert result.reason is Reason.NOT_CONFIGURED


class TestPassword(ConnectorContract):
    """A password, by Snowflake's own connector in a process of its own, against the double."""

    @pytest.fixture
    def bench(self, snowflake_gate: SnowflakeGate, table: str) -> ConnectorBench:
        user = snowflake_gate.users.fresh(password="sandbox-password")
        valid = {"account": snowflake_gate.account, "user": user, "password": "sandbox-password"}
        return ConnectorBench(
            make=At,
            url=snowflake_gate.url,
            target=SnowflakeSettings(can_select=(table,)),
            valid=secret_value(valid),
            invalid=secret_value({**valid, "password": "wrong-password"}),
            proves=(LOGIN, right(table)),
        )

    def verify_within(self, bench: ConnectorBench, seconds: int, url: str) -> VerificationResult:
        return bench.verify(url=url, deadline=timedelta(seconds=seconds))

    @pytest.mark.parametrize("answer", [page("200 OK"), page("200 OK", "[]", "application/json")])
    def test_unexpected_answer(self, bench: ConnectorBench, answer: bytes) -> None:
        with raw_server(answer) as odd:  # the connector would repeat it as long as it may
            result = self.verify_within(bench, 3, odd)
        assert result.status is VerificationStatus.INDETERMINATE, result

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
    def test_block_page_of_a_middlebox_judges_nothing(self, bench: ConnectorBench, status: str) -> None:
        with raw_server(page(status)) as blocked:
            result = self.verify_within(bench, 3, blocked)
        assert result.status is VerificationStatus.INDETERMINATE, result

    def test_missing_table_reads_as_a_missing_right(self, bench: ConnectorBench, table: str) -> None:
        missing = table.replace("CUSTOMER", "MISSING")
        result = bench.verify(target=SnowflakeSettings(can_select=(missing, table)))
        assert (result.reason, result.not_proved) == (Reason.NO_PERMISSION, (right(missing),))

    def test_locked_user_is_told(self, bench: ConnectorBench, snowflake_gate: SnowflakeGate) -> None:
        snowflake_gate.users.change(bench.valid["user"].get_secret_value(), refusal=["390102", "locked"])
        assert bench.verify().reason is Reason.LOCKED

    def test_without_the_connector_the_extra_is_named(self, bench: ConnectorBench) -> None:
        verifier = SnowflakeVerifier(clock=lambda: NOW, python=sys.executable)
        target = bench.target.model_copy(update={"endpoint": bench.url})
        result = verifier.verify(target, bench.valid, deadline=timedelta(seconds=20), via=None)
        assert result.reason is Reason.NOT_CONFIGURED
        assert "install lifecycle[snowflake]" in result.detail


class TestKeyPairByConnector:
    """A key pair, by Snowflake's own connector in a process of its own, against the double."""

    @pytest.fixture
    def bench(self, snowflake_gate: SnowflakeGate, pairs: tuple[KeyPair, KeyPair], table: str) -> ConnectorBench:
        user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pairs[0].public})
        valid = {"account": snowflake_gate.account, "user": user, "private_key": _pem(pairs[0])}
        return ConnectorBench(
            make=At,
            url=snowflake_gate.url,
            target=SnowflakeSettings(can_select=(table,), client="connector"),
            valid=secret_value(valid),
            invalid=secret_value({**valid, "private_key": _pem(pairs[1])}),
            proves=(LOGIN, right(table)),
        )

    def test_valid_also_with_an_encrypted_key(self, bench: ConnectorBench, pairs: tuple[KeyPair, KeyPair]) -> None:
        assert bench.verify().proved == bench.proves
        encrypted = {"private_key": _pem(pairs[0], "phrase"), "private_key_passphrase": "phrase"}
        assert bench.verify({**bench.valid, **secret_value(encrypted)}).reason is Reason.WORKS

    def test_other_key_is_refused(self, bench: ConnectorBench) -> None:
        result = bench.verify(bench.invalid)
        assert (result.reason, result.proved) == (Reason.WRONG_VALUE, ())

    def test_locked_user_and_missing_table_are_told(
        self, bench: ConnectorBench, snowflake_gate: SnowflakeGate, table: str
    ) -> None:
        missing = table.replace("CUSTOMER", "MISSING")
        target = bench.target.model_copy(update={"can_select": (missing, table)})
        result = bench.verify(target=target)
        assert (result.reason, result.not_proved) == (Reason.NO_PERMISSION, (right(missing),))
        snowflake_gate.users.change(bench.valid["user"].get_secret_value(), refusal=["390102", "locked"])
        assert bench.verify().reason is Reason.LOCKED

    def test_connector_that_is_asked_for_and_absent_is_told_and_auto_goes_on_without(
        self, bench: ConnectorBench
    ) -> None:
        verifier = SnowflakeVerifier(clock=lambda: NOW, signing_clock=lambda: datetime.now(UTC))
        target = bench.target.model_copy(update={"endpoint": bench.url})
        asked = verifier.verify(target, bench.valid, deadline=LONG, via=None)
        assert asked.reason is Reason.NOT_CONFIGURED
        assert "install lifecycle[snowflake]" in asked.detail
        auto = verifier.verify(target.model_copy(update={"client": "auto"}), bench.valid, deadline=LONG, via=None)
        assert auto.reason is Reason.WORKS

    @pytest.mark.parametrize("client", ["connector", "sql_api"])
    def test_private_authority_is_trusted_by_setting_only(
        self, bench: ConnectorBench, snowflake_gate: SnowflakeGate, tmp_path: Path, client: str
    ) -> None:
        certificate = write_server_certificate(tmp_path)
        with tls_in_front(snowflake_gate.port, certificate) as url:
            changes = {"client": client, "ca_file": str(certificate.ca_file)}
            trusted = bench.verify(url=url, target=bench.target.model_copy(update=changes))
            assert trusted.reason is Reason.WORKS, trusted
            untrusted = bench.verify(url=url, target=bench.target.model_copy(update={"client": client}))
            assert untrusted.reason is Reason.TLS_UNKNOWN_ISSUER
