"""Vault policies: what the parser refuses and keeps, who wins on a path, where patterns meet."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain.errors import ConfigurationError, Place
from lifecycle.policy_engine.vault_acl import AclPolicy, in_force, parse_acl_policy
from lifecycle.policy_engine.vault_acl_match import capabilities, compile_acl
from lifecycle.policy_engine.vault_acl_reach import deciders, inside, meeting_path, shown

_SEGMENT = st.sampled_from(["a", "ab", "b", "", "+"])
_PATTERN = st.tuples(st.lists(_SEGMENT, min_size=1, max_size=4), st.booleans()).map(
    lambda made: ("/".join(made[0]).rstrip("+") + "*" if made[1] else "/".join(made[0])).lstrip("/") or "a"
)
_PATH = st.lists(st.sampled_from(["a", "ab", "abc", "b", "", "c"]), min_size=1, max_size=5).map("/".join)


def _policy(text: str, name: str = "p") -> AclPolicy:
    return parse_acl_policy(text, name=name, file=f"{name}.hcl")


def _granting(*patterns: str) -> AclPolicy:
    return _policy("\n".join(f'path "{pattern}" {{ capabilities = ["read"] }}' for pattern in patterns))


def _matches(pattern: str, path: str) -> bool:
    return compile_acl([_granting(pattern)]).deciding(path) is not None


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ('path "a" {\n  policy = <<EOT\nread\nEOT\n}', "2:12", "heredoc"),
        ('path "a" {\n  capabilities = ["read"]\n  capabilities = ["sudo"]\n}', "3:3", "stands twice"),
        ('path "a" "b" {}', "1:1", "one path"),
        ('path "a" {\n  capabilities = ["read"\n}', "3:1", "expected ',', found '}'"),
        ("path {}\npath { capabilities = [] }", "2:23", "expected an object"),
        ('{"path": {"a": {"capabilities": ["read"],}}}', "1:42", "expected string"),
        ('{"path": {"a": {"capabilities": ["read"]}}', "1:43", "end of the file"),
        ('{"path": {"a": {"capabilities": ["\\x"]}}}', "1:34", "JSON text"),
        ('path "a" { capabilities = ["\\q"] }', "1:28", "no escape"),
        ('path "a" { min_wrapping_ttl = true }', "1:31", "no duration"),
        ('path "a" { expiration = "tomorrow" }', "1:25", "no moment"),
        ('path "a" { expiration = "2027-01-01T00:00:00" }', "1:25", "time zone"),
        ('path "{{user.name}}" {}', "1:1", "no identity template"),
        ('path "a" { allowed_parameters = { x = "y" } }', "1:39", "must be a list"),
        ('path "a" { @ }', "1:12", "means nothing"),
        ('ä\n\tpath "a" {', "2:12|1:1", "end of the file|expected"),
        ('path "\\ud800" {}', "1:6", "no escape"),
        ('{"path": {"\\ud800": {}}}', "1:11", "JSON text"),
        ('path "a" { capabilities = [' + "9" * 5000 + "] }", "1:28", "too long"),
        ('path "a" { max_wrapping_ttl = 99999999999999999 }', "1:31", "longer than any time"),
        ('path "a" { max_wrapping_ttl = "1e" }', "1:31", "no duration"),
        ('path "a" { capabilities = [1] }', "1:28", "texts in quotes"),
        ('path "a" { policy = "all" }', "1:21", "no legacy policy"),
        ('path "a" { capabilities = ["raed"] }', "1:27", "no capability"),
        ('path "a" { capability = [] }', "1:12", "no key of a path stanza"),
        ('path "+*" {}', "1:1", "forbidden"),
        ('path "{{identity.entity.id" {}', "1:1", "do not match"),
        ('path "a" { min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }', "1:1", "less than"),
        ('rule "a" {}', "1:1", "no part of a policy"),
        ('path "a" { x = yes }', "1:16", "not a value"),
        ('path "a" { capabilities = "read" }', "1:27", "must be a list"),
        ("path " * 3, "1:16", "end of the file"),
        ('path "a" { allowed_parameters { x = ' + "[" * 50 + "]" * 50 + " } }", "1:68", "levels deep"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_a_remedy(text: str, where: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^Vault policy p\.hcl:({where}): .*({said})") as caught:
        _policy(text)
    assert caught.value.remedy


def test_a_stanza_keeps_everything_that_is_written() -> None:
    (stanza,) = _policy(
        """
        # why
        path "/kv/data/{{ identity.entity.id }}/*" {
          capabilities        = ["create", "update"]
          comment             = "x"
          allowed_parameters  = { "Data" = [], "note" = ["a*", 1, true] }
          denied_parameters   = { "Old" = [] }
          required_parameters = ["data"]
          min_wrapping_ttl    = "1m30s"
          max_wrapping_ttl    = 3600
          expiration          = "2027-03-01T00:00:00Z"
          pagination_limit    = 5
        }
        """
    ).stanzas
    assert stanza.path == "kv/data/{{identity.entity.id}}/*"
    assert stanza.place == Place(file="p.hcl", line=3, column=9)
    assert stanza.templates == ("identity.entity.id",)
    assert (stanza.min_wrapping_ttl, stanza.max_wrapping_ttl) == (timedelta(seconds=90), timedelta(hours=1))
    assert stanza.allowed_parameters == {"data": (), "note": ("a*", 1, True)}
    assert stanza.limits == (
        "only with the parameters data, note",
        "not with the parameters old",
        "never without the parameters data",
        "only wrapped",
        "until 2027-03-01T00:00:00+00:00",
        "under pagination_limit",
    )


_MARKS = ('path "a/+" {', "}", "[", "]", "=", ",", ":", '{"path":', '{"a":', "# x\n", "/*", "<<E", "\n", '"', "\x00")
_WORDS = (
    "capabilities",
    "min_wrapping_ttl",
    "policy",
    "true",
    '"read"',
    '"9h"',
    '"\\u00e4"',
    '"\\uD83D"',
    "0x1F",
    "1.5e3",
)


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(_MARKS + _WORDS), max_size=14).map(" ".join)))
def test_any_text_is_a_policy_or_an_error_with_a_place(text: str) -> None:
    try:
        assert isinstance(_policy(text), AclPolicy)
    except ConfigurationError as error:
        assert error.problems[0].place.line >= 1


def test_a_policy_as_large_as_a_server_stores_is_read_and_reviewed_stanza_by_stanza() -> None:
    text = "".join(f'path "kv/data/team-{n}/*" {{ capabilities = ["read"] }}\n' for n in range(3000))
    policy = _policy(text)
    assert str(policy.stanzas[-1].place) == "p.hcl:3000:1"
    assert capabilities([policy], "kv/data/team-2999/x") == {"read"}


def test_hcl_and_json_of_the_same_policy_mean_the_same() -> None:
    hcl = _policy('path "a/+" { policy = "write" }\npath "b" { capabilities = ["deny", "read"] }')
    text = '{"path": {"a/+": {"policy": "write"}, "b": {"capabilities": ["deny", "read"]}}}'
    assert [(s.path, s.capabilities) for s in hcl.stanzas] == [(s.path, s.capabilities) for s in _policy(text).stanzas]
    assert hcl.stanzas[1].capabilities == {"deny"}


def test_an_expired_stanza_does_not_count() -> None:
    policy = _policy('path "a" { capabilities = ["read"] expiration = "2027-01-01T00:00:00Z" }')
    before, after = datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC)
    assert capabilities([in_force(policy, before)], "a") == {"read"}
    assert capabilities([in_force(policy, after)], "a") == {"deny"}


@pytest.mark.parametrize(
    ("stronger", "weaker", "path"),
    [
        ("kv/a", "kv/a*", "kv/a"),
        ("kv/a/*", "kv/*", "kv/a/b"),
        ("kv/a/+", "kv/+/b", "kv/a/b"),
        ("kv/+/b", "kv/+/*", "kv/a/b"),
        ("kv/+/b", "kv/*", "kv/a/b"),
        ("kv/+/b/c", "kv/+/+/c", "kv/a/b/c"),
        ("kv/+/ba*", "kv/+/b*", "kv/a/bay"),
        ("kv/a", "kv/a/", "kv/a"),
    ],
)
def test_the_more_specific_stanza_alone_decides(stronger: str, weaker: str, path: str) -> None:
    texts = (f'path "{stronger}" {{ capabilities = ["read"] }}', f'path "{weaker}" {{ capabilities = ["deny"] }}')
    for pair in (texts, texts[::-1]):
        assert capabilities([_policy(text) for text in pair], path) == {"read"}


def test_denial_of_the_same_path_wins_over_every_other_policy() -> None:
    policies = [_policy(f'path "a" {{ capabilities = ["{word}"] }}', word) for word in ("read", "deny", "update")]
    assert capabilities(policies, "a") == {"deny"}


def test_a_policy_named_root_may_do_everything() -> None:
    assert capabilities([_policy("", "Root")], "sys/raw/x") == {"root"}


@given(_PATTERN, _PATTERN, _PATH)
def test_patterns_meet_exactly_where_both_match(first: str, second: str, path: str) -> None:
    meeting = meeting_path(first, second)
    if meeting is not None:
        # Asked as a read would be: LIST also tries the path without its last slash.
        assert _matches(first, f"{meeting}") or meeting == ""
        assert _matches(second, f"{meeting}") or meeting == ""
    elif not path.endswith("/"):
        assert not (_matches(first, path) and _matches(second, path))


@given(st.lists(_PATTERN, min_size=1, max_size=5, unique=True), _PATH)
def test_a_stanza_that_never_decides_can_be_removed_without_effect(patterns: list[str], path: str) -> None:
    policy = _granting(*patterns)
    acl = compile_acl([policy])
    for stanza in policy.stanzas:
        own = [grant for grant in deciders(acl, stanza) if any(source is stanza for _, source in grant.sources)]
        if not own:
            rest = compile_acl([AclPolicy(name="p", stanzas=tuple(s for s in policy.stanzas if s is not stanza))])
            with_it, without = acl.deciding(path), rest.deciding(path)
            assert (with_it and with_it.path) == (without and without.path)


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("kv/data/datarobot/prod/x", True),
        ("kv/metadata/datarobot/prod/*", True),
        ("kv/+/datarobot/prod/*", True),
        ("kv/data/datarobot/prod*", False),
        ("kv/data/datarobot/production/x", False),
        ("kv/data/datarobot/+/x", False),
        ("kv/data/*", False),
        ("kv/*", False),
        ("*", False),
    ],
)
def test_only_what_lies_below_the_prefix_and_its_slash_is_inside(path: str, within: bool) -> None:
    assert inside(path, "kv", "datarobot/prod") is within


def test_meeting_paths_are_shown_without_invented_names() -> None:
    assert shown(meeting_path("kv/+/x", "kv/*") or "") == "kv/…/x"
