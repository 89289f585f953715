"""Findings over Vault policies: each rule with what fires it and what does not; reach in words."""

import json
from pathlib import Path

import pytest

from lifecycle.domain.policy import Severity
from lifecycle.policy_engine.vault_acl import AclPolicy, parse_acl_policy
from lifecycle.policy_engine.vault_acl_rules import RULES, KvMount, vault_findings
from lifecycle.policy_engine.vault_acl_words import difference, what_can, who_can

_TABLE = json.loads((Path(__file__).parents[3] / "policies/data/vault_paths.json").read_text(encoding="utf-8"))
_PROD = (KvMount(path="kv", prefix="datarobot/prod"),)
_OWN = "kv/data/datarobot/prod"


def _stanza(path: str, *capabilities: str) -> str:
    return f'path "{path}" {{ capabilities = {json.dumps(capabilities)} }}\n'


def _policy(text: str, name: str = "p") -> AclPolicy:
    return parse_acl_policy(text, name=name, file=f"{name}.hcl")


def _fired(*texts: str) -> set[str]:
    policies = tuple(_policy(text) for text in texts)
    return {finding.rule[-3:] for finding in vault_findings(policies, mounts=_PROD, table=_TABLE)}


@pytest.mark.parametrize(
    ("rule", "fires", "text"),
    [
        ("001", True, _stanza("*", "update")),
        ("001", True, _stanza("sys/policies/acl/mine", "update")),
        ("001", True, _stanza("sys/+/acl/*", "create")),
        ("001", True, _stanza("auth/token/create", "update", "sudo")),
        ("001", True, _stanza("identity/*", "update")),
        ("001", False, _stanza("auth/token/create", "update")),
        ("001", False, _stanza("sys/policies/acl/+", "read", "list")),
        ("001", False, _stanza("*", "update") + _stanza("*", "deny")),
        ("002", True, _stanza("sys/config/ui/headers/x", "update")),
        ("002", False, _stanza("sys/leases/renew", "update")),
        ("002", False, _stanza("sys/health", "read")),
        ("003", True, _stanza("auth/token/create", "update")),
        ("003", False, _stanza("auth/token/renew-self", "update")),
        ("004", True, _stanza("kv/data/datarobot/prod*", "read")),
        ("004", True, _stanza("kv/+/datarobot/+/x", "read")),
        ("004", True, _stanza("+/data/datarobot/prod/x", "read")),
        ("004", True, _stanza("kv/metadata/datarobot/prod", "read")),
        ("004", False, _stanza("kv/metadata/datarobot/prod/", "list")),
        ("004", False, _stanza(f"{_OWN}/*", "read")),
        ("004", False, _stanza("kv/data/datarobot/dev/*", "deny")),
        ("004", False, _stanza("pki/issue/x", "update")),
        ("005", True, _stanza(f"{_OWN}/a", "read") + _stanza(f"{_OWN}/a", "deny")),
        ("005", True, _stanza(f"{_OWN}/+/b*", "read") + _stanza("kv/data/datarobot/prod/*", "read") + _stanza("q")),
        ("005", True, _stanza(f"{_OWN}/a")),
        ("005", False, _stanza(f"{_OWN}/*", "read") + _stanza(f"{_OWN}/a", "deny")),
        ("006", True, _stanza(f"{_OWN}/*", "deny") + _stanza(f"{_OWN}/a", "read")),
        ("006", False, _stanza(f"{_OWN}/a", "deny") + _stanza(f"{_OWN}/*", "read")),
        ("007", True, _stanza("kv/datarobot/prod/*", "read")),
        ("007", True, _stanza(f"{_OWN}/*", "read", "list")),
        ("007", True, _stanza("kv/metadata/datarobot/prod/*", "delete")),
        ("007", True, _stanza("kv/destroy/datarobot/prod/*", "update")),
        ("007", False, _stanza("kv/metadata/datarobot/prod/*", "read", "list")),
        ("008", True, f'path "{_OWN}/a" {{ capabilities = ["update"] denied_parameters = {{ password = [] }} }}'),
        ("008", False, f'path "{_OWN}/a" {{ capabilities = ["update"] required_parameters = ["options"] }}'),
        ("009", True, _stanza(f"{_OWN}/*", "read", "sudo")),
        ("009", False, _stanza(f"{_OWN}/*", "read")),
        ("010", True, f'path "{_OWN}/a" {{ policy = "write" }}'),
        ("010", False, _stanza(f"{_OWN}/a", "read")),
        ("011", True, _stanza(f"{_OWN}/{{{{identity.entity.name}}}}*", "read")),
        ("011", False, _stanza(f"{_OWN}/{{{{identity.entity.name}}}}/*", "read")),
    ],
)
def test_each_rule_fires_where_it_must_and_nowhere_else(rule: str, fires: bool, text: str) -> None:
    assert (rule in _fired(text)) is fires


def test_every_rule_has_cases_and_a_remedy() -> None:
    marks = test_each_rule_fires_where_it_must_and_nowhere_else.pytestmark  # type: ignore[attr-defined] # pytest adds it
    cases = {(rule, fires) for rule, fires, _ in marks[0].args[1]}
    assert cases == {(rule.id[-3:], fires) for rule in RULES for fires in (True, False)}
    assert all(rule.remedy for rule in RULES)


def test_a_finding_stands_on_its_stanza_and_says_what_could_happen() -> None:
    text = _stanza(f"{_OWN}/*", "read") + _stanza("sys/policies/acl/*", "update")
    (finding,) = vault_findings((_policy(text, "rotate"),), mounts=_PROD, table=_TABLE)
    assert str(finding.place) == "rotate.hcl:2:1"
    assert finding.severity is Severity.ERROR
    expected = 'policy rotate: path "sys/policies/acl/*" is as good as root: it could write any policy, its own too'
    assert finding.message == expected


def test_a_root_policy_is_a_finding() -> None:
    assert _fired("") == set()
    assert {f.rule for f in vault_findings((_policy("", "root"),), mounts=(), table=_TABLE)} == {"LC-VAULT-001"}


def test_a_stanza_is_judged_with_the_other_policies_of_the_token() -> None:
    assert "001" not in _fired(_stanza("sys/policies/acl/+", "update"), _stanza("sys/policies/acl/+", "deny"))


def test_who_can_read_a_secret_names_stanza_and_limits() -> None:
    tokens = {
        "reader": (_policy(_stanza(f"{_OWN}/*", "read"), "r"),),
        "denied": (_policy(_stanza(f"{_OWN}/*", "read")), _policy(_stanza(f"{_OWN}/a", "deny"), "d")),
        "person": (_policy(_stanza("kv/data/datarobot/{{identity.entity.name}}/*", "read"), "t"),),
        "wrapped": (_policy(f'path "{_OWN}/+" {{ capabilities = ["read"] max_wrapping_ttl = "1h" }}', "w"),),
        "operator": (_policy("", "root"),),
        "nobody": (_policy(_stanza("kv/data/{{identity.entity.name}}/x", "read")),),
    }
    found = {reader.token: reader for reader in who_can(tokens, "read", f"{_OWN}/a")}
    assert sorted(found) == ["operator", "person", "reader", "wrapped"]
    assert found["reader"].because == (f'r "{_OWN}/*" (r.hcl:1:1)',)
    assert found["person"].only_if == ("the identity's identity.entity.name fits",)
    assert found["wrapped"].only_if == ("only wrapped",)


def test_what_a_token_can_do_is_told_without_what_has_no_effect() -> None:
    text = _stanza(f"{_OWN}/a", "read", "update") + _stanza(f"{_OWN}/b", "deny") + _stanza("q")
    assert what_can([_policy(text)]) == (
        f"may do nothing on {_OWN}/b, whatever wider paths say",
        f"may read, update on {_OWN}/a",
    )
    assert what_can([_policy("", "root")]) == ("may do everything (root)",)


def test_a_change_says_what_is_allowed_that_was_not() -> None:
    before = {"rotate": (_policy(_stanza(f"{_OWN}/*", "read")),)}
    after = {"rotate": (_policy(_stanza(f"{_OWN}/*", "read") + _stanza("kv/data/datarobot/dev/*", "read")),)}
    change = difference(before, after, [f"{_OWN}/a", "kv/data/datarobot/dev/a"])
    assert change.added == ("rotate may read kv/data/datarobot/dev/a", "rotate may read on kv/data/datarobot/dev/*")
    assert change.removed == ()
    assert difference(after, before, []).removed == ("rotate may read on kv/data/datarobot/dev/*",)
