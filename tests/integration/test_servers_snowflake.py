"""What the Snowflake of the tests refuses, judged over the SQL API and by Snowflake's own connector."""

import base64
import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.servers.environment import minimal_environment
from tests.servers.provisioned import provisioned
from tests.servers.snowflake_gate import KeyPair, SnowflakeGate

# Run by the server's interpreter, as the connector does not lie in ours. Parameters come on standard input.
_LOG_IN = """
import base64, json, sys
import snowflake.connector
options = json.load(sys.stdin)
statement = options.pop("statement", "SELECT 1")
if "private_key" in options:
    options["private_key"] = base64.b64decode(options["private_key"])
try:
    with snowflake.connector.connect(**options) as connection:
        print(json.dumps({"rows": connection.cursor().execute(statement).fetchall()}))
except snowflake.connector.errors.Error as error:
    print(json.dumps({"code": error.errno}))
"""


def connector_answer(gate: SnowflakeGate, folder: Path, user: str, **options: object) -> dict[str, object]:
    """What Snowflake's connector gets: rows, or the number of an error."""
    where = {"host": "127.0.0.1", "port": gate.port, "protocol": "http", "account": gate.account}
    limits = {"login_timeout": 30, "user": user}
    done = subprocess.run(
        [provisioned("snowflake"), "-c", _LOG_IN],
        input=json.dumps({**where, **limits, **options}),
        env=minimal_environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return KeyPair.generate()


@pytest.fixture(scope="module")
def other_pair() -> KeyPair:
    return KeyPair.generate()


def status(gate: SnowflakeGate, user: str, pair: KeyPair, **claims: float) -> tuple[int, str]:
    answer = gate.post("SELECT 1", token=pair.token(account=gate.account, user=user, **claims))
    return answer.status_code, answer.json()["code"]


def test_either_key_slot_logs_in_and_an_unset_one_no_more(
    snowflake_gate: SnowflakeGate, pair: KeyPair, other_pair: KeyPair
) -> None:
    user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
    assert status(snowflake_gate, user, other_pair) == (401, "390144")
    snowflake_gate.execute(f"ALTER USER {user} SET RSA_PUBLIC_KEY_2 = '{other_pair.public}'")
    assert status(snowflake_gate, user, pair) == (200, "090001")
    assert status(snowflake_gate, user, other_pair) == (200, "090001")
    snowflake_gate.execute(f"ALTER USER {user} UNSET RSA_PUBLIC_KEY")
    assert status(snowflake_gate, user, pair) == (401, "390144")
    assert status(snowflake_gate, user, other_pair) == (200, "090001")


def test_kind_age_signature_and_account_of_a_token_are_checked(
    snowflake_gate: SnowflakeGate, pair: KeyPair, other_pair: KeyPair
) -> None:
    user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
    token = pair.token(account=snowflake_gate.account, user=user)
    assert snowflake_gate.post("SELECT 1", token=token, kind="").status_code == 200
    assert snowflake_gate.post("SELECT 1", token=token, kind="OAUTH").json()["code"] == "390303"
    assert status(snowflake_gate, user, pair, issued_at=time.time() - 120) == (401, "390144")
    head, claims, _ = pair.token(account=snowflake_gate.account, user=user).split(".")
    signature = other_pair.token(account=snowflake_gate.account, user=user).rsplit(".", 1)[1]
    assert snowflake_gate.post("SELECT 1", token=f"{head}.{claims}.{signature}").status_code == 401
    elsewhere = pair.token(account="OTHER", user=user)
    assert snowflake_gate.post("SELECT 1", token=elsewhere).json()["code"] == "390144"


def test_description_shows_the_fingerprints_of_both_slots(snowflake_gate: SnowflakeGate, pair: KeyPair) -> None:
    user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY_2": pair.public})
    described = {row[0]: row[1] for row in snowflake_gate.execute(f'DESC USER "{user}"')}
    assert described["RSA_PUBLIC_KEY_2_FP"] == pair.fingerprint
    assert described["RSA_PUBLIC_KEY_FP"] == "null"


def test_user_without_the_right_cannot_change_keys(snowflake_gate: SnowflakeGate, pair: KeyPair) -> None:
    user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public})
    token = pair.token(account=snowflake_gate.account, user=user)
    answer = snowflake_gate.post(f"ALTER USER {user} UNSET RSA_PUBLIC_KEY", token=token)
    assert (answer.status_code, answer.json()["code"]) == (422, "003001")
    answer = snowflake_gate.post("DESC USER administrator", token=token)
    assert (answer.status_code, answer.json()["code"]) == (422, "002003")


def test_key_with_pem_lines_is_refused(snowflake_gate: SnowflakeGate) -> None:
    user = snowflake_gate.users.fresh()
    token = snowflake_gate.admin.token(account=snowflake_gate.account, user="ADMINISTRATOR")
    key = "-----BEGIN PUBLIC KEY-----\\nMIIB\\n-----END PUBLIC KEY-----"
    answer = snowflake_gate.post(f"ALTER USER {user} SET RSA_PUBLIC_KEY = '{key}'", token=token)
    assert answer.status_code == 422
    assert "Invalid public key" in answer.json()["message"]


def test_tables_can_be_made_and_selected_from(snowflake_gate: SnowflakeGate) -> None:
    snowflake_gate.execute("CREATE DATABASE IF NOT EXISTS gate_features")
    where = {"database": "GATE_FEATURES", "schema": "PUBLIC"}
    snowflake_gate.execute("CREATE SCHEMA IF NOT EXISTS gate_features.public")
    snowflake_gate.execute("CREATE OR REPLACE TABLE customer AS SELECT 1 AS id, 'a' AS name", **where)
    assert snowflake_gate.execute("SELECT id, name FROM customer", **where) == [["1", "a"]]
    token = snowflake_gate.admin.token(account=snowflake_gate.account, user="ADMINISTRATOR")
    missing = snowflake_gate.post("SELECT * FROM nothing_here", token=token, **where)
    assert (missing.status_code, missing.json()["code"]) == (422, "002003")


@pytest.mark.parametrize(
    ("kind", "field", "invalid", "expired"),
    [("OAUTH", "oauth_tokens", "390303", "390318"), ("PROGRAMMATIC_ACCESS_TOKEN", "access_tokens", "394400", "394401")],
)
def test_opaque_tokens_are_told_apart_when_unknown_and_when_expired(
    snowflake_gate: SnowflakeGate, kind: str, field: str, invalid: str, expired: str
) -> None:
    good, lapsed = f"{kind}-good", f"{kind}-lapsed"
    snowflake_gate.users.fresh(**{field: {good: time.time() + 60, lapsed: time.time() - 1}})
    codes = [
        snowflake_gate.post("SELECT 1", token=token, kind=kind).json()["code"] for token in (good, "unknown", lapsed)
    ]
    assert codes == ["090001", invalid, expired]


def test_connector_logs_in_by_password_or_key_and_gets_snowflakes_codes(
    snowflake_gate: SnowflakeGate, tmp_path: Path, pair: KeyPair, other_pair: KeyPair
) -> None:
    user = snowflake_gate.users.fresh(password="right", keys={"RSA_PUBLIC_KEY": pair.public})

    def answer(**options: object) -> dict[str, object]:
        return connector_answer(snowflake_gate, tmp_path, user, **options)

    def key(of: KeyPair) -> dict[str, object]:
        return {"authenticator": "SNOWFLAKE_JWT", "private_key": base64.b64encode(of.private_der).decode()}

    assert answer(password="right") == {"rows": [[1]]}
    assert answer(password="wrong") == {"code": 390100}
    assert answer(**key(pair)) == {"rows": [[1]]}
    assert answer(**key(other_pair)) == {"code": 390144}


def test_connector_logs_in_by_token_and_describes_its_user(snowflake_gate: SnowflakeGate, tmp_path: Path) -> None:
    tokens = {name: f"{name}-{time.time()}" for name in ("oauth", "access")}
    expiry = time.time() + 60
    user = snowflake_gate.users.fresh(oauth_tokens={tokens["oauth"]: expiry}, access_tokens={tokens["access"]: expiry})
    by_oauth = {"authenticator": "oauth", "token": tokens["oauth"], "statement": f"DESC USER {user}"}
    rows = connector_answer(snowflake_gate, tmp_path, user, **by_oauth)["rows"]
    assert isinstance(rows, list)
    assert ["NAME", user, "null", "Name"] in rows
    by_access_token = {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN", "token": tokens["access"]}
    assert connector_answer(snowflake_gate, tmp_path, user, **by_access_token) == {"rows": [[1]]}


def test_user_can_be_refused_although_its_key_is_right(snowflake_gate: SnowflakeGate, pair: KeyPair) -> None:
    refusal = ["390422", "Incoming request with IP/Token 203.0.113.7 is not allowed to access Snowflake."]
    user = snowflake_gate.users.fresh(keys={"RSA_PUBLIC_KEY": pair.public}, refusal=refusal)
    assert status(snowflake_gate, user, pair) == (401, "390422")
