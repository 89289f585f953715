"""Who uses what, what was approved, and which quota a rotation takes from: read from a real spec and real receipts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.quotas import Quotas
from lifecycle.bootstrap.rotation_rules import RotationRules
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import CheckRefusedError, ExitCode
from lifecycle.domain.grants import grants
from lifecycle.domain.receipt import Receipt, RunState
from lifecycle.domain.rotation_policy import Limits
from lifecycle.journals.receipt_files import ReceiptFiles
from lifecycle.settings import Settings

POLICIES = Path(__file__).parents[3] / "policies"
PG = {"kind": "postgres_role_password", "host": "db.acme.example", "reason": "risk analysis RA-1"}
SPEC: dict[str, Any] = {
    "version": 1,
    "environment": "prod",
    "owner": "ml-platform",
    "aws": {"account_id": "123456789012", "region": "eu-west-1"},
    "datarobot": {"default": {"endpoint": "https://app.eu.datarobot.com/api/v2"}},
    "backend": {"s3": {"bucket": "acme-state", "key": "prod.tfstate", "region": "eu-west-1", "use_lockfile": True}},
    "secret_stores": {"default": {"vault": {"address": "https://vault.acme.example", "auth": {"token": {}}}}},
    "journal": {"dynamodb": {"table": "lifecycle-journal"}},
    "credentials": {
        "pg-admin": {**PG, "role": "rotator"},
        "pg-app": {
            **PG,
            "role": "ingest",
            "admin": "pg-admin",
            "max_age": "100d",
            "change_window": {"days": ["sun"], "start": "02:00", "end": "04:00"},
            "deliver_to": [{"file": {"path": "/run/pg-app.json"}}],
            "consumers": [
                {
                    "unobservable": {
                        "name": "batch",
                        "owner": "ann",
                        "reason": "closed appliance",
                        "expires": "2027-01-01",
                    }
                }
            ],
        },
        "api-key": {"kind": "datarobot_api_key", "principal": "svc@acme.example", "reason": "risk analysis RA-2"},
        "alone": {**PG, "role": "nobody"},
    },
    "connectors": {"api": {"kind": "datarobot", "credential": "api-key"}},
}


def around_of(root: Path, spec: dict[str, Any], **settings: Any) -> Surroundings:
    folder = root / "environments" / "prod"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.yaml").write_text(json.dumps(spec))  # YAML of another style: everything is quoted
    paths = Paths(root=root, env="prod", state_home=root / "state")
    return Surroundings(
        settings=Settings(root=root, **settings), paths=paths, step=lambda _name, _text: None, note=lambda _text: None
    )


def rules_of(root: Path, spec: dict[str, Any], **settings: Any) -> tuple[Surroundings, RotationRules]:
    around = around_of(root, spec, **settings)
    return around, RotationRules(around, Stores(around))


def applied(root: Path) -> None:
    """Leave the receipt of an apply of the spec as it is."""
    around = around_of(root, SPEC)
    receipt = Receipt(
        id="run-1",
        environment="prod",
        actor="ann",
        tool_version="0",
        state=RunState.FINISHED,
        started=datetime(2026, 11, 24, tzinfo=UTC),
        grants=grants(around.spec),
    )
    ReceiptFiles(around.paths.receipts).complete(receipt)


def changed(edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(SPEC))
    edit(copy)
    return copy


def refused(root: Path, spec: dict[str, Any]) -> dict[str, str]:
    """Credential -> why its values may go nowhere."""
    around, rules = rules_of(root, spec)
    found = {name: rules.unapproved(entry) for name, entry in around.spec.credentials.items()}
    assert all(isinstance(error, CheckRefusedError) and error.remedy for error in found.values() if error)
    return {name: error.message for name, error in found.items() if error is not None}


def test_receipt_that_cannot_be_read_refuses_every_value_and_stops_no_question(tmp_path: Path) -> None:
    applied(tmp_path)
    around = around_of(tmp_path, SPEC)
    (path,) = around.paths.receipts.glob("*.json")
    path.write_bytes(path.read_bytes()[:40])
    told = refused(tmp_path, SPEC)
    assert told.keys() == SPEC["credentials"].keys()
    assert "what was approved last is not known" in told["alone"] and "cut or edited" in told["alone"]


def test_the_spec_of_the_last_apply_is_approved(tmp_path: Path) -> None:
    applied(tmp_path)
    assert refused(tmp_path, SPEC) == {}


def test_a_period_is_no_grant(tmp_path: Path) -> None:
    applied(tmp_path)
    assert refused(tmp_path, changed(lambda s: s["credentials"]["pg-app"].update(rotation_period="30d"))) == {}


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str, set[str]]] = {
    "a destination": (
        lambda s: s["credentials"]["pg-app"].update(deliver_to=[{"file": {"path": "/tmp/x"}}]),
        "now: credentials.pg-app is delivered to file path /tmp/x; no longer: credentials.pg-app is delivered to "
        "file path /run/pg-app.json",
        {"pg-app"},
    ),
    "a command": (
        lambda s: s["credentials"]["pg-app"]["deliver_to"][0]["file"].update(reload=["/usr/bin/curl", "evil"]),
        "/usr/bin/curl + evil",
        {"pg-app"},
    ),
    "a consumer": (
        lambda s: s["credentials"]["pg-app"].update(consumers=[]),
        "no longer: credentials.pg-app is held by batch",
        {"pg-app"},
    ),
    "an issuer's endpoint": (
        lambda s: s["credentials"]["pg-app"].update(host="db.evil.example"),
        "now: credentials.pg-app is made by postgres_role_password admin pg-admin, host db.evil.example",
        {"pg-app"},
    ),
    "a probe target": (
        lambda s: s["connectors"].update(more={"kind": "postgres", "credential": "pg-app", "host": "db.evil.example"}),
        "by connectors.more at postgres host db.evil.example",
        {"pg-app"},
    ),
    "a store": (
        lambda s: s["secret_stores"]["default"]["vault"].update(address="https://vault.evil.example"),
        "vault.evil.example",
        {"pg-app", "pg-admin", "api-key", "alone"},
    ),
    "a DataRobot installation": (
        lambda s: s["datarobot"]["default"].update(endpoint="https://evil.example/api/v2"),
        "now: datarobot.default is at https://evil.example/api/v2",
        {"pg-app", "pg-admin", "api-key", "alone"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_of_who_gets_a_value_is_refused_in_its_own_words(tmp_path: Path, name: str) -> None:
    edit, words, whose = CHANGES[name]
    applied(tmp_path)
    told = refused(tmp_path, changed(edit))
    assert set(told) == whose
    assert all(words in message for message in told.values()), told


def test_a_host_without_a_receipt_hands_out_nothing_unless_the_spec_is_pinned(tmp_path: Path) -> None:
    assert set(refused(tmp_path, SPEC)) == set(SPEC["credentials"])
    around, rules = rules_of(tmp_path, SPEC, spec_digest=rules_of(tmp_path, SPEC)[1].spec_digest)
    assert rules.unapproved(around.spec.credentials["pg-app"]) is None
    around, rules = rules_of(tmp_path, SPEC, spec_digest="sha256:older")
    error = rules.unapproved(around.spec.credentials["pg-app"])
    assert error is not None and error.exit_code is ExitCode.REFUSED and "sha256:older" in error.message


def test_the_run_that_applies_a_spec_may_hand_out_its_first_values(tmp_path: Path) -> None:
    """A run that was killed before its receipt was complete leaves none; the next one finds nothing to change."""
    around, rules = rules_of(tmp_path, SPEC)
    rules.approved_by_this_run()
    assert [rules.unapproved(entry) for entry in around.spec.credentials.values()] == [None] * 4


def test_who_uses_a_credential_is_told_from_the_whole_spec(tmp_path: Path) -> None:
    around, rules = rules_of(tmp_path, SPEC)
    known = around.spec.credentials
    assert rules.users(known["pg-app"]) == ("batch", "file")
    assert rules.users(known["pg-admin"]) == ("credentials.pg-app",)
    assert rules.users(known["api-key"]) == ("connectors.api",)
    assert rules.users(known["alone"]) == ()
    assert rules.uses(known["pg-app"]) == ("pg-admin",) and rules.uses(known["pg-admin"]) == ()


def test_periods_and_windows_of_the_spec_reach_the_policy(tmp_path: Path) -> None:
    around, rules = rules_of(tmp_path, SPEC)
    policy = rules.policy(around.spec.credentials["pg-app"])
    assert policy.max_age == timedelta(days=100) and str(policy.window) == "sun 02:00 to 04:00 UTC"
    assert rules.policy(around.spec.credentials["api-key"]).window is None


def test_rules_that_nobody_pinned_speak_against_every_rotation(tmp_path: Path) -> None:
    shutil.copytree(POLICIES, tmp_path / "policies")
    around, rules = rules_of(tmp_path, SPEC)
    (error,) = rules.objections(around.spec.credentials["pg-app"])
    assert error.exit_code is ExitCode.REFUSED and "pinned" in error.message


def test_rules_that_cannot_be_read_speak_against_every_rotation_too(tmp_path: Path) -> None:
    around, rules = rules_of(tmp_path, SPEC)
    (error,) = rules.objections(around.spec.credentials["pg-app"])
    assert error.exit_code is ExitCode.REFUSED and "policies" in error.message


def test_credentials_of_one_provider_share_its_bucket_and_settings_correct_a_guess(tmp_path: Path) -> None:
    around = around_of(tmp_path, SPEC, rates={"datarobot": 2.5})
    quotas, known = Quotas(around), around.spec.credentials
    assert quotas.budget(known["pg-app"]) is quotas.budget(known["pg-admin"])
    assert quotas.budget(known["pg-app"]) is not quotas.budget(known["api-key"])
    assert quotas.breaker(known["pg-app"]) is quotas.breaker(known["alone"])
    assert quotas.breaker(known["pg-app"]) is not quotas.breaker(known["api-key"])
    (use,) = quotas.uses(known["api-key"])
    assert (use.quota, use.per_second) == ("datarobot", 2.5)


def test_what_lives_for_minutes_is_replaced_at_two_thirds_and_tried_again_within_them(tmp_path: Path) -> None:
    oauth = {"issuer": "https://login.acme.example", "reason": "risk analysis RA-3"}
    client = {"kind": "oauth_client_secret", "client_id": "svc", **oauth}
    token = {"kind": "oauth_access_token", "client": "client", "lifetime": "15m", **oauth}
    around, rules = rules_of(tmp_path, changed(lambda s: s["credentials"].update(client=client, token=token)))
    entries, usual = around.spec.credentials, Limits()
    policy, limits = rules.policy(entries["token"]), rules.limits(entries["token"], usual)
    assert (policy.period, policy.minimum) == (timedelta(minutes=10), timedelta(minutes=5))
    assert limits.longest_delay <= policy.period / 4
    assert limits.faults * limits.longest_delay >= timedelta(days=1), "given up no earlier than anything else"
    assert rules.limits(entries["pg-app"], usual) is usual
    assert rules.policy(entries["pg-app"]).period == timedelta(days=90)
    assert rules.uses(entries["token"]) == ("client",)
