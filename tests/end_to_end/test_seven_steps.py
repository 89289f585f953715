"""What a new user does, from nothing to a removed credential, on both sandboxes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from tests.end_to_end.checkout import Checkout
from tests.end_to_end.conftest import NewCheckout
from tests.end_to_end.outside import Outside

CREDENTIALS = ("datarobot-agent-key", "feature-reader-key", "pipeline-oauth")
_ADDITION = """
service_accounts:
  report-writer:
    platform: aws
    principal: user
    purpose: writes reports
    permissions:
      - {actions: ["s3:GetObject"], resources: ["arn:aws:s3:::lifecycle-sandbox-features/reports/*"]}
credentials:
  report-writer-key:
    kind: aws_iam_access_key
    service_account: report-writer
    rotation_period: 30d
    grace: {minimum: 1s, ceiling: 5m}
    reason: CIS AWS 1.14
    deliver_to:
      - file: {path: report-writer.json, mode: "0600"}
"""
_ACCOUNT, _CREDENTIAL = _ADDITION.split("credentials:\n")
_AGENT = """
agents:
  monitoring-b:
    kind: monitoring
    runtime:
      ecs_fargate: {cluster: lifecycle-sandbox, cpu: 256, memory: 512, image: "registry.acme.example/mlops-agent:11.2"}
    service_account: scoring-pipeline
    spooler: {filesystem: {directory: /var/spool/mlops}}
    egress: datarobot-egress
    api_token: datarobot-agent-key
"""
_ENTRY = "      - {cidr: 10.40.0.0/24, port: 5432"
_NEW_ENTRY = "      - {cidr: 10.41.0.0/24, port: 5433, reason: reports database, ticket: NET-200}\n"


def _nothing_left(checkout: Checkout, outside: Outside) -> None:
    assert checkout.strangers() == {}
    assert checkout.litter() == []
    assert not outside.state_is_locked()


def _named(checkout: Checkout) -> str:
    """The file in which this environment declares its allowlist."""
    return "network.yaml" if checkout.env == "sandbox" else "environment.yaml"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("env", ["sandbox", "sandbox-vault"])
def test_the_steps_of_a_new_user(new_checkout: NewCheckout, env: str) -> None:
    checkout = new_checkout(env)
    _applies_from_nothing(checkout)
    outside = Outside.of(checkout)
    _nothing_left(checkout, outside)
    _says_no_changes_the_second_time(checkout)
    _rotates_all(checkout, outside)
    _nothing_left(checkout, outside)
    _applies_just_what_was_added(checkout, outside)
    _retires_and_removes(checkout, outside)
    _takes_a_retired_name_again(checkout, outside)
    _nothing_left(checkout, outside)


def _applies_from_nothing(checkout: Checkout) -> None:
    done = checkout.run("apply", ok=True)
    assert "new instance" in done.err and "to create" in done.err
    assert f"{len(CREDENTIALS)} worked on, 0 not due" in done.out
    assert "4 valid, 0 invalid, 0 indeterminate" in done.out
    assert "leak scan    clean" in done.out and "receipt  " in done.out
    records = checkout.journal()
    assert {name: (r["state"], r["outcome"]) for name, r in records.items()} == dict.fromkeys(
        CREDENTIALS, ("CLOSED", "done")
    )


def _says_no_changes_the_second_time(checkout: Checkout) -> None:
    done = checkout.run("apply", ok=True)
    assert re.search(r"^plan +no changes$", done.err, re.M) and re.search(r"^rotate +nothing due$", done.err, re.M)
    assert re.search(r"^verify +4 valid$", done.err, re.M) and "changes      none" in done.out
    assert checkout.run("plan", "--detailed-exitcode").code == 0


def _rotates_all(checkout: Checkout, outside: Outside) -> None:
    old = {name: outside.current(name) for name in CREDENTIALS}
    assert {name: outside.works(name, value) for name, value in old.items()} == dict.fromkeys(CREDENTIALS, True)
    done = checkout.run("rotate", "apply", "--all", "--wait", ok=True)
    assert done.out.count(": done") == len(CREDENTIALS)
    assert {name: r["state"] for name, r in checkout.journal().items()} == dict.fromkeys(CREDENTIALS, "CLOSED")
    new = {name: outside.current(name) for name in CREDENTIALS}
    assert {name: outside.works(name, value) for name, value in new.items()} == dict.fromkeys(CREDENTIALS, True)
    assert {name: outside.works(name, value) for name, value in old.items()} == dict.fromkeys(CREDENTIALS, False)
    assert outside.access_keys(f"{checkout.env}-feature-reader") == {new["feature-reader-key"]["access_key_id"]}
    assert new["feature-reader-key"]["access_key_id"] != old["feature-reader-key"]["access_key_id"]


def _applies_just_what_was_added(checkout: Checkout, outside: Outside) -> None:
    agent = _AGENT if checkout.env == "sandbox" else ""  # an agent on ECS needs its token in Secrets Manager
    checkout.add("reports.yaml", _ADDITION + agent)
    checkout.edit(_named(checkout), _ENTRY, _NEW_ENTRY + _ENTRY)
    planned = checkout.run("plan", ok=True)
    changed = {line.split(":")[0] for line in planned.out.splitlines() if re.match(r"[a-z_]+\.[a-z-]+: ", line)}
    expected = {"service_accounts.report-writer", "allowlists.datarobot-egress"}
    expected |= {"agents.monitoring-b"} if agent else set()
    expected |= {"credentials.report-writer-key"} if checkout.env == "sandbox" else set()
    assert changed - {"agents.monitoring-a"} == expected, planned.out
    assert "newly allowed: 10.41.0.0/24 on port 5433" in planned.out
    assert "credentials.report-writer-key" in planned.out
    assert checkout.run("plan", "--detailed-exitcode").code == 6
    done = checkout.run("apply", ok=True)
    assert "report-writer-key: done" in done.out and "1 worked on, 3 not due" in done.out
    assert outside.works("report-writer-key", outside.current("report-writer-key"))


def _retires_and_removes(checkout: Checkout, outside: Outside) -> None:
    value = outside.current("report-writer-key")
    checkout.add("reports.yaml", _ACCOUNT)
    refused = checkout.run("apply")
    assert refused.code == 5, refused.text
    assert re.search(r"LC-[A-Z]+-\d+", refused.err) and "report-writer-key" in refused.err, refused.err
    assert re.search(r"environments/[\w/.-]+\.yaml:\d+", refused.err), refused.err
    assert "next: put the entry back and run `lifecycle rotate retire report-writer-key`" in refused.err
    assert outside.works("report-writer-key", value)
    checkout.add("reports.yaml", _ADDITION)
    retired = checkout.run("rotate", "retire", "report-writer-key", ok=True)
    assert "report-writer-key: done" in retired.out
    assert not outside.works("report-writer-key", value)
    assert outside.access_keys(f"{checkout.env}-report-writer") == set()
    assert not (checkout.state / "delivered" / "report-writer.json").exists()
    checkout.add("reports.yaml", _ACCOUNT)
    removed = checkout.run("apply", ok=True)
    assert "report-writer-key" in removed.text


def _takes_a_retired_name_again(checkout: Checkout, outside: Outside) -> None:
    checkout.add("reports.yaml", _ADDITION)
    done = checkout.run("apply", ok=True)
    assert "report-writer-key: done" in done.out, done.text
    again: Mapping[str, str] = outside.current("report-writer-key")
    assert outside.works("report-writer-key", again)
    assert checkout.run("plan", "--detailed-exitcode").code == 0
