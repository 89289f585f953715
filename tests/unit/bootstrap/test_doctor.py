"""Which installation, key, deployments and agents the doctor takes from a spec."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lifecycle.bootstrap.doctor import READ_ONLY, Doctor
from lifecycle.bootstrap.doctor_walk import Request, Walk
from lifecycle.bootstrap.kinds import registry
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.bootstrap.verification import Verification
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family
from lifecycle.domain.secret import SecretText
from lifecycle.settings import Settings
from tests.unit.operations.diagnosis import NOW

_API = "https://app.eu.datarobot.com/api/v2"
_SCORE = {"kind": "datarobot_prediction_server", "credential": "agent-key", "deployment": "64b1", "row": {"a": 1}}


@dataclass
class Repository:
    """Environments in a folder."""

    root: Path
    token: str = ""
    values: dict[str, SecretText] = field(default_factory=dict)

    def write(self, env: str, **sections: Any) -> None:
        spec = {
            "version": 1,
            "environment": env,
            "owner": "ml-platform",
            "aws": {"account_id": "123456789012", "region": "eu-west-1"},
            "datarobot": {"default": {"endpoint": _API}},
            "backend": {
                "s3": {"bucket": "acme-state", "key": f"{env}.tfstate", "region": "eu-west-1", "use_lockfile": True}
            },
            "secret_stores": {"default": {"vault": {"address": "https://vault.acme.example", "auth": {"token": {}}}}},
            "journal": {"dynamodb": {"table": "lifecycle-journal"}},
            "credentials": {
                "agent-key": {"kind": "datarobot_api_key", "principal": "svc@acme.example", "reason": "risk analysis"}
            },
            **sections,
        }
        folder = self.root / "environments" / env
        folder.mkdir(parents=True)
        (folder / "environment.yaml").write_text(yaml.safe_dump(spec))

    def doctor(self) -> Doctor:
        settings = Settings(root=self.root, vault_token=SecretText("t"), datarobot_api_token=SecretText(self.token))
        paths = Paths(root=self.root, env="prod", state_home=self.root / "state")
        around = Surroundings(settings=settings, paths=paths, step=lambda _n, _t: None, note=lambda _t: None)
        stores = Stores(around)
        kept: Any = SimpleNamespace(read=lambda _ref, _stage: SimpleNamespace(value=self.values))
        stores._made["default"] = kept
        return Doctor(around, stores, Verification(around, stores))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(root=tmp_path, token="own-key-of-the-tool")


def _names(doctor: Doctor, request: Request, name: str = "default") -> list[str]:
    return [check.name for check in Walk(doctor, request, name, NOW).checks()]


def test_checks_stand_in_the_order_in_which_one_cause_hides_the_next(repository: Repository) -> None:
    repository.write("prod")
    assert _names(repository.doctor(), Request(deployment="64b1")) == [
        "endpoint name",
        "proxy",
        "connection",
        "TLS",
        "service",
        "API version",
        "API key",
        "user",
        "entitlements",
        "deployment",
        "project",
        "other pipelines",
        "status",
        "approval",
        "prediction server",
        "prediction service",
        "input file",
        "drift tracking",
        "agents",
        "agents' environments",
        "agents' channels",
        "agents' tokens",
        "agents' network",
        "spools",
        "last prediction",
        "connectors",
        "authorizations",
        "refresh tokens",
        "feature references",
        "size limits",
    ]


def test_input_file_brings_its_own_checks(repository: Repository, tmp_path: Path) -> None:
    repository.write("prod", connectors={"score": _SCORE})
    data = tmp_path / "customers.csv"
    data.write_text("a\n1\n")
    names = _names(repository.doctor(), Request(data=data))
    assert [name for name in names if name.startswith(("input", "missing", "unseen"))] == [
        "input columns",
        "input rows",
        "input types",
        "missing values",
        "unseen categories",
    ]


def test_input_file_needs_one_deployment_and_must_be_a_table(repository: Repository, tmp_path: Path) -> None:
    repository.write("prod")
    with pytest.raises(ConfigurationError, match="names no deployment"):
        repository.doctor().examine(Request(data=tmp_path / "absent.csv"), lambda _name: None)
    with pytest.raises(ConfigurationError, match=r"absent\.csv cannot be read"):
        _names(repository.doctor(), Request(data=tmp_path / "absent.csv", deployment="64b1"))


def test_without_a_deployment_the_walk_says_how_to_name_one(repository: Repository) -> None:
    repository.write("prod")
    names = _names(repository.doctor(), Request())
    assert names.count("deployment") == 1 and "approval" not in names and "last prediction" not in names


def test_deployments_of_the_spec_are_examined(repository: Repository) -> None:
    repository.write("prod", connectors={"score": _SCORE, "other": {**_SCORE, "deployment": "64b2"}})
    assert repository.doctor().deployments("default") == ("64b1", "64b2")


def test_deployment_that_another_environment_names_is_found(repository: Repository) -> None:
    repository.write("prod", connectors={"score": _SCORE})
    repository.write("staging", connectors={"mine": _SCORE})
    repository.write(
        "elsewhere", connectors={"x": _SCORE}, datarobot={"default": {"endpoint": "https://o.example/api/v2"}}
    )
    (repository.root / "environments" / "broken").mkdir()
    assert repository.doctor().others("default", "64b1") == ("connectors.mine of staging",)
    assert repository.doctor().others("default", "64b2") == ()


def test_unknown_installation_is_refused_with_the_known_ones(repository: Repository) -> None:
    repository.write("prod", datarobot={"us": {"endpoint": _API}, "eu": {"endpoint": _API}}, credentials={})
    with pytest.raises(ConfigurationError) as caught:
        repository.doctor().examine(Request(), lambda _name: None)
    assert caught.value.remedy.endswith("eu, us")
    with pytest.raises(ConfigurationError, match="'jp'"):
        repository.doctor().examine(Request(installation="jp"), lambda _name: None)


def test_own_key_comes_before_one_of_the_spec(repository: Repository) -> None:
    repository.write("prod")
    repository.values["api_token"] = SecretText("canary-5c1d")
    assert repository.doctor().login("default")[1:] == ("the tool's own key", _API)
    repository.token = ""
    assert repository.doctor().login("default")[1] == "the key of agent-key"


def test_no_key_at_all_is_a_wrong_setting(repository: Repository) -> None:
    repository.token = ""
    repository.write("prod", credentials={})
    with pytest.raises(ConfigurationError, match="no key to ask"):
        repository.doctor().login("default")


def test_value_that_is_no_key_is_told_and_not_shown(repository: Repository) -> None:
    repository.token = ""
    repository.write("prod")
    repository.values["password"] = SecretText("canary-5c1d")
    with pytest.raises(ConfigurationError) as caught:
        repository.doctor().login("default")
    assert "canary" not in f"{caught.value}{caught.value.remedy}"


def test_connectors_that_leave_a_trace_are_left_to_verify(repository: Repository) -> None:
    repository.write("prod", connectors={"score": _SCORE, "api": {"kind": "datarobot", "credential": "agent-key"}})
    doctor = repository.doctor()
    assert (doctor.read_only, doctor.unasked()) == (("api",), ("score",))


def test_kinds_that_are_known_to_read_only_exist() -> None:
    assert set(registry().names(Family.CONNECTOR)) >= READ_ONLY


def test_spec_without_connectors_verifies_nothing(repository: Repository) -> None:
    repository.write("prod")
    assert repository.doctor().verified(lambda _kind: True) == ()


_AGENT = {
    "kind": "monitoring",
    "runtime": {"ecs_fargate": {"cluster": "c", "image": "registry.acme.example/agent:1"}},
    "service_account": "task",
    "spooler": {"filesystem": {"directory": "/var/spool/mlops"}},
    "egress": "egress",
    "api_token": "agent-key",
}
_TASK = {"platform": "aws", "purpose": "agent", "trust": {"service": "ecs-tasks"}}


@pytest.mark.parametrize(
    ("host", "told"), [("app.eu.datarobot.com", ""), ("other.example", "app.eu.datarobot.com:443")]
)
def test_agent_is_seen_with_its_egress_and_owner(repository: Repository, host: str, told: str) -> None:
    entry = {"host": host, "reason": "api", "ticket": "NET-1"}
    repository.write(
        "prod",
        agents={"a": _AGENT},
        service_accounts={"task": _TASK},
        allowlists={"egress": {"targets": ["squid"], "entries": [entry]}},
    )
    (agent,) = repository.doctor().agents("default")
    assert (agent.name, agent.principal, agent.environment) == ("a", "svc@acme.example", "")
    assert agent.waiting() is None
    assert agent.not_admitted() == (f"{told} is not on egress" if told else "")
    assert repository.doctor().agents("other") == ()


def test_known_secret_is_in_no_finding(repository: Repository) -> None:
    repository.write("prod")
    doctor = repository.doctor()
    doctor.login("default")
    assert "own-key-of-the-tool" not in doctor._known.scrub("refused: own-key-of-the-tool")
