"""Golden messages: file, line, column, key path, what is wrong, what is allowed."""

from __future__ import annotations

import pytest

from tests.unit.documents.conftest import SMALLEST, Complain
from tests.unit.documents.whole_spec import BASE, MAIN, MORE

TARGET = "datarobot: {default: {endpoint: https://app.example.com/api/v2}}\n"
AGENT = """\
agents:
  eu-1:
    kind: monitoring
    runtime: {ecs_fargate: {cluster: mlops}}
    service_account: robot
    spooler: {sqs: {queue: spool}}
    egress: out
    api_token: key
"""

# What is appended to the smallest spec (five lines), and what is said about it.
CASES = {
    "unknown top-level key": (
        "agnets: {}\n",
        "main.yaml:6:1: agnets: unknown key (did you mean `agents`? allowed: agents, allowlists, approvals, ",
    ),
    "unknown key of an entry": (
        "service_accounts:\n  robot: {platform: aws, purpse: x}\n",
        "main.yaml:7:26: service_accounts.robot.purpse: unknown key (did you mean `purpose`? allowed: ",
    ),
    "internal field": (
        "service_accounts:\n  robot: {platform: aws, place: x}\n",
        "main.yaml:7:26: service_accounts.robot.place: unknown key (",
    ),
    "unknown nested key": (
        "service_accounts:\n  robot: {platform: aws, trust: {servce: ecs-tasks}}\n",
        "main.yaml:7:34: service_accounts.robot.trust.servce: unknown key (did you mean `service`? allowed: account, "
        "external_id, oidc, service)",
    ),
    "wrong choice": (
        "service_accounts:\n  robot: {platform: awz}\n",
        "main.yaml:7:11: service_accounts.robot.platform: `awz` is not one of the choices (did you mean `aws`? "
        "allowed: aws, datarobot, entra)",
    ),
    "missing": (
        "service_accounts:\n  robot: {purpose: x}\n",
        "main.yaml:7:3: service_accounts.robot.platform: is required (add `platform:`)",
    ),
    "bad name": (
        "service_accounts:\n  Robot_1: {platform: aws}\n",
        "main.yaml:7:3: service_accounts.Robot_1: is not a name (use up to 63 small letters, digits and inner hyphens)",
    ),
    "not a mapping": (
        "service_accounts:\n  robot: [aws]\n",
        "main.yaml:7:3: service_accounts.robot: is not a mapping (write the fields of the entry under its name)",
    ),
    "section not a mapping": ("agents: []\n", "main.yaml:6:1: agents: is not a mapping ("),
    "number where text belongs": (
        "aws: {account_id: 123456789012, region: eu}\n",
        "main.yaml:6:7: aws.account_id: `123456789012` is not text (quote it)",
    ),
    "text where a number belongs": (
        'approvals: {required: "1"}\n',
        "main.yaml:6:13: approvals.required: `1` is not a whole number (write it without quotes, as 443)",
    ),
    "out of range": (
        "approvals: {required: 11}\n",
        "main.yaml:6:13: approvals.required: `11` is out of range (it must be at most 10)",
    ),
    "ARN": (
        'aws: {account_id: "123456789012", region: eu, role: admin}\n',
        "main.yaml:6:47: aws.role: `admin` is not an ARN (write it as arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE)",
    ),
    "duration": (
        AGENT + "    log_retention: 3 days\n",
        "main.yaml:14:5: agents.eu-1.log_retention: `3 days` is not a duration (write it as 30s, 15m, 12h, 30d or 2w)",
    ),
    "no value": ("datarobot: {default: {endpoint: }}\n", "main.yaml:6:23: datarobot.default.endpoint: has no value ("),
    "empty list": (
        "service_accounts:\n  robot: {platform: aws, permissions: [{actions: [], resources: [x]}]}\n",
        "main.yaml:7:41: service_accounts.robot.permissions.0.actions: a list must not be empty (name at least one)",
    ),
    "date": (
        "allowlists:\n  out: {targets: [squid], entries: [{host: a.example, reason: r, expires: soon}]}\n",
        "main.yaml:7:66: allowlists.out.entries.0.expires: `soon` is not a date (write it as 2027-03-01)",
    ),
    "host and cidr": (
        "allowlists:\n  out: {targets: [squid], entries: [{reason: r}]}\n",
        "main.yaml:7:37: allowlists.out.entries.0: a mapping must name exactly one destination (write `host` or ",
    ),
    "target": (
        "allowlists:\n  out: {targets: [squidd]}\n",
        "main.yaml:7:19: allowlists.out.targets.0: is not a known target (did you mean `squid`? allowed: ",
    ),
    "kind": (
        "credentials:\n  key: {kind: datarobot_apikey, reason: r}\n",
        "main.yaml:7:9: credentials.key.kind: is not a known kind (did you mean `datarobot_api_key`? allowed: "
        "datarobot_api_key, snowflake_key_pair)",
    ),
    "unknown key of a kind": (
        "credentials:\n  key: {kind: datarobot_api_key, reason: r, principle: me}\n",
        "main.yaml:7:45: credentials.key.principle: unknown key (did you mean `principal`? allowed: ",
    ),
    "common key of a kind misspelt": (
        "credentials:\n  key: {kind: datarobot_api_key, reason: r, principal: me, rotation_perod: 1d}\n",
        "main.yaml:7:60: credentials.key.rotation_perod: unknown key (did you mean `rotation_period`? allowed: ",
    ),
    "missing in a kind": (
        "credentials:\n  key: {kind: datarobot_api_key, reason: r}\n",
        "main.yaml:7:3: credentials.key.principal: is required (add `principal:`)",
    ),
    "quoted number of a kind": (
        'credentials:\n  key: {kind: snowflake_key_pair, reason: r, account: a, user: u, bits: "4096"}\n',
        "main.yaml:7:67: credentials.key.bits: `4096` is text (write it without quotes)",
    ),
    "deep in a kind": (
        "connectors:\n  features: {kind: snowflake, probe: {warehouse: W, can_selct: [T]}}\n",
        "main.yaml:7:53: connectors.features.probe.can_selct: unknown key (did you mean `can_select`? ",
    ),
    "unknown choice": (
        AGENT.replace("ecs_fargate", "ecs_fargat"),
        "main.yaml:9:15: agents.eu-1.runtime.ecs_fargat: `ecs_fargat` is not known here (did you mean `ecs_fargate`? ",
    ),
    "two choices": (
        AGENT.replace("{queue: spool}", "{queue: spool}, ecs_fargate: {}"),
        "main.yaml:11:5: agents.eu-1.spooler: is 2 choices, but exactly one is expected (keep one; ",
    ),
    "settings of a choice": (
        AGENT.replace("{cluster: mlops}", "{cluster: mlops, cpu: 64}"),
        "main.yaml:9:45: agents.eu-1.runtime.ecs_fargate.cpu: `64` is out of range (it must be at least 128)",
    ),
    "bare choice that needs settings": (
        AGENT.replace("{sqs: {queue: spool}}", "sqs"),
        "main.yaml:11:5: agents.eu-1.spooler.queue: is required (add `queue:`)",
    ),
    "reference": (
        AGENT,
        "main.yaml:10:5: agents.eu-1.service_account: `robot` is not defined in `service_accounts` (none is defined)",
    ),
    "reference of a kind": (
        "service_accounts:\n  robot: {platform: aws}\ncredentials:\n"
        "  key: {kind: datarobot_api_key, reason: r, principal: p, service_account: robt}\n",
        "main.yaml:9:59: credentials.key.service_account: `robt` is not defined in `service_accounts` (did you mean ",
    ),
    "reference by default": (
        "credentials:\n  key: {kind: snowflake_key_pair, reason: r, account: a, user: u}\n",
        "main.yaml:7:3: credentials.key.store: `default` is not defined in `secret_stores` (none is defined)",
    ),
    "proxy": (
        "connectors:\n  features: {kind: snowflake, through: nowhere, probe: {warehouse: W}}\n",
        "main.yaml:7:31: connectors.features.through: `nowhere` is not defined in `allowlists`",
    ),
    "reference of a consumer": (
        "credentials:\n  key: {kind: snowflake_key_pair, reason: r, account: a, user: u, consumers: [{agent: eu-2}]}\n",
        "main.yaml:7:80: credentials.key.consumers.0.agent: `eu-2` is not defined in `agents`",
    ),
    "renamed from a living entry": (
        "service_accounts:\n  old: {platform: aws}\n  new: {platform: aws, renamed_from: old}\n",
        "main.yaml:8:24: service_accounts.new.renamed_from: `old` still is an entry of its own (",
    ),
    "existing and own": (
        "service_accounts:\n  robot: {platform: aws, existing: {role_arn: x}}\n",
        "main.yaml:7:26: service_accounts.robot.existing: we would create this entry although it exists (",
    ),
    "managed less, and nothing exists": (
        "service_accounts:\n  robot: {platform: aws, manage: rotate}\n",
        "main.yaml:7:26: service_accounts.robot.manage: we do not create this entry, and it says not what exists (",
    ),
    "grace": (
        "credentials:\n  key: {kind: snowflake_key_pair, reason: r, account: a, user: u, grace: {minimum: 8d}}\n",
        "main.yaml:7:67: credentials.key.grace: a mapping must not end before it may (write a `ceiling` that ",
    ),
    "defaults of an unknown kind": (
        "defaults: {credentials: {snowflake_keypair: {}}}\n",
        "main.yaml:6:26: defaults.credentials.snowflake_keypair: is not a known kind (did you mean ",
    ),
    "unused default with an unknown key": (
        "defaults: {agents: {monitoring: {egres: out}}}\n",
        "main.yaml:6:34: defaults.agents.monitoring.egres: unknown key (did you mean `egress`?",
    ),
    "variable": (
        "vars: {region: {type: string, value: eu}}\naws: {account_id: '123456789012', region: '${var.regio}'}\n",
        "main.yaml:7:35: aws.region: the variable `regio` has no value here (did you mean `region`? allowed: region)",
    ),
    "variable of another type": (
        "vars: {count: {type: integer, value: two}}\n",
        "main.yaml:6:31: vars.count.value: `two` is not of type integer (change the value or its `type:`)",
    ),
    "variable inside a text": (
        "vars: {on-call: {type: string, value: x}, flag: {type: boolean, value: true}}\nowner: 'a ${var.flag}'\n",
        "main.yaml:6:8: vars.on-call: is not a name for a variable (",
    ),
    "variable without value": ("vars: {region: {type: string}}\n", "main.yaml:6:8: vars.region: has no value (write "),
    "override without base": ("override: {aws: {}}\n", "main.yaml:6:1: override: there is nothing to override"),
    "base that is not there": ("extends: ../base\n", "main.yaml:6:1: extends: names a folder that does not exist"),
    "base outside": ("extends: ../../..\n", "main.yaml:6:1: extends: does not name another folder of this checkout"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_mistake_is_told_where_it_is(case: str, complain: Complain) -> None:
    written, expected = CASES[case]
    told = complain(main=written)
    assert any(text.startswith(f"environments/prod/{expected}") for text in told), "\n".join(told)


def test_all_mistakes_of_all_files_come_at_once_sorted_by_place(complain: Complain) -> None:
    told = complain(
        {
            "prod/a.yaml": SMALLEST + TARGET + "service_accounts:\n  robot: {platform: awz, purpse: x}\n",
            "prod/b.yaml": AGENT.replace("cluster: mlops", "cluster: 7"),
            "prod/c.yaml": "allowlists:\n  out: {targets: [squid]}\n  out: {targets: []}\n  x: yes\n",
        }
    )
    assert [text.split(" ")[0] for text in told] == [
        "environments/prod/a.yaml:8:11:",
        "environments/prod/a.yaml:8:26:",
        "environments/prod/b.yaml:4:29:",
        "environments/prod/b.yaml:8:5:",
        "environments/prod/c.yaml:3:3:",
        "environments/prod/c.yaml:4:3:",
        "environments/prod/c.yaml:4:6:",
    ]


def test_a_file_that_cannot_be_read_hides_no_other_mistake_and_invents_none(complain: Complain) -> None:
    told = complain({"prod/a.yaml": SMALLEST + AGENT + "aws: {region: 7}\n", "prod/b.yaml": "service_accounts: [\n"})
    assert [text.split(": ")[0:2] for text in told] == [
        ["environments/prod/a.yaml:14:1", "aws.account_id"],
        ["environments/prod/a.yaml:14:7", "aws.region"],
        ["environments/prod/b.yaml:2:1", "did not find expected node content (correct the syntax at this place)"],
    ]


def test_the_same_name_in_two_files_shows_both_places(complain: Complain) -> None:
    told = complain(
        {
            "prod/a.yaml": SMALLEST + "service_accounts:\n  robot: {platform: aws}\n",
            "prod/b.yaml": "owner: you\nservice_accounts:\n  robot: {platform: aws}\n",
        }
    )
    assert told == [
        "environments/prod/b.yaml:1:1: owner: is defined twice; the first is at environments/prod/a.yaml:3:1 "
        "(keep one of the two, or rename one)",
        "environments/prod/b.yaml:3:3: service_accounts.robot: is defined twice; the first is at "
        "environments/prod/a.yaml:7:3 (keep one of the two, or rename one)",
    ]


def test_an_inherited_name_is_changed_by_override_only(complain: Complain) -> None:
    told = complain(
        {
            "_base/base.yaml": BASE + "extends: ../x\n",
            "prod/main.yaml": MAIN.replace("  aws: {subnets", "  aws: {rgion: null, subnets")
            .replace("shared-egress", "shard-egress")
            .replace("\njournal", "\nowner: other\njournal"),
            "prod/more.yaml": MORE,
        }
    )
    told = [text.split(" (")[0] for text in told]
    assert told == [
        "environments/_base/base.yaml:16:1: extends: cannot stand in a folder that is extended",
        "environments/prod/main.yaml:5:9: override.aws.rgion: is not inherited, so there is nothing to override",
        "environments/prod/main.yaml:7:16: override.allowlists.shard-egress: is not inherited, so there is nothing to "
        "override",
        "environments/prod/main.yaml:12:1: owner: is inherited already, from environments/_base/base.yaml:2:1",
    ]


def test_the_environment_is_named_like_its_folder(complain: Complain) -> None:
    told = complain({"prod/main.yaml": SMALLEST.replace("environment: prod", "environment: test")})
    assert told[0].startswith("environments/prod/main.yaml:2:1: environment: is not the name of its folder, `prod`")


def test_the_journal_is_required_outside_the_sandbox(complain: Complain) -> None:
    told = complain({"prod/main.yaml": "version: 1\nenvironment: prod\nowner: me\nbackend: local\n"})
    assert told[0].startswith("environments/prod/main.yaml:1:1: journal: is required outside the sandbox")


def test_an_entry_without_any_owner_is_refused(complain: Complain) -> None:
    text = SMALLEST.replace("owner: me\n", "") + "service_accounts: {robot: {platform: aws}}\n"
    assert "service_accounts.robot: names no owner (" in complain({"prod/main.yaml": text})[0]


MISPLACED = {
    "defaults: []\n": "defaults: is not a mapping",
    "defaults: {allowlists: {}}\n": "defaults.allowlists: has no defaults",
    "defaults: {agents: []}\n": "defaults.agents: is not a mapping",
    "defaults: {agents: {monitoring: 7}}\n": "defaults.agents.monitoring: is not a mapping",
    "vars: []\n": "vars: is not a mapping",
    "vars: {a: 1}\n": "vars.a: is not a declaration",
    "vars: {a: {type: text, value: x}}\n": "vars.a.type: is not a type of variables",
    "vars: {a: {type: string, value: x, defualt: y}}\n": "vars.a.defualt: unknown key",
    "policy_bundle: {digest: 'a ${var.b'}\n": "policy_bundle.digest: a use of a variable is not closed",
    "journal: {dynamodb: table}\n": "journal.dynamodb: its settings are not a mapping",
    "aws: {account_id: '123', region: eu}\n": "aws.account_id: `123` is not an AWS account id",
    "extends: 7\n": "extends: is not text",
    "extends: /etc\n": "extends: does not name another folder of this checkout",
    "service_accounts:\n  a: {platform: aws, tags: {x: 7}}\n": "service_accounts.a.tags.x: `7` is not text",
    "service_accounts:\n  a: {platform: aws, permissions: {}}\n": "a.permissions: a mapping is not a list",
    "service_accounts:\n  a: {platform: aws, trust: x}\n": "service_accounts.a.trust: `x` is not a mapping",
    "service_accounts:\n  a: {platform: aws, trust: {external_id: x, service: y}}\n": "has an `external_id` without "
    "`account`",
}


@pytest.mark.parametrize("written", MISPLACED)
def test_what_stands_in_the_wrong_place_is_told(written: str, complain: Complain) -> None:
    told = complain(main=written)
    assert any(MISPLACED[written] in text for text in told), told


def test_a_base_may_repeat_the_version_only(complain: Complain) -> None:
    told = complain(
        {
            "_base/base.yaml": "version: 1\nservice_accounts: {robot: {platform: aws}}\n",
            "prod/main.yaml": SMALLEST + "extends: ../_base\nservice_accounts: {robot: {platform: aws}}\n"
            "override: {version: 2, service_accounts: {robot: {trust: null}}}\n",
        }
    )
    assert [text.split(" (")[0].split(": ", 1)[1] for text in told] == [
        "service_accounts.robot: is inherited already, from environments/_base/base.yaml:2:20",
        "override.version: is not inherited, so there is nothing to override",
        "override.service_accounts.robot.trust: is not inherited, so there is nothing to override",
    ]
