import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest

from lifecycle.clients.web import WebClient
from lifecycle.destinations.jenkins_credential import JenkinsCredential, JenkinsCredentialSettings, JenkinsLogin
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

_LOGIN = "Basic " + base64.b64encode(b"rotator:api-token").decode()
_TEXT = "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"
_PAIR = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
_SETTINGS = JenkinsCredentialSettings(
    url="https://ci.acme.example", id="agent-token", login="jenkins", fields={"secret": "token"}, folder="team/ml ops"
)


@dataclass
class Jenkins:
    """One credential behind login and crumb; secrets are hidden when it is read, lost when they come back hidden."""

    kind: str = _TEXT
    fields: dict[str, str] = field(default_factory=lambda: {"secret": "before"})
    shown: dict[str, str] = field(
        default_factory=lambda: {"scope": "GLOBAL", "id": "agent-token", "description": "of the agent <a&b>"}
    )
    hidden: tuple[str, ...] = ("secret", "password")
    crumbs: bool = True
    gone: bool = False
    writes: int = 0
    lose_answer: bool = False

    def answer(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != _LOGIN:
            return Reply(status=401, body=b"Invalid password/token for user: rotator")
        if request.path == "/crumbIssuer/api/json":
            body = json.dumps({"crumbRequestField": "Jenkins-Crumb", "crumb": "c1"}).encode()
            headers = {"Set-Cookie": "JSESSIONID.a1=s1;Path=/;HttpOnly"}
            return Reply(body=body, headers=headers) if self.crumbs else Reply(status=404)
        if self.gone or request.path != _SETTINGS.path():
            return Reply(status=404)
        return self._post(request) if request.method == "POST" else Reply(body=self._config())

    def _config(self) -> bytes:
        root = ElementTree.Element(self.kind, plugin="plain-credentials@1.8")
        for name, text in {**self.shown, **self.fields}.items():
            element = ElementTree.SubElement(root, name)
            if name in self.hidden:
                ElementTree.SubElement(element, "secret-redacted")
            else:
                element.text = text
        return b"<?xml version='1.1' encoding='UTF-8'?>\n" + ElementTree.tostring(root)

    def _post(self, request: Request) -> Reply:
        crumb = (request.headers.get("Jenkins-Crumb"), request.headers.get("Cookie"))
        if self.crumbs and crumb != ("c1", "JSESSIONID.a1=s1"):
            return Reply(status=403, body=b"No valid crumb was included in the request")
        root = ElementTree.fromstring(re.sub(rb"^<\?xml[^>]*\?>", b"", request.body))
        texts = {item.tag: item.text or "" for item in root}
        if root.tag != self.kind or texts.keys() != {**self.shown, **self.fields}.keys():
            return Reply(status=500)
        self.shown = {name: texts[name] for name in self.shown}
        self.fields = {name: texts[name] for name in self.fields}
        self.writes += 1
        return Reply(status=502 if self.lose_answer else 200)

    def holds(self, value: SecretValue) -> bool:
        return self.fields == {"secret": value["token"].get_secret_value()}


@pytest.fixture
def jenkins() -> Jenkins:
    return Jenkins()


@pytest.fixture
def url(jenkins: Jenkins) -> Iterator[str]:
    with http_double(jenkins.answer) as base:
        yield base


def _target(url: str, token: str = "api-token", **fields: str) -> JenkinsCredential:
    login = JenkinsLogin(username=lambda: SecretText("rotator"), api_token=lambda: SecretText(token))
    return JenkinsCredential(
        url, _SETTINGS.path(), "agent-token", fields or {"secret": "token"}, login=login, web=WebClient()
    )


class TestOnDouble(DestinationContract):
    """Against a controller that asks for a crumb."""

    @pytest.fixture
    def bench(self, jenkins: Jenkins, url: str) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_target(url), kept),
            again=NotedCopy(_target(url), kept),
            holds=jenkins.holds,
            effects=lambda: jenkins.writes,
        )


def test_id_scope_and_what_a_person_wrote_stay(jenkins: Jenkins, url: str) -> None:
    destination = deliver(_target(url), Kept(), ONE)
    destination.deliver("agent", TWO, FINGERPRINT(TWO), OperationId("later"), 2)
    assert jenkins.shown == {
        "scope": "GLOBAL",
        "id": "agent-token",
        "description": f"of the agent <a&b> [lifecycle {FINGERPRINT(TWO)}]",
    }
    destination.withdraw("agent", OperationId("end"), 3)
    assert jenkins.shown["description"] == "of the agent <a&b>"
    assert jenkins.fields == {"secret": "withdrawn"}


def test_path_leads_into_the_folder_of_the_store() -> None:
    assert _SETTINGS.path() == (
        "/job/team/job/ml%20ops/credentials/store/folder/domain/_/credential/agent-token/config.xml"
    )
    system = JenkinsCredentialSettings(url="u", id="a/b", login="l", fields={"secret": "token"})
    assert system.path() == "/credentials/store/system/domain/_/credential/a%2Fb/config.xml"


def test_user_and_password_are_replaced_together(jenkins: Jenkins, url: str) -> None:
    jenkins.kind, jenkins.fields = _PAIR, {"username": "0", "password": "before"}
    deliver(_target(url, username="id", password="token"), Kept(), ONE)
    assert jenkins.fields == {"username": "1", "password": "value-one"}


def test_hidden_element_that_is_not_declared_would_be_lost_and_is_refused(jenkins: Jenkins, url: str) -> None:
    jenkins.fields = {"secret": "before", "password": "other"}
    with pytest.raises(ConfigurationError, match="holds password besides"):
        deliver(_target(url), Kept(), ONE)
    assert jenkins.writes == 0


@pytest.mark.parametrize("name", ["absent", "id"])
def test_element_that_is_none_or_not_secret_is_refused(jenkins: Jenkins, url: str, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"no secret element {name}"):
        deliver(_target(url, **{name: "token"}), Kept(), ONE)
    with pytest.raises(ConfigurationError, match="needs password"):
        deliver(_target(url, secret="password"), Kept(), ONE)
    assert jenkins.writes == 0


def test_controller_without_crumbs_gets_none(jenkins: Jenkins, url: str) -> None:
    jenkins.crumbs = False
    assert isinstance(deliver(_target(url), Kept(), ONE).acknowledged("agent"), Acknowledgement)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_is_finished_by_the_next_run(jenkins: Jenkins, url: str, fails_at: int) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_target(url), kept, ONE)
    assert NotedCopy(_target(url), kept).acknowledged("agent") is NotKnown.NOT_YET
    assert isinstance(deliver(_target(url), kept, ONE, 2).acknowledged("agent"), Acknowledgement)
    assert jenkins.holds(ONE)


def test_lost_answer_is_resolved_by_writing_again(jenkins: Jenkins, url: str) -> None:
    kept, jenkins.lose_answer = Kept(), True
    with pytest.raises(AmbiguousEffectError):
        deliver(_target(url), kept, ONE)
    jenkins.lose_answer = False
    assert isinstance(deliver(_target(url), kept, ONE).acknowledged("agent"), Acknowledgement)


def test_credential_restored_from_a_backup_is_no_acknowledgement(jenkins: Jenkins, url: str) -> None:
    destination, backup = deliver(_target(url), Kept(), ONE), dict(jenkins.shown)
    destination.deliver("agent", TWO, FINGERPRINT(TWO), OperationId("later"), 2)
    jenkins.shown = backup
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    jenkins.gone = True
    assert destination.acknowledged("agent") is NotKnown.NOT_YET
    destination.withdraw("agent", OperationId("end"), 3)


def test_refusals_are_told_apart(jenkins: Jenkins, url: str) -> None:
    with pytest.raises(AuthenticationError, match="401"):
        deliver(_target(url, "other"), Kept(), ONE)
    jenkins.gone = True
    with pytest.raises(NotFoundError):
        deliver(_target(url), Kept(), ONE)


@pytest.mark.parametrize("body", [b"<html>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"])
def test_answer_that_is_no_credential_is_told(body: bytes) -> None:
    with http_double(lambda _: Reply(body=body)) as base, pytest.raises(RemoteServiceError, match="no credential"):
        deliver(_target(base), Kept(), ONE)


def test_value_shows_nowhere(jenkins: Jenkins, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    canary, kept = secret_value({"token": "canary-e2d7"}), Kept()
    deliver(_target(url), kept, canary)
    jenkins.lose_answer = True
    with pytest.raises(LifecycleError) as caught:
        deliver(_target(url), Kept(), canary, 2)
    assert "canary-e2d7" not in f"{kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text}"
