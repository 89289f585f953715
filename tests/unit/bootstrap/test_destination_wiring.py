"""Every destination of the registry can be declared, is told in words, and is built from a spec without a network."""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifecycle.bootstrap.destination_places import read_token
from lifecycle.bootstrap.destinations import Destinations
from lifecycle.bootstrap.kinds import registry
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.domain.grants import grants
from lifecycle.domain.kinds import Family
from lifecycle.domain.secret import SecretRef, SecretText, SecretValue, fingerprint, secret_value
from lifecycle.settings import Settings

_KUBERNETES = {"name": "agent-token", "namespace": "mlops", "server": "https://k8s.acme.example"}
_DESTINATIONS: dict[str, dict[str, Any]] = {
    "command": {"command": ["/usr/bin/put", "it"], "withdraw": ["/usr/bin/take"], "timeout": "5s"},
    "datarobot_credential": {"name": "ingest", "data_store": "features", "fields": {"apiToken": "api_token"}},
    "datarobot_oauth_provider": {"id": "64a0000000000000000000aa"},
    "ecs_service": {"cluster": "mlops", "service": "agent"},
    "file": {"path": "agent.json", "mode": "0640"},
    "github_actions_secret": {
        "secrets": {"MLOPS_TOKEN": "api_token"},
        "login": "github",
        "repository": "acme/scoring",
    },
    "jenkins_credential": {
        "url": "https://ci.acme.example",
        "id": "agent",
        "login": "jenkins",
        "fields": {"secret": "api_token"},
    },
    "kubernetes_secret": {**_KUBERNETES, "login": "k8s", "restart": ["deployment/agent"]},
    "external_secret": {**_KUBERNETES, "login": "k8s", "restart": ["deployment/agent"]},
    "kubernetes_rollout": {"namespace": "mlops", "login": "k8s", "restart": ["deployment/agent"]},
    "secrets_store_csi": {
        "namespace": "mlops",
        "login": "k8s",
        "secret_provider_class": "agent",
        "object": "acme/agent",
        "restart": ["deployment/agent"],
    },
    "vault_agent_file": {"path": "/run/agent/token.json", "reload": ["/usr/bin/systemctl", "reload", "agent"]},
    "secrets_manager_copy": {"name": "acme/agent-copy", "create": True},
    "webhook": {"url": "https://hooks.acme.example/agent"},
}


class OwnValues:
    """The tool's own values, in memory."""

    def __init__(self, **kept: SecretValue) -> None:
        self.kept: dict[str, SecretValue] = dict(kept)

    def recall(self, ref: SecretRef) -> SecretValue:
        if ref.path not in self.kept:
            raise NotFoundError("nothing kept", remedy="none")
        return self.kept[ref.path]

    def keep(self, ref: SecretRef, value: SecretValue) -> None:
        self.kept[ref.path] = value

    def keep_once(self, ref: SecretRef, value: SecretValue) -> SecretValue:
        return self.kept.setdefault(ref.path, value)


def _around(root: Path, deliver_to: list[Mapping[str, Any] | str]) -> Surroundings:
    spec = {
        "version": 1,
        "environment": "prod",
        "owner": "ml-platform",
        "aws": {"account_id": "123456789012", "region": "eu-west-1"},
        "datarobot": {"default": {"endpoint": "https://app.eu.datarobot.com/api/v2"}},
        "backend": {"s3": {"bucket": "acme-state", "key": "prod.tfstate", "region": "eu-west-1", "use_lockfile": True}},
        "secret_stores": {"default": {"aws_secrets_manager": {"prefix": "acme"}}},
        "journal": {"dynamodb": {"table": "lifecycle-journal"}},
        "credentials": {
            "agent": {
                "kind": "datarobot_api_key",
                "principal": "svc@acme.example",
                "reason": "risk analysis",
                "deliver_to": deliver_to,
            }
        },
    }
    folder = root / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(yaml.safe_dump(spec))
    paths = Paths(root=root, env="prod", state_home=root / "state")
    settings = Settings(root=root, datarobot_api_token=SecretText("t"))
    return Surroundings(settings=settings, paths=paths, step=lambda _n, _t: None, note=lambda _t: None)


def _stores(around: Surroundings, own: OwnValues) -> Stores:
    stores = Stores(around)
    stores.__dict__["fingerprinter"] = partial(fingerprint, key=b"k", key_id="t")  # else it is read from the store
    stores.__dict__["_made"] = {"default": own}
    return stores


def _bindings(around: Surroundings, own: OwnValues | None = None) -> tuple[Any, ...]:
    return Destinations(around, _stores(around, own or OwnValues())).of(around.spec.credentials["agent"])


def test_every_kind_is_tried_here() -> None:
    assert set(_DESTINATIONS) == set(registry().names(Family.DESTINATION))


@pytest.mark.parametrize("kind", _DESTINATIONS)
def test_declared_destination_is_built_and_told_in_words(tmp_path: Path, kind: str) -> None:
    around = _around(tmp_path, [{kind: _DESTINATIONS[kind]}])
    (binding,) = _bindings(around)
    assert binding.name == f"{kind}-1"
    (told,) = [line for line in grants(around.spec) if "is delivered to" in line]
    assert told.startswith(f"credentials.agent is delivered to {kind} ")
    first, value = next(iter(_DESTINATIONS[kind].items()))
    assert first in told
    assert str(value) in told or value[0] in told


@pytest.mark.parametrize("kind", ["datarobot_credential", "secrets_manager_copy"])
def test_name_alone_is_enough_where_there_is_one(tmp_path: Path, kind: str) -> None:
    (binding,) = _bindings(_around(tmp_path, [{kind: "ingest"}]))
    assert binding.destination


@pytest.mark.parametrize(
    "name", ["acme/agent", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:acme/agent-AbCdEf"]
)
def test_copy_over_the_store_itself_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"where secret_stores\.default keeps a credential"):
        _bindings(_around(tmp_path, [{"secrets_manager_copy": name}]))


def test_unknown_datarobot_is_found_while_the_spec_is_read(tmp_path: Path) -> None:
    around = _around(tmp_path, [{"datarobot_credential": {"name": "ingest", "datarobot": "other"}}])
    with pytest.raises(ConfigurationError) as caught:
        _bindings(around)
    assert "not defined in `datarobot`" in str(caught.value.problems[0])


def test_signing_key_of_a_webhook_is_made_once(tmp_path: Path) -> None:
    own = OwnValues()
    around = _around(tmp_path, [{"webhook": {"url": "https://hooks.acme.example", "timeout": "1s"}}])
    places = Destinations(around, _stores(around, own))._places
    credential = around.spec.credentials["agent"]
    first = places._signing_key(credential)
    assert places._signing_key(credential) == first
    assert set(own.kept) == {"agent-webhook-key"}
    assert around.spec.credentials["agent"].deliver_to[0].settings.timeout == timedelta(seconds=1)


def test_login_is_read_from_the_store_each_time_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    own = OwnValues(github=secret_value({"token": "one"}), jenkins=secret_value({"username": "u"}))
    around = _around(tmp_path, [{"github_actions_secret": _DESTINATIONS["github_actions_secret"]}])
    places, credential = Destinations(around, _stores(around, own))._places, around.spec.credentials["agent"]
    login = places._login(credential, "github")
    own.kept["github"] = secret_value({"token": "two"})
    assert login("token").get_secret_value() == "two"
    with pytest.raises(ConfigurationError, match="default:jenkins, the login of a destination of agent, has no field"):
        places._login(credential, "jenkins")("api_token")


def test_mounted_token_is_read_anew(tmp_path: Path) -> None:
    mounted = tmp_path / "token"
    for text in ("one", "two"):
        mounted.write_text(f"{text}\n")
        assert read_token(str(mounted)).get_secret_value() == text
    with pytest.raises(ConfigurationError, match="holds no token"):
        read_token(str(tmp_path / "absent"))
    around = _around(
        tmp_path,
        [{"kubernetes_secret": {**_KUBERNETES, "token_path": "/var/run/secrets/kubernetes.io/serviceaccount/token"}}],
    )
    assert _bindings(around)
