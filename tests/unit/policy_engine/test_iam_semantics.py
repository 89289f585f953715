"""What AWS identities may do: evaluation, wildcards, boundaries, escalation, trust, and changes in words."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.domain.policy import Severity
from lifecycle.policy_engine.iam_documents import Statement, parse_document
from lifecycle.policy_engine.iam_semantics import IamIdentity, Outcome, decide
from lifecycle.policy_engine.iam_semantics_match import covers, expand, filled, matches, meet, takes_resource
from lifecycle.policy_engine.iam_semantics_rights import escalations, rights
from lifecycle.policy_engine.iam_semantics_trust import TrustSubject, subject_severity, trust_findings
from lifecycle.policy_engine.iam_words import (
    READ_SECRET,
    IamWorld,
    Secret,
    differences,
    secret_arn,
    secret_readers,
    world_of,
)
from tests.unit.policy_engine import iam_actions_table
from tests.unit.policy_engine.generated_spec import reference_spec

_DATA = Path(__file__).parents[3] / "policies/data"
_TABLE = json.loads((_DATA / "iam_actions.json").read_text(encoding="utf-8"))
_COMBINATIONS = json.loads((_DATA / "iam_escalation_paths.json").read_text(encoding="utf-8"))
_HOME = "123456789012"
_BUCKET = "arn:aws:s3:::acme"
_SMALL = {"services": {"s3": {"with_resource": ["getobject", "putobject"], "only_star": ["listallmybuckets"]}}}


def _doc(*statements: dict[str, Any]) -> tuple[Statement, ...]:
    return parse_document(json.dumps({"Statement": [{"Effect": "Allow", **item} for item in statements]}))


def _who(*statements: dict[str, Any], boundary: tuple[Statement, ...] | None = None, kind: str = "role") -> IamIdentity:
    arn = f"arn:aws:iam::{_HOME}:{kind}/prod-x"
    return IamIdentity(kind=kind, name="prod-x", arn=arn, statements=_doc(*statements), boundary=boundary)


_GET = {"Sid": "Get", "Action": "s3:Get*", "Resource": f"{_BUCKET}/*"}


def test_nothing_is_allowed_unless_something_allows_it() -> None:
    assert decide(_who(), "s3:GetObject", f"{_BUCKET}/a").outcome is Outcome.NOT_ALLOWED
    assert decide(_who(_GET), "s3:GetObject", "arn:aws:s3:::other/a").outcome is Outcome.NOT_ALLOWED
    assert decide(_who(_GET), "s3:PutObject", f"{_BUCKET}/a").outcome is Outcome.NOT_ALLOWED
    decision = decide(_who(_GET), "S3:getOBJECT", f"{_BUCKET}/a")
    assert (decision.outcome, decision.because) == (Outcome.ALLOWED, ("Get",))


def test_denial_wins_over_every_permission() -> None:
    denied = decide(
        _who(_GET, {"Effect": "Deny", "Action": "*", "Resource": "*/secret*"}), "s3:GetObject", f"{_BUCKET}/secret"
    )
    assert (denied.outcome, denied.because) == (Outcome.DENIED, ("statement 2",))


def test_conditions_are_told_and_never_evaluated() -> None:
    inside = {"StringEquals": {"aws:SourceVpce": ["vpce-1", "vpce-2"]}}
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
    who = _who({**_GET, "Condition": inside}, {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": mfa})
    decision = decide(who, "s3:GetObject", f"{_BUCKET}/a")
    assert decision.outcome is Outcome.CONDITIONAL
    assert decision.limits == (
        " only if StringEquals aws:SourceVpce vpce-1 or vpce-2 unless Bool aws:MultiFactorAuthPresent false"
    )
    plain = decide(_who({**_GET, "Condition": inside}, _GET), "s3:GetObject", f"{_BUCKET}/a")
    assert plain.outcome is Outcome.ALLOWED


def test_not_action_and_not_resource_allow_all_but_a_list() -> None:
    who = _who({"NotAction": ["iam:*", "s3:DeleteObject"], "NotResource": [f"{_BUCKET}/private/*"]})
    assert decide(who, "s3:GetObject", f"{_BUCKET}/a").outcome is Outcome.ALLOWED
    assert decide(who, "s3:DeleteObject", f"{_BUCKET}/a").outcome is Outcome.NOT_ALLOWED
    assert decide(who, "iam:GetUser", "*").outcome is Outcome.NOT_ALLOWED
    assert decide(who, "s3:GetObject", f"{_BUCKET}/private/a").outcome is Outcome.NOT_ALLOWED


def test_a_boundary_allows_nothing_and_takes_away_what_it_does_not_name() -> None:
    boundary = _doc({"Action": "s3:GetObject", "Resource": f"{_BUCKET}/open/*"})
    who = _who(_GET, boundary=boundary)
    assert decide(who, "s3:GetObject", f"{_BUCKET}/open/a").outcome is Outcome.ALLOWED
    assert decide(who, "s3:GetObject", f"{_BUCKET}/a").outcome is Outcome.NOT_ALLOWED
    assert decide(_who(boundary=boundary), "s3:GetObject", f"{_BUCKET}/open/a").outcome is Outcome.NOT_ALLOWED
    assert {str(right) for right in rights(who, _SMALL)} == {f"s3:getobject on {_BUCKET}/open/*"}


def test_what_a_boundary_cuts_to_no_pattern_of_its_own_is_told_as_a_condition() -> None:
    boundary = _doc({"Action": "s3:*", "Resource": "arn:aws:s3:::*/open"})
    (right,) = rights(_who({**_GET, "Action": "s3:GetObject"}, boundary=boundary), _SMALL)
    assert str(right) == f"s3:getobject on {_BUCKET}/* only if within arn:aws:s3:::*/open"


def test_policy_variables_are_filled_in_where_they_are_known() -> None:
    own = {"Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::*:user/${aws:username}"}
    user = _who(own, kind="user")
    assert decide(user, "iam:CreateAccessKey", user.arn).outcome is Outcome.ALLOWED
    assert decide(user, "iam:CreateAccessKey", f"{user.arn}2").outcome is Outcome.NOT_ALLOWED
    tagged = decide(
        _who({**_GET, "Resource": f"{_BUCKET}/${{aws:PrincipalTag/team}}/*"}), "s3:GetObject", f"{_BUCKET}/a/b"
    )
    assert tagged.only_if == ("${aws:PrincipalTag/team} fits",)
    assert filled("a${*}b", {}) == ("a*b", ())


def test_a_resource_policy_allows_whom_it_names_and_denies_whom_it_excepts_not() -> None:
    secret = secret_arn("eu-west-1", _HOME, "datarobot/prod/x")
    named = _doc({"Principal": {"AWS": _who().arn}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"})
    assert decide(_who(), "secretsmanager:GetSecretValue", secret, resource_policy=named).outcome is Outcome.ALLOWED
    root = _doc({"Principal": {"AWS": f"arn:aws:iam::{_HOME}:root"}, "Action": "*", "Resource": "*"})
    assert decide(_who(), "secretsmanager:GetSecretValue", secret, resource_policy=root).outcome is Outcome.NOT_ALLOWED
    readers = {"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::123456789012:role/other"]}}
    only = _doc({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": readers})
    who = _who({"Action": "secretsmanager:*", "Resource": "*"})
    decision = decide(who, "secretsmanager:GetSecretValue", secret, resource_policy=only)
    assert decision.unless == ("ArnNotEquals aws:PrincipalArn arn:aws:iam::123456789012:role/other",)


def test_wildcards_are_expanded_over_the_dated_table() -> None:
    found = expand("secretsmanager:*SecretV*", _TABLE)
    assert found.actions == {
        "secretsmanager:getsecretvalue",
        "secretsmanager:batchgetsecretvalue",
        "secretsmanager:putsecretvalue",
        "secretsmanager:listsecretversionids",
        "secretsmanager:updatesecretversionstage",
    }
    assert found.complete
    assert len(expand("*", _TABLE).actions) > 3000
    assert not expand("*", _TABLE).complete
    unknown = expand("athena:*", _TABLE)
    assert (unknown.actions, unknown.complete) == (frozenset({"athena:*"}), False)
    assert takes_resource("iam:PassRole", _TABLE)
    assert not takes_resource("sts:GetCallerIdentity", _TABLE)


def test_the_table_is_what_its_source_says() -> None:
    assert iam_actions_table.PATH.read_text(encoding="utf-8") == iam_actions_table.text(_TABLE["as_of"]), (
        "cfn-lint has newer data: run python -m tests.unit.policy_engine.iam_actions_table YYYY-MM-DD"
    )


def test_every_action_of_the_escalation_table_exists() -> None:
    needed = {action for item in _COMBINATIONS["combinations"] for action in item["all_of"]}
    assert not {action for action in needed if action.lower() not in expand(action, _TABLE).actions}
    assert all(expand(action, _TABLE).complete for action in needed)


_SIGNS = st.text(alphabet="ab*?", max_size=5)
_WORDS = ["".join(letters) for size in range(6) for letters in itertools.product("ab", repeat=size)]


@given(_SIGNS, _SIGNS)
def test_patterns_cover_and_meet_as_their_texts_do(one: str, other: str) -> None:
    first, second = ({word for word in _WORDS if matches(pattern, word)} for pattern in (one, other))
    if covers(one, other):
        assert second <= first
    if first & second:
        assert meet(one, other)
    if not meet(one, other):
        assert not first & second


_ACTIONS = ["s3:getobject", "s3:putobject", "s3:*", "s3:get*", "*"]
_PLACES = ["*", "r:a/*", "r:a/x", "r:*/x", "r:b"]
_STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Allow", "Deny"])},
    optional={"Condition": st.just({"Bool": {"k": "true"}})},
).flatmap(
    lambda made: st.tuples(
        st.sampled_from(["Action", "Action", "NotAction"]),
        st.sampled_from(_ACTIONS),
        st.sampled_from(["Resource", "Resource", "NotResource"]),
        st.sampled_from(_PLACES),
    ).map(lambda parts: {**made, parts[0]: parts[1], parts[2]: parts[3]})
)


@settings(max_examples=300)
@given(
    st.lists(_STATEMENT, max_size=4),
    st.one_of(st.none(), st.lists(_STATEMENT, max_size=3)),
    st.sampled_from(["s3:getobject", "s3:putobject", "s3:listallmybuckets"]),
    st.sampled_from(["r:a/x", "r:a/y", "r:b", "r:c/x"]),
)
def test_every_request_that_may_pass_is_among_the_rights(
    own: list[dict[str, Any]], bound: list[dict[str, Any]] | None, action: str, resource: str
) -> None:
    who = _who(*own, boundary=None if bound is None else _doc(*bound))
    told = [right for right in rights(who, _SMALL) if right.action == action and matches(right.resource, resource)]
    decision = decide(who, action, resource)
    if decision.possible:
        assert told
    plain = not any(item["Effect"] == "Deny" or "NotResource" in item for item in (*own, *(bound or ())))
    certain = [right for right in told if not any(limit.startswith("within ") for limit in right.only_if)]
    if certain and plain:
        assert decision.possible


@pytest.mark.parametrize(
    ("expected", "statements"),
    [
        ({"access-key"}, [{"Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::123456789012:user/*"}]),
        (set(), [{"Action": "iam:CreateAccessKey", "Resource": "arn:aws:iam::123456789012:user/${aws:username}"}]),
        (set(), [{"Action": "iam:PassRole", "Resource": "*"}]),
        ({"pass-ec2"}, [{"Action": "iam:PassRole", "Resource": "*"}, {"Action": "ec2:Run*", "Resource": "*"}]),
        ({"policy-version", "default-version"}, [{"Action": ["iam:*PolicyVersion"], "Resource": "*"}]),
        ({"attach-user"}, [{"Action": "iam:AttachUserPolicy", "Resource": "*"}]),
        ({"trust-and-assume", "trust"}, [{"Action": ["iam:UpdateAssume*", "sts:AssumeRole"], "Resource": "*"}]),
        (
            set(),
            [
                {"Action": "iam:AttachUserPolicy", "Resource": "*"},
                {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
            ],
        ),
        (
            {"lambda-code"},
            [{"NotAction": ["iam:*", "s3:*", "ssm:*", "ecs:*", "kms:*", "sts:*"], "Resource": "arn:aws:lambda:*"}],
        ),
    ],
)
def test_combinations_that_give_more_than_they_say_are_found(
    expected: set[str], statements: list[dict[str, Any]]
) -> None:
    found = {item.id for item in escalations(_who(*statements, kind="user"), _TABLE, _COMBINATIONS)}
    if expected == {"lambda-code"}:
        assert expected <= found
    else:
        assert found == expected


def test_a_boundary_ends_an_escalation_and_a_condition_is_told() -> None:
    wide = {"Action": "iam:*", "Resource": "*"}
    bounded = _who(wide, boundary=_doc({"Action": "s3:*", "Resource": "*"}))
    assert escalations(bounded, _TABLE, _COMBINATIONS) == ()
    only = {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/b"}}
    (found,) = escalations(
        _who({"Action": "iam:PutRolePolicy", "Resource": "*", "Condition": only}), _TABLE, _COMBINATIONS
    )
    assert found.conditional
    assert found.harm == "it could write any policy into a role"


def _trusted(statement: dict[str, Any]) -> set[tuple[str, Severity]]:
    document = json.dumps({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}})
    subject = TrustSubject(label="role x", document=document, home_account=_HOME)
    return {(finding.rule[-3:], finding.severity) for finding in trust_findings(subject)}


_GITHUB = "token.actions.githubusercontent.com"
_FEDERATED = {"Federated": f"arn:aws:iam::{_HOME}:oidc-provider/{_GITHUB}"}
_AUDIENCE = {f"{_GITHUB}:aud": "sts.amazonaws.com"}


@pytest.mark.parametrize(
    ("expected", "statement"),
    [
        ({("001", Severity.ERROR)}, {"Principal": "*"}),
        ({("001", Severity.ERROR)}, {"NotPrincipal": {"AWS": "123456789012"}}),
        (
            {("001", Severity.WARNING)},
            {"Principal": {"AWS": "*"}, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}},
        ),
        ({("002", Severity.ERROR)}, {"Principal": {"AWS": "arn:aws:iam::999999999999:role/partner"}}),
        ({("002", Severity.ERROR)}, {"Principal": {"AWS": ["999999999999"]}}),
        (
            {("002", Severity.ERROR)},
            {"Principal": {"AWS": "999999999999"}, "Condition": {"StringEqualsIfExists": {"sts:ExternalId": "e"}}},
        ),
        (
            {("005", Severity.NOTE)},
            {"Principal": {"AWS": "999999999999"}, "Condition": {"StringEquals": {"sts:ExternalId": "e"}}},
        ),
        (set(), {"Principal": {"AWS": f"arn:aws:iam::{_HOME}:role/ci"}}),
        ({("004", Severity.ERROR)}, {"Principal": {"AWS": "AROAEXAMPLEID"}}),
        (set(), {"Principal": {"Service": "ecs-tasks.amazonaws.com"}}),
        ({("003", Severity.ERROR)}, {"Principal": _FEDERATED}),
        ({("003", Severity.ERROR)}, {"Principal": _FEDERATED, "Condition": {"StringEquals": _AUDIENCE}}),
        (
            {("003", Severity.ERROR)},
            {
                "Principal": _FEDERATED,
                "Condition": {"StringEquals": _AUDIENCE, "StringLike": {f"{_GITHUB}:sub": "repo:acme/*"}},
            },
        ),
        (
            {("003", Severity.WARNING)},
            {
                "Principal": _FEDERATED,
                "Condition": {"StringEquals": _AUDIENCE, "StringLike": {f"{_GITHUB}:sub": "repo:a/b:*"}},
            },
        ),
        (
            set(),
            {
                "Principal": _FEDERATED,
                "Condition": {"StringEquals": {**_AUDIENCE, f"{_GITHUB}:sub": "repo:a/b:ref:refs/heads/main"}},
            },
        ),
    ],
)
def test_who_may_assume_a_role_is_judged(expected: set[tuple[str, Severity]], statement: dict[str, Any]) -> None:
    assert _trusted(statement) == expected


def test_what_is_no_trust_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="no Statement"):
        trust_findings(TrustSubject(label="role x", document="{}", home_account=_HOME))


@pytest.mark.parametrize(
    ("subject", "severity"),
    [
        ("repo:acme/app:ref:refs/heads/main", None),
        ("repo:acme/app:*", Severity.WARNING),
        ("repo:acme/app*", Severity.ERROR),
        ("repo:acme/*:ref:refs/heads/main", Severity.ERROR),
        ("project_path:acme/app:ref_type:branch:ref:*", Severity.WARNING),
        ("system:serviceaccount:ns:*", Severity.ERROR),
        ("*", Severity.ERROR),
    ],
)
def test_a_wildcard_counts_by_where_it_stands(subject: str, severity: Severity | None) -> None:
    assert subject_severity(subject) is severity


_SECRET = Secret(name="datarobot-agent-key", arn=secret_arn("eu-west-1", _HOME, "datarobot/prod/datarobot-agent-key"))
_READ = {
    "Action": "secretsmanager:GetSecretValue",
    "Resource": f"arn:aws:secretsmanager:eu-west-1:{_HOME}:secret:datarobot/prod/datarobot-agent-key-??????",
}


def test_a_new_reader_of_a_secret_is_one_sentence() -> None:
    before, after = (
        IamWorld(identities=(_who(),), secrets=(_SECRET,)),
        IamWorld(identities=(_who(_READ),), secrets=(_SECRET,)),
    )
    told = differences(before, after, _TABLE)
    assert told[0] == "role prod-x may now read secret datarobot-agent-key; it could not"
    assert told[1] == f"role prod-x may now secretsmanager:getsecretvalue on {_READ['Resource']}"
    assert len(told) == 2
    assert (
        differences(after, before, _TABLE)[0] == "role prod-x may no longer read secret datarobot-agent-key; it could"
    )


def test_rewriting_without_effect_says_nothing_and_a_condition_says_so() -> None:
    split = _who({**_READ, "Sid": "a"}, {**_READ, "Sid": "b"})
    one, two = (IamWorld(identities=(who,), secrets=(_SECRET,)) for who in (_who(_READ), split))
    assert differences(one, two, _TABLE) == ()
    limited = _who({**_READ, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}})
    told = differences(one, IamWorld(identities=(limited,), secrets=(_SECRET,)), _TABLE)
    limits = " only if StringEquals aws:SourceVpce vpce-1"
    assert told[0] == f"role prod-x may read secret datarobot-agent-key{limits}; it could always"


def test_readers_of_a_secret_are_listed_with_their_conditions() -> None:
    everyone = (_who(_READ), _who({"Action": "*", "Resource": "*"}, kind="user"), _who(_GET, kind="user"))
    assert [str(reader) for reader in secret_readers(everyone, [_SECRET])] == [
        "role prod-x may read secret datarobot-agent-key",
        "user prod-x may read secret datarobot-agent-key",
    ]


def test_a_spec_tells_who_may_read_its_secrets_before_anything_is_applied() -> None:
    arn = f"arn:aws:secretsmanager:eu-west-1:{_HOME}:secret:datarobot/reference/feature-reader-key-??????"
    office = {"operator": "IpAddress", "key": "aws:SourceIp", "values": ["192.0.2.0/24"]}
    permission = {"actions": [READ_SECRET], "resources": [arn], "conditions": [office]}
    before = world_of(reference_spec())
    after = world_of(reference_spec(service_accounts={"scoring": {"permissions": [permission]}}))
    assert [str(reader) for reader in secret_readers(before.identities, before.secrets)] == [
        "role that starts agent eu-1 may read secret agent-key"
    ]
    told = differences(before, after, _TABLE)
    limits = "only if IpAddress aws:SourceIp 192.0.2.0/24"
    assert told == (
        f"role scoring may now read secret feature-reader-key {limits}; it could not",
        f"role scoring may now secretsmanager:getsecretvalue on {arn} {limits}",
    )
    assert differences(after, before, _TABLE)[1] == f"role scoring may no longer {told[1].partition('now ')[2]}"
