import base64
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.clients.web import WebClient
from lifecycle.destinations.kubernetes_secret import KubernetesSecret, KubernetesSecretSettings
from lifecycle.destinations.noted_copy import NotedCopy
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import (
    AmbiguousEffectError,
    AuthenticationError,
    ConfigurationError,
    FenceError,
    LifecycleError,
    LostRaceError,
    NotFoundError,
    RemoteServiceError,
    SlotOccupiedError,
)
from lifecycle.domain.secret import OperationId, SecretText, SecretValue, secret_value
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.delivery_notes import Kept, KilledError, deliver
from tests.contract.http_doubles import http_double
from tests.contract.kubernetes_double import ApiServer

_TOKEN = "token-of-the-rotator"
_SECRET = "/api/v1/namespaces/mlops/secrets/agent-token"
_DEPLOYMENT = "/apis/apps/v1/namespaces/mlops/deployments/agent"
_STATEFUL = "/apis/apps/v1/namespaces/mlops/statefulsets/spool"
_DAEMON = "/apis/apps/v1/namespaces/mlops/daemonsets/shipper"
_WORKLOADS = ("deployment/agent", "statefulset/spool", "daemonset/shipper")


def _workload(replicas: int) -> dict[str, Any]:
    template = {"metadata": {"annotations": {"team": "mlops"}}, "spec": {"image": "agent:1"}}
    return {"spec": {"replicas": replicas, "selector": {"app": "agent"}, "template": template}}


@pytest.fixture
def server() -> ApiServer:
    made = ApiServer(token=_TOKEN)
    made.add(_DEPLOYMENT, "Deployment", _workload(2), "helm")
    made.add(_STATEFUL, "StatefulSet", _workload(1), "helm")
    made.add(_DAEMON, "DaemonSet", _workload(3), "helm")
    return made


@pytest.fixture
def url(server: ApiServer) -> Iterator[str]:
    with http_double(server.answer) as base:
        yield base


def _client(url: str, token: str = _TOKEN) -> KubernetesClient:
    return KubernetesClient(url, lambda: SecretText(token), web=WebClient())


def _target(url: str, *, token: str = _TOKEN, name: str = "agent-token", **options: Any) -> KubernetesSecret:
    options.setdefault("restart", _WORKLOADS)
    return KubernetesSecret(_client(url, token), name, "mlops", FINGERPRINT, **options)


def _data(server: ApiServer) -> dict[str, str]:
    leaves = server.objects[_SECRET].leaves.items() if _SECRET in server.objects else ()
    return {leaf[1]: base64.b64decode(value).decode() for leaf, value in leaves if leaf[0] == "data"}


def _plain(value: SecretValue) -> dict[str, str]:
    return {name: text.get_secret_value() for name, text in value.items()}


class TestOnDouble(DestinationContract):
    """Against an API server that owns fields."""

    @pytest.fixture
    def bench(self, server: ApiServer, url: str) -> DestinationBench:
        kept = Kept()
        return DestinationBench(
            destination=NotedCopy(_target(url), kept),
            again=NotedCopy(_target(url), kept),
            holds=lambda value: _data(server) == _plain(value),
            effects=lambda: sum(item.generation for item in server.objects.values()),
        )


def test_each_value_restarts_each_workload_once(server: ApiServer, url: str) -> None:
    kept = Kept()
    deliver(_target(url), kept, ONE)
    deliver(_target(url), kept, TWO, 2)
    assert [server.objects[path].generation for path in (_DEPLOYMENT, _STATEFUL, _DAEMON)] == [3, 3, 3]
    assert server.objects[_DEPLOYMENT].document()["spec"]["template"]["metadata"]["annotations"]["team"] == "mlops"


def test_rollout_under_way_is_waited_for(server: ApiServer, url: str) -> None:
    server.rolls_out = False
    destination = deliver(_target(url), Kept(), ONE)
    for path in (_DEPLOYMENT, _STATEFUL, _DAEMON):
        assert destination.acknowledged("agent") is NotKnown.NOT_YET
        server.finish(path)
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    server.objects[_DEPLOYMENT].status["updatedReplicas"] = 1
    assert destination.acknowledged("agent") is NotKnown.NOT_YET


def test_rollout_past_its_deadline_is_told_as_failing(server: ApiServer, url: str) -> None:
    destination = deliver(_target(url), Kept(), ONE)
    server.objects[_DEPLOYMENT].status["conditions"] = [{"type": "Progressing", "status": "False"}]
    said = destination.acknowledged("agent")
    assert isinstance(said, Acknowledgement)
    assert said.failing == "deployment/agent: the rollout made no progress within its deadline"


def test_two_secrets_of_one_workload_leave_each_other_alone(server: ApiServer, url: str) -> None:
    one = deliver(_target(url), Kept(), ONE)
    other = deliver(_target(url, name="proxy-login"), Kept(), TWO)
    assert isinstance(one.acknowledged("agent"), Acknowledgement)
    assert isinstance(other.acknowledged("agent"), Acknowledgement)


def test_key_of_another_manager_is_refused_and_left(server: ApiServer, url: str) -> None:
    theirs = base64.b64encode(b"theirs").decode()
    server.add(_SECRET, "Secret", {"data": {"token": theirs, "other": theirs}}, "helm")
    with pytest.raises(SlotOccupiedError, match="helm owns a field"):
        deliver(_target(url), Kept(), ONE)
    assert _data(server) == {"token": "theirs", "other": "theirs"}


def test_other_keys_of_the_secret_stay_through_delivery_and_withdrawal(server: ApiServer, url: str) -> None:
    theirs = base64.b64encode(b"theirs").decode()
    server.add(_SECRET, "Secret", {"data": {"other": theirs}}, "helm")
    destination = deliver(_target(url), Kept(), ONE)
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    destination.withdraw("agent", OperationId("end"), 2)
    assert _data(server) == {"other": "theirs"}


def test_keys_are_named_as_declared(server: ApiServer, url: str) -> None:
    destination = deliver(_target(url, keys={"MLOPS_API_TOKEN": "token"}), Kept(), ONE)
    assert _data(server) == {"MLOPS_API_TOKEN": "value-one"}
    assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    with pytest.raises(ConfigurationError, match="needs password"):
        deliver(_target(url, keys={"P": "password"}), Kept(), ONE)


def test_fence_at_the_secret_refuses_a_paused_run_whose_notes_were_lost(url: str) -> None:
    deliver(_target(url), Kept(), ONE, 5)
    with pytest.raises(FenceError, match="newer lease"):
        deliver(_target(url), Kept(), TWO, 4)


def test_secret_changed_between_look_and_apply_is_a_lost_race(server: ApiServer, url: str) -> None:
    deliver(_target(url), Kept(), ONE)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-token", "resourceVersion": "1"}}
    with pytest.raises(LostRaceError):
        _client(url).apply(_SECRET, body, manager="lifecycle-agent-token")


@pytest.mark.parametrize("fails_at", [1, 2])
def test_killed_before_and_after_is_finished_by_the_next_run(server: ApiServer, url: str, fails_at: int) -> None:
    kept = Kept(fails_at=fails_at)
    with pytest.raises(KilledError):
        deliver(_target(url), kept, ONE)
    assert NotedCopy(_target(url), kept).acknowledged("agent") is NotKnown.NOT_YET
    assert isinstance(deliver(_target(url), kept, ONE, 2).acknowledged("agent"), Acknowledgement)
    assert server.objects[_DEPLOYMENT].generation == 2


@pytest.mark.parametrize("lost", ["secrets", "deployments"])
def test_lost_answers_are_resolved_by_applying_again(server: ApiServer, url: str, lost: str) -> None:
    kept, server.lose_answer_of = Kept(), lost
    with pytest.raises(AmbiguousEffectError):
        deliver(_target(url), kept, ONE)
    server.lose_answer_of = ""
    assert isinstance(deliver(_target(url), kept, ONE).acknowledged("agent"), Acknowledgement)
    assert server.objects[_DEPLOYMENT].generation == 2


def test_changes_by_others_are_no_acknowledgement_and_repaired(server: ApiServer, url: str) -> None:
    destination = deliver(_target(url), Kept(), ONE)
    secret, template = server.objects[_SECRET], ("spec", "template", "metadata", "annotations", "lifecycle/agent-token")
    for leaves, leaf, other in (
        (secret.leaves, ("data", "token"), base64.b64encode(b"by hand").decode()),
        (secret.leaves, ("data", "token"), "not base64"),
        (server.objects[_DEPLOYMENT].leaves, template, "older"),
    ):
        leaves[leaf] = other
        assert destination.acknowledged("agent") is NotKnown.NOT_YET
        destination.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("op"), 1)
        assert isinstance(destination.acknowledged("agent"), Acknowledgement)
    del server.objects[_SECRET]
    assert destination.acknowledged("agent") is NotKnown.NOT_YET


def test_refusals_are_told_apart(server: ApiServer, url: str) -> None:
    with pytest.raises(AuthenticationError, match="401 Unauthorized"):
        deliver(_target(url, token="other"), Kept(), ONE)
    elsewhere = KubernetesSecret(_client(url), "agent-token", "kube-system", FINGERPRINT)
    with pytest.raises(AuthenticationError, match="403 Forbidden"):
        deliver(elsewhere, Kept(), ONE)
    with pytest.raises(NotFoundError):
        deliver(_target(url, restart=("deployment/absent",)), Kept(), ONE)
    server.add(_SECRET, "Secret", {"immutable": True}, "helm")
    with pytest.raises(RemoteServiceError, match="422 Invalid"):
        deliver(_target(url), Kept(), ONE)


def test_value_shows_nowhere(server: ApiServer, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    canary, kept = secret_value({"token": "canary-5d1e"}), Kept()
    deliver(_target(url), kept, canary)
    server.add(_SECRET, "Secret", {"data": {"token": "eA=="}}, "helm")
    with pytest.raises(LifecycleError) as caught:
        deliver(_target(url), Kept(), canary)
    encoded = base64.b64encode(b"canary-5d1e").decode()
    told = f"{kept.words()} {caught.value!r} {caught.value.remedy} {caplog.text}"
    assert "canary-5d1e" not in told
    assert encoded not in told


@pytest.mark.parametrize(
    "given",
    [{}, {"token_path": "/t", "login": "l"}, {"login": "l", "restart": ["job/x"]}, {"login": "l", "name": "Upper"}],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KubernetesSecretSettings.model_validate({"name": "a", "namespace": "b", **given})
