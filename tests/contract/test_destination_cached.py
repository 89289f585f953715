"""Consumers that read the store themselves and cache: refresh seen, rollout seen, before anything is revoked."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lifecycle.clients.kubernetes import KubernetesClient
from lifecycle.clients.web import WebClient
from lifecycle.destinations.external_secret import ExternalSecret, ExternalSecretSettings
from lifecycle.destinations.kubernetes_rollout import KubernetesRollout, KubernetesRolloutSettings, Rollouts
from lifecycle.destinations.noted_copy import CopyTarget, NotedCopy
from lifecycle.destinations.secrets_store_csi import SecretsStoreCsi, SecretsStoreCsiSettings
from lifecycle.destinations.vault_agent_file import VaultAgentFile, VaultAgentFileSettings
from lifecycle.domain.credential import Acknowledgement, CredentialClass, NotKnown
from lifecycle.domain.errors import (
    CheckRefusedError,
    ConfigurationError,
    FenceError,
    LifecycleError,
    NotFoundError,
    RemoteServiceError,
)
from lifecycle.domain.secret import OperationId, SecretText, SecretValue, VersionStage, fingerprint
from lifecycle.operations.rotate_credential import rotate
from lifecycle.operations.rotation_context import ConsumerBinding, RotationContext, Standing
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO
from tests.contract.delivery_notes import Kept, deliver
from tests.contract.http_doubles import http_double
from tests.contract.kubernetes_double import ApiServer
from tests.fakes.house import House

_TOKEN = "token-of-the-rotator"
_EXTERNAL = "/apis/external-secrets.io/v1/namespaces/mlops/externalsecrets/agent-token"
_SECRET = "/api/v1/namespaces/mlops/secrets/agent-token"
_DEPLOYMENT = "/apis/apps/v1/namespaces/mlops/deployments/agent"
_END = OperationId("end")


def _plain(value: SecretValue) -> dict[str, str]:
    return {name: text.get_secret_value() for name, text in value.items()}


@dataclass
class Cluster:
    """A namespace with an operator, a driver and a workload; `store` is what they read."""

    server: ApiServer = field(default_factory=lambda: ApiServer(token=_TOKEN))
    store: SecretValue = field(default_factory=lambda: ONE)
    trouble: str = ""
    asleep: bool = False
    syncs: int = 0
    pods: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        template = {"metadata": {"annotations": {}}, "spec": {"image": "agent:1"}}
        workload = {"spec": {"replicas": 2, "selector": {"app": "agent"}, "template": template}}
        self.server.add(_DEPLOYMENT, "Deployment", workload, "helm")
        external = {"spec": {"secretStoreRef": {"name": "vault"}, "refreshInterval": "1h"}, "metadata": {"labels": {}}}
        self.server.add(_EXTERNAL, "ExternalSecret", external, "argocd")
        self.server.operator = lambda server, path: self.sync()
        self.server.mounts = lambda: self.pods
        self.sync()

    def sync(self) -> None:
        """The operator reconciles, unless it sleeps."""
        external = self.server.objects[_EXTERNAL]
        if self.asleep:
            return
        if self.trouble:
            external.status["conditions"] = [{"type": "Ready", "status": "False", "reason": self.trouble}]
            return
        self.syncs += 1
        data = {name: base64.b64encode(item.encode()).decode() for name, item in _plain(self.store).items()}
        self.server.add(_SECRET, "Secret", {"data": data}, "external-secrets")
        external.status |= {
            "syncedResourceVersion": f"1-{self.syncs}",
            "conditions": [{"type": "Ready", "status": "True", "reason": "SecretSynced"}],
        }

    def mount(self, *versions: str, mounted: bool = True, of: str = "agent") -> None:
        """One pod each."""
        self.pods = [
            {
                "status": {
                    "podName": f"agent-{number}",
                    "secretProviderClassName": of,
                    "mounted": mounted,
                    "objects": [{"id": "acme/agent", "version": version}],
                }
            }
            for number, version in enumerate(versions)
        ]

    @property
    def client(self) -> KubernetesClient:
        return KubernetesClient(self.url, lambda: SecretText(_TOKEN), web=WebClient())

    def external(self, names: Callable[[SecretValue], Any] = FINGERPRINT, **options: Any) -> ExternalSecret:
        options.setdefault("restart", ("deployment/agent",))
        return ExternalSecret(self.client, "agent-token", "mlops", names, **options)

    def rollouts(self) -> Rollouts:
        return Rollouts(self.client, "mlops", ("deployment/agent",), "reads-agent")

    def csi(self, version: Callable[[], str] | None = None) -> SecretsStoreCsi:
        return SecretsStoreCsi(self.client, "agent", "mlops", "acme/agent", rollouts=self.rollouts(), version=version)

    def generation(self) -> int:
        return self.server.objects[_DEPLOYMENT].generation


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    with http_double(made.server.answer) as url:
        made.url = url
        yield made


def _acknowledged(target: CopyTarget, kept: Kept) -> object:
    said = NotedCopy(target, kept).acknowledged("agent")
    return said.fingerprint if isinstance(said, Acknowledgement) and not said.failing else said


class TestExternalSecret:
    """The External Secrets Operator."""

    def test_refresh_is_asked_for_seen_and_then_the_readers_restart(self, cluster: Cluster) -> None:
        kept = Kept()
        for fence, value in enumerate((ONE, TWO), start=1):
            cluster.store = value
            deliver(cluster.external(), kept, value, fence)
            assert _acknowledged(cluster.external(), kept) == FINGERPRINT(value)
            assert cluster.generation() == fence + 1
        asked = cluster.server.objects[_EXTERNAL]
        assert cluster.syncs == 3 and asked.leaves["spec", "refreshInterval"] == "1h"

    def test_nothing_restarts_before_the_refresh_was_seen(self, cluster: Cluster) -> None:
        kept, cluster.store, cluster.asleep = Kept(), TWO, True
        for _ in range(2):
            with pytest.raises(RemoteServiceError, match="was asked to refresh, and has not yet") as caught:
                deliver(cluster.external(), kept, TWO)
            assert caught.value.retryable
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET
        assert cluster.generation() == 1
        cluster.asleep = False
        cluster.sync()
        deliver(cluster.external(), kept, TWO)
        assert (_acknowledged(cluster.external(), kept), cluster.generation()) == (FINGERPRINT(TWO), 2)

    def test_rollout_under_way_is_waited_for_and_a_stopped_one_is_failing(self, cluster: Cluster) -> None:
        kept, cluster.server.rolls_out = Kept(), False
        deliver(cluster.external(), kept, ONE)
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET
        cluster.server.objects[_DEPLOYMENT].status["conditions"] = [{"type": "Progressing", "status": "False"}]
        said = NotedCopy(cluster.external(), kept).acknowledged("agent")
        assert isinstance(said, Acknowledgement) and "no progress within its deadline" in said.failing
        cluster.server.finish(_DEPLOYMENT)
        assert _acknowledged(cluster.external(), kept) == FINGERPRINT(ONE)

    def test_operator_that_cannot_read_the_store_is_named(self, cluster: Cluster) -> None:
        cluster.trouble = "SecretSyncedError"
        with pytest.raises(RemoteServiceError, match="could not refresh: SecretSyncedError"):
            deliver(cluster.external(), Kept(), TWO)
        cluster.trouble = "<b>odd</b>"
        cluster.sync()
        with pytest.raises(RemoteServiceError, match="it is not Ready"):
            deliver(cluster.external(), Kept(), TWO)

    def test_operator_that_reads_an_older_copy_is_no_acknowledgement(self, cluster: Cluster) -> None:
        kept = Kept()
        for syncs in (2, 3):  # a replica that lags: it is asked again each time it has answered
            with pytest.raises(RemoteServiceError, match="holds another value"):
                deliver(cluster.external(), kept, TWO)
            assert cluster.syncs == syncs
        cluster.store = TWO
        deliver(cluster.external(), kept, TWO)
        assert _acknowledged(cluster.external(), kept) == FINGERPRINT(TWO)
        cluster.store = ONE
        cluster.sync()
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET

    def test_copy_changed_by_hand_is_refreshed_again(self, cluster: Cluster) -> None:
        kept = Kept()
        deliver(cluster.external(), kept, ONE)
        cluster.server.objects[_SECRET].leaves["data", "token"] = base64.b64encode(b"by hand").decode()
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET
        deliver(cluster.external(), kept, ONE)
        assert (_acknowledged(cluster.external(), kept), cluster.generation()) == (FINGERPRINT(ONE), 2)
        del cluster.server.objects[_SECRET]
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET

    def test_second_delivery_has_no_further_effect(self, cluster: Cluster) -> None:
        kept = Kept()
        deliver(cluster.external(), kept, ONE)
        deliver(cluster.external(), kept, ONE)
        deliver(cluster.external(), kept, ONE, 2)
        assert (cluster.syncs, cluster.generation()) == (2, 2)

    def test_composed_secret_counts_by_the_status_alone(self, cluster: Cluster) -> None:
        kept, cluster.store = Kept(), TWO
        with pytest.raises(RemoteServiceError, match="holds another value"):
            deliver(cluster.external(keys={"id": "token"}), Kept(), TWO)
        deliver(cluster.external(compare=False), kept, TWO)
        assert _acknowledged(cluster.external(compare=False), kept) == FINGERPRINT(TWO)

    def test_lower_fence_is_refused(self, cluster: Cluster) -> None:
        kept = Kept()
        deliver(cluster.external(), kept, ONE, 5)
        with pytest.raises(FenceError):
            deliver(cluster.external(), kept, TWO, 4)

    def test_retirement_waits_until_the_operator_copies_no_more(self, cluster: Cluster) -> None:
        destination = deliver(cluster.external(), Kept(), ONE)
        with pytest.raises(CheckRefusedError, match="still copies the value") as caught:
            destination.withdraw("agent", _END, 1)
        assert "delete it where it is declared" in caught.value.remedy
        del cluster.server.objects[_EXTERNAL], cluster.server.objects[_SECRET]
        destination.withdraw("agent", _END, 1)
        assert destination.acknowledged("agent") is NotKnown.NOT_YET

    def test_what_is_not_there_or_not_in_the_value_is_named(self, cluster: Cluster) -> None:
        with pytest.raises(ConfigurationError, match="said to show password"):
            deliver(cluster.external(keys={"P": "password"}), Kept(), ONE)
        kept = Kept()
        deliver(cluster.external(), kept, ONE)
        del cluster.server.objects[_EXTERNAL]
        assert _acknowledged(cluster.external(), kept) is NotKnown.NOT_YET
        with pytest.raises(NotFoundError):
            deliver(cluster.external(), Kept(), ONE)

    def test_value_is_neither_sent_nor_shown(self, cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        kept = Kept()
        with pytest.raises(LifecycleError) as caught:
            deliver(cluster.external(), kept, TWO)
        leaves = {str(item) for stored in cluster.server.objects.values() for item in stored.leaves.values()}
        told = f"{kept.words()} {caught.value!r} {caplog.text} {leaves}"
        assert "value-two" not in told and base64.b64encode(b"value-two").decode() not in told


class TestSecretsStoreCsi:
    """The Secrets Store CSI driver."""

    def test_every_pod_must_show_one_version(self, cluster: Cluster) -> None:
        kept = Kept()
        cluster.mount("v1", "v1")
        deliver(cluster.csi(), kept, ONE)
        assert (_acknowledged(cluster.csi(), kept), cluster.generation()) == (FINGERPRINT(ONE), 2)
        cluster.mount("v1", "v2")
        assert _acknowledged(cluster.csi(), kept) is NotKnown.NOT_YET
        cluster.mount("v2", "v2", mounted=False)
        assert _acknowledged(cluster.csi(), kept) is NotKnown.NOT_YET
        cluster.mount("v2", of="other")
        assert _acknowledged(cluster.csi(), kept) is NotKnown.NOT_YET

    def test_version_of_the_store_is_asked_for_where_it_is_known(self, cluster: Cluster) -> None:
        kept = Kept()
        cluster.mount("v1", "v1")
        deliver(cluster.csi(lambda: "v2"), kept, TWO)
        assert _acknowledged(cluster.csi(lambda: "v2"), kept) is NotKnown.NOT_YET
        cluster.mount("v2", "v2")
        assert _acknowledged(cluster.csi(lambda: "v2"), kept) == FINGERPRINT(TWO)
        assert _acknowledged(cluster.csi(lambda: ""), kept) is NotKnown.NOT_YET

    def test_rollout_comes_before_the_mounts(self, cluster: Cluster) -> None:
        kept, cluster.server.rolls_out = Kept(), False
        cluster.mount("v1", "v1")
        deliver(cluster.csi(), kept, ONE)
        assert _acknowledged(cluster.csi(), kept) is NotKnown.NOT_YET
        cluster.server.finish(_DEPLOYMENT)
        assert _acknowledged(cluster.csi(), kept) == FINGERPRINT(ONE)

    def test_retirement_waits_until_no_pod_mounts_it(self, cluster: Cluster) -> None:
        cluster.mount(*["v1"] * 5)
        destination = deliver(cluster.csi(), Kept(), ONE)
        with pytest.raises(CheckRefusedError, match="agent-0, agent-1, agent-2 and 2 more still mount"):
            destination.withdraw("agent", _END, 1)
        cluster.mount()
        destination.withdraw("agent", _END, 1)


class TestRollout:
    """Pods that read the store when they start."""

    def test_restart_is_acknowledged_once_at_rest_and_done_once(self, cluster: Cluster) -> None:
        kept = Kept()
        target = KubernetesRollout(cluster.rollouts(), "deployment/agent in mlops")
        deliver(target, kept, ONE)
        deliver(target, kept, ONE, 2)
        assert (_acknowledged(target, kept), cluster.generation()) == (FINGERPRINT(ONE), 2)

    def test_retirement_waits_until_nothing_runs(self, cluster: Cluster) -> None:
        target = KubernetesRollout(cluster.rollouts(), "deployment/agent in mlops")
        destination, found = deliver(target, Kept(), ONE), cluster.server.objects[_DEPLOYMENT]
        with pytest.raises(CheckRefusedError, match="deployment/agent still runs with the value"):
            destination.withdraw("agent", _END, 1)
        found.leaves["spec", "replicas"] = 0
        cluster.server.finish(_DEPLOYMENT)
        destination.withdraw("agent", _END, 1)
        del cluster.server.objects[_DEPLOYMENT]
        destination.withdraw("agent", _END, 1)

    def test_daemon_set_runs_where_it_is_scheduled(self, cluster: Cluster) -> None:
        path = "/apis/apps/v1/namespaces/mlops/daemonsets/shipper"
        stored = cluster.server.add(path, "DaemonSet", {"spec": {"selector": {"app": "x"}}}, "helm")
        rollouts = Rollouts(cluster.client, "mlops", ("daemonset/shipper",), "x")
        assert rollouts.running() == ("daemonset/shipper",)
        stored.status["desiredNumberScheduled"] = 0
        assert rollouts.running() == ()


class TestVaultAgentFile:
    """A file that the agent renders."""

    @staticmethod
    def _target(tmp_path: Path, **options: Any) -> VaultAgentFile:
        settings = VaultAgentFileSettings.model_validate({"path": str(tmp_path / "token"), **options})
        return VaultAgentFile(settings, FINGERPRINT)

    def test_rendered_file_is_awaited_and_then_its_reader_told(self, tmp_path: Path) -> None:
        kept, told = Kept(), tmp_path / "told"
        target = self._target(tmp_path, reload=["/usr/bin/touch", str(told)])
        (tmp_path / "token").write_text(json.dumps({**_plain(ONE), "lease": 3}))
        with pytest.raises(RemoteServiceError, match="does not hold the new value yet"):
            deliver(target, kept, TWO)
        assert not told.exists() and _acknowledged(target, kept) is NotKnown.NOT_YET
        (tmp_path / "token").write_text(json.dumps({**_plain(TWO), "lease": 3}))
        deliver(target, kept, TWO)
        assert told.exists() and _acknowledged(target, kept) == FINGERPRINT(TWO)
        (tmp_path / "token").write_text(json.dumps(_plain(ONE)))
        assert _acknowledged(target, kept) is NotKnown.NOT_YET

    def test_agent_is_made_to_render(self, tmp_path: Path) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_text(json.dumps(_plain(TWO)))
        target = self._target(tmp_path, refresh=["/usr/bin/cp", str(fresh), str(tmp_path / "token")])
        kept = Kept()
        deliver(target, kept, TWO)
        assert _acknowledged(target, kept) == FINGERPRINT(TWO)

    def test_failing_command_is_told_and_made_good(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(json.dumps(_plain(ONE)))
        kept = Kept()
        with pytest.raises(RemoteServiceError, match="/usr/bin/false for the file"):
            deliver(self._target(tmp_path, reload=["/usr/bin/false"]), kept, ONE)
        assert _acknowledged(self._target(tmp_path), kept) is NotKnown.NOT_YET
        deliver(self._target(tmp_path, reload=["/usr/bin/true"]), kept, ONE)
        assert _acknowledged(self._target(tmp_path), kept) == FINGERPRINT(ONE)

    def test_lines_are_read_with_export_and_quotes(self, tmp_path: Path) -> None:
        target = self._target(tmp_path, format="env", keys={"ID": "id", "TOKEN": "token"})
        (tmp_path / "token").write_text("# by the agent\nexport ID='1'\nTOKEN=\"value-one\"\n")
        kept = Kept()
        deliver(target, kept, ONE)
        assert _acknowledged(target, kept) == FINGERPRINT(ONE)

    @pytest.mark.parametrize("content", ["{", "[]", "", '{"id": 1}'])
    def test_file_that_is_being_written_is_not_ours_yet(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "token").write_text(content)
        with pytest.raises(RemoteServiceError, match="does not hold"):
            deliver(self._target(tmp_path), Kept(), ONE)

    def test_unreadable_file_and_unknown_field_are_settings_to_correct(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_bytes(b"\xff\xfe")
        with pytest.raises(ConfigurationError, match="cannot be read"):
            deliver(self._target(tmp_path), Kept(), ONE)
        with pytest.raises(ConfigurationError, match="said to show password"):
            deliver(self._target(tmp_path, keys={"P": "password"}), Kept(), ONE)

    def test_retirement_waits_until_the_file_is_gone(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(json.dumps(_plain(ONE)))
        destination = deliver(self._target(tmp_path), Kept(), ONE)
        with pytest.raises(CheckRefusedError, match="is still there"):
            destination.withdraw("agent", _END, 1)
        (tmp_path / "token").unlink()
        destination.withdraw("agent", _END, 1)


class TestGrace:
    """The whole rotation with such a consumer."""

    @staticmethod
    def _context(house: House, cluster: Cluster) -> RotationContext:
        names = partial(fingerprint, key=b"k" * 32, key_id="t1")
        bound = ConsumerBinding(name="eso", destination=NotedCopy(cluster.external(names), Kept()))
        context = house.context("p1")
        policy = dataclasses.replace(context.policy, ceiling=timedelta(hours=3))
        return dataclasses.replace(context, consumers=(bound,), policy=policy)

    def test_old_value_lives_until_refresh_and_rollout_were_seen(self, cluster: Cluster) -> None:
        house = House(kind=CredentialClass.B, consumed=False)
        context, cluster.asleep = self._context(house, cluster), True
        waiting = rotate(context)
        assert waiting.standing is Standing.PENDING and "has not yet" in waiting.text
        assert "v0" in house.provider.held
        cluster.store = house.store.value(VersionStage.CURRENT) or {}
        cluster.asleep = False
        cluster.sync()
        house.world.pass_time(timedelta(minutes=30))
        rotate(context)
        house.world.pass_time(timedelta(hours=2))
        assert rotate(context, wait=True).standing is Standing.DONE
        assert "v0" not in house.provider.held and cluster.generation() == 2

    def test_ceiling_quarantines_and_revokes_nothing(self, cluster: Cluster) -> None:
        house = House(kind=CredentialClass.B, consumed=False)
        context, cluster.asleep = self._context(house, cluster), True
        ended = rotate(context, wait=True)
        assert ended.standing is Standing.QUARANTINED
        assert "not acknowledged within the ceiling: eso: ExternalSecret mlops/agent-token was asked" in ended.text
        assert "v0" in house.provider.held


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (ExternalSecretSettings, {"name": "a"}),
        (ExternalSecretSettings, {"name": "a", "token_path": "/t", "login": "l"}),
        (ExternalSecretSettings, {"name": "a", "login": "l", "api_version": "v2"}),
        (KubernetesRolloutSettings, {"login": "l", "restart": []}),
        (KubernetesRolloutSettings, {"login": "l", "restart": ["pod/x"]}),
        (
            SecretsStoreCsiSettings,
            {"login": "l", "secret_provider_class": "a", "object": "", "restart": ["deployment/a"]},
        ),
        (VaultAgentFileSettings, {"path": "relative"}),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(model: type[Any], given: Mapping[str, Any]) -> None:
    place = {} if model is VaultAgentFileSettings else {"namespace": "b"}
    with pytest.raises(ValidationError):
        model.model_validate({**place, **given})
