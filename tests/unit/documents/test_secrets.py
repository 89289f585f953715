"""What looks like a secret is refused and never shown, whatever else is wrong beside it."""

from __future__ import annotations

import pytest

from lifecycle.documents.secret_shapes import is_random, is_telling, known_format, looks_secret
from tests.unit.documents.conftest import SMALLEST, Complain, Load
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

CANARY = "q7Rz9LmX2vTt4KpW8sYc"
SECRETS = {
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "encrypted private key": "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "AWS key": "AKIA" + "ABCDEFGHIJ234567",
    "temporary AWS key": "ASIA" + "ABCDEFGHIJ234567",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + CANARY,
    "GitHub": "ghp_" + CANARY * 2,
    "Vault": "hvs." + CANARY + CANARY,
    "Slack": "xoxb-" + CANARY,
    "URL": "postgres://svc:" + CANARY + "@db.example.com/x",
    "connection string": "Server=db;Password=" + CANARY,
    "account key": "AccountName=a;AccountKey=" + CANARY,
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "template",
    [
        "service_accounts:\n  robot: {{platform: aws, purpose: '{}'}}\n",
        "service_accounts:\n  robot: {{platform: '{}'}}\n",
        "service_accounts:\n  robot:\n    platform: aws\n    purpose: |\n      text\n      {}\n",
        "service_accounts:\n  robot: {{platform: aws, tags: {{'{}': x}}}}\n",
        "'{}': 1\n",
        "# {}\n",
    ],
)
def test_a_known_format_is_refused_anywhere_and_not_shown(name: str, template: str, complain: Complain) -> None:
    told = complain(main=template.format(SECRETS[name]))
    assert any("looks like" in text for text in told), told
    assert all(SECRETS[name] not in text and CANARY not in text for text in told), told


def test_escapes_hide_no_secret(complain: Complain) -> None:
    told = complain(main='service_accounts:\n  robot: {platform: aws, purpose: "\\x41KIAABCDEFGHIJ234567"}\n')
    assert told[0].startswith(
        "environments/prod/main.yaml:7:26: service_accounts.robot.purpose: the value looks like an"
    )


@pytest.mark.parametrize(
    "key", ["password", "db_password", "client_secret", "'token'", "apiKey", "api_token", "secret_id"]
)
@pytest.mark.parametrize("value", [CANARY, "7f3a2b1c-9d8e-4f6a-b5c4-d3e2f1a0b9c8", "deadbeefdeadbeef12345678"])
def test_random_text_under_a_telling_key_is_refused(key: str, value: str, complain: Complain) -> None:
    told = complain(main=f"service_accounts:\n  robot: {{platform: aws, tags: {{{key}: {value}}}}}\n")
    assert f"service_accounts.robot.tags.{key.strip(chr(39))}: the value looks like a secret" in told[0]
    assert value not in "".join(told)


def test_a_telling_variable_is_refused(complain: Complain) -> None:
    told = complain(main=f"vars: {{db_password: {{type: string, value: {CANARY}}}}}\n")
    assert told[0].startswith("environments/prod/main.yaml:6:36: vars.db_password.value: the value looks like a secret")


@pytest.mark.parametrize(
    "text",
    [
        "service_accounts:\n  robot: {{platform: {0}, purpse: {0}, manage: {0}}}\n",
        "version: {0}\n",
        "{0}: {0}\n",
        "a: *{0}\n",
    ],
)
def test_no_message_shows_what_may_be_a_secret(text: str, complain: Complain) -> None:
    assert CANARY not in "".join(complain(main=text.format(CANARY)))


def test_the_whole_spec_holds_nothing_that_looks_like_a_secret(load: Load) -> None:
    load({"_base/base.yaml": BASE, "prod/main.yaml": MAIN, "prod/more.yaml": MORE})
    load(main="connectors: {}\n")
    assert known_format(SMALLEST) is None


@pytest.mark.parametrize(
    "name",
    [
        "datarobot-agent-key",
        "svc-mlops@acme.example",
        "eu-central-1a",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:datarobot/prod-AbCdEf",
        "https://vault.acme.example/v1/auth/token",
        "sandbox://datarobot",
        "${var.api_token}",
        "the token of the nightly job, see NET-112",
        "datarobot/prod/snowflake-ingest",
        "DATAROBOT_INGEST_SECRET_2",
    ],
)
def test_names_and_addresses_are_no_secrets(name: str) -> None:
    assert known_format(name) is None
    assert not is_random(name, prompted=True)
    assert not looks_secret(name)


def test_keys_that_name_things_do_not_tell() -> None:
    assert not any(map(is_telling, ["secret_stores", "secret_arn", "token_url", "owner", "key", "kms_key", "egress"]))
    assert all(map(is_telling, ["password", "client_secret", "private_key", "accessToken", "HMAC_KEY"]))
