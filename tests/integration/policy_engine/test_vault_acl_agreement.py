"""Our reading of Vault policies against the server's own: its capabilities endpoint is the judge."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from lifecycle.domain.errors import ConfigurationError
from lifecycle.policy_engine.vault_acl import AclPolicy, parse_acl_policy
from lifecycle.policy_engine.vault_acl_match import compile_acl
from tests.integration.policy_engine.acl_texts import random_path, random_policy
from tests.servers.openbao import OpenBaoServer

_SETS = 200
_PATHS_EACH = 50


class Judge:
    """The server, asked over one connection."""

    def __init__(self, server: OpenBaoServer, client: httpx.Client) -> None:
        self._root = server.root_token
        self._client = client

    def call(self, method: str, path: str, body: dict[str, object]) -> httpx.Response:
        """One request with the root token."""
        return self._client.request(method, f"/v1/{path}", headers={"X-Vault-Token": self._root}, json=body)

    def token(self, *names: str) -> str:
        """A token with exactly these policies."""
        body: dict[str, object] = {"policies": list(names), "no_default_policy": True, "ttl": "5m"}
        return str(self.call("POST", "auth/token/create", body).raise_for_status().json()["auth"]["client_token"])

    def keep(self, text: str) -> str:
        """Write a policy under a fresh name."""
        name = f"p-{uuid4()}"
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": text}).raise_for_status()
        return name

    def capabilities(self, token: str, paths: list[str]) -> dict[str, frozenset[str]]:
        """What the server says about each path."""
        answer = self.call("POST", "sys/capabilities", {"token": token, "paths": paths}).raise_for_status().json()
        return {path: frozenset(answer["data"][path]) for path in paths}


@contextmanager
def _judging(server: OpenBaoServer) -> Iterator[Judge]:
    with httpx.Client(base_url=server.address, trust_env=False, timeout=30) as client:
        yield Judge(server, client)


@pytest.fixture
def judge(openbao_server: OpenBaoServer) -> Iterator[Judge]:
    """The server of this worker."""
    with _judging(openbao_server) as one:
        yield one


def _policy(text: str, name: str = "p") -> AclPolicy:
    return parse_acl_policy(text, name=name, file=f"{name}.hcl")


def test_ten_thousand_random_questions_are_answered_as_the_server_answers_them(judge: Judge) -> None:
    seed = random.getrandbits(48)
    source = random.Random(seed)
    granted = 0
    for _ in range(_SETS):
        texts = [random_policy(source) for _ in range(source.randint(1, 3))]
        paths = [random_path(source) for _ in range(_PATHS_EACH)]
        said = judge.capabilities(judge.token(*(judge.keep(text) for text in texts)), paths)
        granted += sum(answer != {"deny"} for answer in said.values())
        acl = compile_acl([_policy(text) for text in texts])
        differences = {
            path: (said[path], acl.capabilities(path)) for path in paths if said[path] != acl.capabilities(path)
        }
        assert not differences, f"seed {seed}: {differences} under\n" + "\n---\n".join(texts)
    assert granted > _SETS * _PATHS_EACH / 5, "the questions became too easy: almost all are denied"


def test_templates_are_filled_in_as_the_server_fills_them_in(judge: Judge) -> None:
    text = """
        path "kv/data/{{identity.entity.name}}/*" { capabilities = ["read"] }
        path "kv/data/by-id/{{ identity.entity.id }}" { capabilities = ["update"] }
        path "kv/data/{{identity.entity.metadata.team}}/+/x" { capabilities = ["list"] }
        path "kv/data/{{identity.entity.metadata.absent}}*" { capabilities = ["sudo"] }
    """
    policy, role, alias = judge.keep(text), f"r-{uuid4()}", f"a-{uuid4()}"
    mounts = judge.call("GET", "sys/auth", {}).json()["data"]
    name = f"e-{uuid4()}"
    made = judge.call("POST", "identity/entity", {"name": name, "metadata": {"team": "blue"}}).json()
    entity = made["data"]["id"]
    link: dict[str, object] = {"name": alias, "canonical_id": entity, "mount_accessor": mounts["token/"]["accessor"]}
    judge.call("POST", "identity/entity-alias", link).raise_for_status()
    rights: dict[str, object] = {"allowed_entity_aliases": [alias], "allowed_policies": [policy]}
    judge.call("POST", f"auth/token/roles/{role}", rights).raise_for_status()
    wanted: dict[str, object] = {"entity_alias": alias, "policies": [policy], "no_default_policy": True}
    token = judge.call("POST", f"auth/token/create/{role}", wanted).raise_for_status().json()["auth"]["client_token"]
    paths = [
        f"kv/data/{name}/a",
        "kv/data/other/a",
        f"kv/data/by-id/{entity}",
        "kv/data/blue/any/x",
        "kv/data/",
        "kv/data/red",
    ]
    identity = {"identity.entity.name": name, "identity.entity.id": entity, "identity.entity.metadata.team": "blue"}
    acl = compile_acl([_policy(text)], identity)
    assert judge.capabilities(token, paths) == {path: acl.capabilities(path) for path in paths}
    assert acl.capabilities(f"kv/data/{name}/a") == {"read"}
    bare = judge.token(policy)
    assert judge.capabilities(bare, paths) == dict.fromkeys(paths, frozenset({"deny"}))
    assert {compile_acl([_policy(text)]).capabilities(path) for path in paths} == {frozenset({"deny"})}


@pytest.mark.parametrize(
    "text",
    [
        'path "a" { capabilities = ["raed"] }',
        'path "a" { capabilities = "read" }',
        'path "a" { policy = "all" }',
        'path "+*" { capabilities = ["read"] }',
        'path "a" { capability = ["read"] }',
        'paths "a" { capabilities = ["read"] }',
        'path "a" { capabilities = ["read" }',
        'path "a" { capabilities = ["read" "list"] }',
        'path "a" { capabilities = ["read"]',
        'path "a { capabilities = ["read"] }',
        'path "a" /* { capabilities = ["read"] }',
        'path "a" { capabilities = [read] }',
        'path "a" = "b" { }',
        'path "{{identity.entity.name" { capabilities = ["read"] }',
        'path "a" { min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }',
        'path "a" { min_wrapping_ttl = "soon" }',
        'path "a" { allowed_parameters = ["x"] }',
        'path "a" { required_parameters = "x" }',
    ],
)
def test_what_the_server_refuses_is_refused_here_with_its_place(judge: Judge, text: str) -> None:
    assert judge.call("PUT", f"sys/policies/acl/p-{uuid4()}", {"policy": text}).status_code == 400
    with pytest.raises(ConfigurationError, match=r"bad\.hcl:1:\d+: ") as caught:
        parse_acl_policy(text, name="bad", file="bad.hcl")
    assert caught.value.problems[0].remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        'name = "x"\npath "a" { capabilities = [] }',
        'path a { capabilities = ["read",] }',
        'path "a" { "capabilities" = ["read"], policy = "read" }',
        'path "a" { comment = "why" pagination_limit = 10 expiration = "2099-01-01T00:00:00Z" }',
        'path "a" { required_parameters = ["x"] denied_parameters { "*" = [] } }',
        'path "a" { allowed_parameters = { "x" = ["\\u00e4", 1.5, true], y = [] } capabilities = ["update"] }',
        '{"path": {"a": {"capabilities": ["read"]}, "b": {"policy": "write"}}}',
        '{"path": [{"a": {"capabilities": ["read"]}}, {"a": {"capabilities": ["list"]}}]}',
        "{}",
    ],
)
def test_what_the_server_accepts_is_accepted_here_and_means_the_same(judge: Judge, text: str) -> None:
    token, paths = judge.token(judge.keep(text)) if text.strip() else "", ["a", "b", "a/", "c"]
    acl = compile_acl([_policy(text)])
    if token:
        assert judge.capabilities(token, paths) == {path: acl.capabilities(path) for path in paths}
    else:
        assert acl.capabilities("a") == {"deny"}
