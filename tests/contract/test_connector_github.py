import json
from collections.abc import Iterator

import pytest

from lifecycle.connectors.github import LOGIN, GitHubSettings, GitHubVerifier
from lifecycle.domain.secret import SecretText, secret_value
from lifecycle.domain.verification import Reason
from tests.contract.connector_contract import NOW, ConnectorBench, ConnectorContract
from tests.contract.http_doubles import Reply, Request, http_double
from tests.contract.odd_servers import page, raw_server

_TOKEN = "ghp_sandbox"
_ENDS = "2027-02-01 00:00:00 UTC"


def _answer(request: Request) -> Reply:
    """A double: refuses an unknown token, hides what it may not see, shows scopes and expiry."""
    json_form = {"Content-Type": "application/json; charset=utf-8", "X-GitHub-Request-Id": "0F00:1"}
    if request.headers.get("Authorization") != f"Bearer {_TOKEN}":
        return Reply(status=401, body=b'{"message": "Bad credentials"}', headers=json_form)
    headers = {
        **json_form,
        "X-OAuth-Scopes": "repo, workflow",
        "github-authentication-token-expiration": _ENDS,
    }
    bodies = {"/user": {"login": "svc-ci"}, "/repos/acme/platform": {"full_name": "acme/platform"}}
    body = bodies.get(request.path)
    if body is None:
        return Reply(status=404, body=b'{"message": "Not Found"}', headers=headers)
    return Reply(body=json.dumps(body).encode(), headers=headers)


def _make(url: str) -> GitHubVerifier:
    return GitHubVerifier(url, clock=lambda: NOW)


class TestOnDouble(ConnectorContract):
    """Against a double of the REST API."""

    @pytest.fixture
    def bench(self) -> Iterator[ConnectorBench]:
        with http_double(_answer) as url:
            yield ConnectorBench(
                make=_make,
                url=url,
                target=GitHubSettings(repository="acme/platform", scopes=("repo",)),
                valid=secret_value({"token": _TOKEN}),
                invalid=secret_value({"token": "wrong-token"}),
                proves=(LOGIN, "scope repo", "sees acme/platform"),
            )

    def test_end_of_the_token_is_told(self, bench: ConnectorBench) -> None:
        assert bench.verify().detail == f"the token ends {_ENDS}"

    def test_hidden_repository_is_a_missing_right_and_no_dead_token(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=GitHubSettings(repository="acme/secret"))
        assert (result.reason, result.proved) == (Reason.NO_PERMISSION, (LOGIN,))

    def test_missing_scope_is_named(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=GitHubSettings(scopes=("repo", "admin:org")))
        assert result.reason is Reason.NO_PERMISSION
        assert result.not_proved == ("scope admin:org",)

    def test_value_without_a_token_is_a_wrong_setting(self, bench: ConnectorBench) -> None:
        assert bench.verify({"other": SecretText("x")}).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("status", "message", "extra", "reason"),
    [
        ("401 Unauthorized", "Bad credentials", "", Reason.WRONG_VALUE),
        ("401 Unauthorized", "Requires authentication", "", Reason.NOT_CONFIGURED),
        ("403 Forbidden", "API rate limit exceeded", "X-RateLimit-Remaining: 0\r\n", Reason.THROTTLED),
        ("403 Forbidden", "You have exceeded a secondary rate limit", "", Reason.THROTTLED),
        ("403 Forbidden", "Forbidden", "X-GitHub-SSO: required; url=x\r\n", Reason.CONDITIONAL_ACCESS),
        ("403 Forbidden", "Resource protected by organization SAML enforcement", "", Reason.CONDITIONAL_ACCESS),
        ("403 Forbidden", "Resource not accessible by integration", "", Reason.NO_PERMISSION),
        ("403 Forbidden", "the organization has an IP allow list enabled", "", Reason.NETWORK_POLICY),
        ("400 Bad Request", "Unsupported API version", "", Reason.VERSION_NOT_SUPPORTED),
        ("500 Internal Server Error", "Bad credentials", "", Reason.SERVICE_FAULT),
    ],
)
def test_codes(status: str, message: str, extra: str, reason: Reason) -> None:
    answer = page(status, json.dumps({"message": message}), "application/json", extra)
    with raw_server(answer) as url:
        bench = ConnectorBench(
            make=_make,
            url=url,
            target=GitHubSettings(),
            valid=secret_value({"token": _TOKEN}),
            invalid={},
            proves=(),
        )
        assert bench.verify().reason is reason
