import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from pydantic import ValidationError

from lifecycle.destinations.github_actions_secret import (
    GitHubActionsSecret,
    GitHubActionsSecretSettings,
    github_client,
)
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import OperationId, SecretText, SecretValue, secret_value
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.http_doubles import Reply, Request, http_double

_TOKEN = "token-of-the-rotator"
_SECRETS = {"MLOPS_TOKEN": "token", "MLOPS_ID": "id"}
_PLACES = {
    "repository": {"repository": "acme/scoring"},
    "environment": {"repository": "acme/scoring", "environment": "prod/eu"},
    "organization": {"organization": "acme"},
}


@dataclass
class GitHub:
    """Actions secrets as GitHub keeps them; each write has a time of its own."""

    path: str
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    opened: dict[str, str] = field(default_factory=dict)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)
    repositories: list[int] = field(default_factory=list)
    writes: int = 0
    lose_answer: bool = False

    def answer(self, request: Request) -> Reply:
        status, document = self._answer(request)
        return Reply(status=status, body=json.dumps(document).encode(), headers={"X-GitHub-Request-Id": "AB:1"})

    def _answer(self, request: Request) -> tuple[int, Any]:
        parts = urlsplit(request.path)
        if request.headers.get("Authorization") != f"Bearer {_TOKEN}":
            return 401, {"message": "Bad credentials"}
        if not parts.path.startswith(f"{self.path}/"):
            return 404, {"message": "Not Found"}
        name, _, rest = parts.path.removeprefix(f"{self.path}/").partition("/")
        if name == "public-key":
            return 200, {"key_id": "568250167242549743", "key": base64.b64encode(bytes(self.key.public_key)).decode()}
        if request.method == "PUT":
            return self._put(name, json.loads(request.body))
        if name not in self.shown:
            return 404, {"message": "Not Found"}
        if request.method == "DELETE":
            del self.opened[name], self.shown[name]
            return 204, None
        if rest == "repositories":
            return self._page(parts.query)
        return 200, self.shown[name]

    def _page(self, query: str) -> tuple[int, Any]:
        page = int(query.rpartition("=")[2])
        here = self.repositories[(page - 1) * 100 : page * 100]
        return 200, {"total_count": len(self.repositories), "repositories": [{"id": item} for item in here]}

    def _put(self, name: str, body: dict[str, Any]) -> tuple[int, Any]:
        organization = self.path.startswith("/orgs/")
        if name.startswith("GITHUB_") or body["key_id"] != "568250167242549743":
            return 422, {"message": "Validation Failed"}
        if ("visibility" in body) != organization:
            return 422, {"message": "visibility"}
        try:
            opened = SealedBox(self.key).decrypt(base64.b64decode(body["encrypted_value"])).decode()
        except CryptoError:
            return 422, {"message": f"not sealed to us: {body}"}
        self.write(name, opened, **{key: body[key] for key in ("visibility",) if key in body})
        if "selected_repository_ids" in body:
            self.repositories = body["selected_repository_ids"]
        elif body.get("visibility") == "selected":
            self.repositories = []
        return (502, None) if self.lose_answer else (204, None)

    def write(self, name: str, opened: str, **shown: Any) -> None:
        self.writes += 1
        self.opened[name] = opened
        self.shown[name] = {"name": name, "updated_at": f"2026-11-24T18:00:{self.writes:02}Z", **shown}

    def holds(self, value: SecretValue) -> bool:
        return self.opened == {name: value[item].get_secret_value() for name, item in _SECRETS.items()}


def _settings(where: str) -> GitHubActionsSecretSettings:
    return GitHubActionsSecretSettings.model_validate({"secrets": _SECRETS, "login": "github", **_PLACES[where]})


@pytest.fixture
def where() -> str:
    return "repository"


@pytest.fixture
def github(where: str) -> GitHub:
    return GitHub(path=_settings(where).path())


@pytest.fixture
def url(github: GitHub) -> Iterator[str]:
    with http_double(github.answer) as base:
        yield base


def _target(url: str, github: GitHub, token: str = _TOKEN, **secrets: str) -> GitHubActionsSecret:
    client = github_client(url, lambda: SecretText(token))
    return GitHubActionsSecret(client, github.path, secrets or _SECRETS, organization=github.path.startswith("/orgs/"))


@pytest.mark.parametrize("where", list(_PLACES))
class TestOnDouble(DestinationContract):
    """Against a GitHub that opens what was sealed to it."""

    @pytest.fixture
    def bench(self, github: GitHub, url: str) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_target(url, github), kept),
            again=NotedCopy(_target(url, github), kept),
            holds=github.holds,
            effects=lambda: github.writes,
        )


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_is_finished_by_the_next_run(github: GitHub, url: str, fails_at: int) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_target(url, github), kept, ONE)
    assert NotedCopy(_target(url, github), kept).acknowledged("agent") is NotKnown.NOT_YET
    assert isinstance(deliver(_target(url, github), kept, ONE, 2).acknowledged("agent"), Acknowledgement)
    assert github.holds(ONE)


def test_lost_answer_is_resolved_by_writing_again(github: GitHub, url: str) -> None:
    kept, github.lose_answer = Kept(), True
    with pytest.raises(AmbiguousEffectError):
        deliver(_target(url, github), kept, ONE)
    github.lose_answer = False
    assert isinstance(deliver(_target(url, github), kept, ONE).acknowledged("agent"), Acknowledgement)


def test_secret_written_or_deleted_by_somebody_else_is_no_acknowledgement(github: GitHub, url: str) -> None:
    destination = deliver(_target(url, github), Kept(), ONE)
    github.write("MLOPS_TOKEN", "by hand")
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("op"), 1)
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    del github.shown["MLOPS_ID"]
    assert destination.acknowledged("agent") is NotKnown.NOT_YET


@pytest.mark.parametrize("where", ["organization"])
def test_who_may_use_an_organisations_secret_stays(github: GitHub, url: str) -> None:
    repositories = list(range(1, 151))
    github.write("MLOPS_TOKEN", "old", visibility="selected")
    github.write("MLOPS_ID", "old", visibility="all")
    github.repositories = repositories
    deliver(_target(url, github), Kept(), TWO)
    assert [github.shown[name]["visibility"] for name in _SECRETS] == ["selected", "all"]
    assert github.repositories == repositories


def test_refusals_are_told_apart(github: GitHub, url: str) -> None:
    with pytest.raises(AuthenticationError):
        deliver(_target(url, github, "other"), Kept(), ONE)
    with pytest.raises(RemoteServiceError, match="422"):
        deliver(_target(url, github, GITHUB_TOKEN="token"), Kept(), ONE)
    with pytest.raises(ConfigurationError, match="needs password"):
        deliver(_target(url, github, P="password"), Kept(), ONE)
    elsewhere = GitHub(path="/repos/acme/other/actions/secrets")
    with pytest.raises(NotFoundError):
        deliver(_target(url, elsewhere), Kept(), ONE)


def test_key_that_is_none_is_told() -> None:
    answers = http_double(lambda _: Reply(body=b'{"key": "AAAA", "key_id": "1"}'))
    with answers as base, pytest.raises(RemoteServiceError, match="public key"):
        deliver(_target(base, GitHub(path="/repos/a/b/actions/secrets")), Kept(), ONE)


def test_value_shows_nowhere(github: GitHub, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    canary, kept = secret_value({"id": "1", "token": "canary-c80e"}), Kept()
    deliver(_target(url, github), kept, canary)
    with pytest.raises(LifecycleError) as caught:
        deliver(_target(url, github, GITHUB_TOKEN="token"), Kept(), canary)
    assert "canary-c80e" not in f"{kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text}"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"repository": "acme/scoring", "organization": "acme"},
        {"organization": "acme", "environment": "prod"},
        {"repository": "no-owner"},
        {"repository": "acme/scoring", "secrets": {"GITHUB_TOKEN": "token"}},
        {"repository": "acme/scoring", "secrets": {}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GitHubActionsSecretSettings.model_validate({"secrets": _SECRETS, "login": "github", **given})


def test_environment_with_a_slash_is_one_part_of_the_path() -> None:
    assert _settings("environment").path() == "/repos/acme/scoring/environments/prod%2Feu/secrets"
