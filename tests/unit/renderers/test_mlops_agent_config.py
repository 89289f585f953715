"""The agent's configuration: what the vendor documents, and no token."""

from typing import Any

import pytest
import yaml

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import DataRobotTarget, Spec
from lifecycle.renderers import render_agent_config
from lifecycle.terraform_cli.agent_kinds import FilesystemSpooler
from tests.unit.terraform_cli.specs import agent, chosen, spec


def _spec(endpoint: str = "https://app.eu.datarobot.com/api/v2") -> Spec:
    return spec(datarobot={"default": DataRobotTarget(endpoint=endpoint)})


def _config(**more: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(render_agent_config(_spec(), agent(**more)))
    return document


def test_a_monitoring_agent_reports_over_tls_to_the_installation() -> None:
    config = _config(prediction_environment_id="65f0")
    assert config["mlopsUrl"] == "https://app.eu.datarobot.com"
    assert config["verifySSL"] is True
    assert config["dryRun"] is False
    assert config["predictionEnvironmentId"] == "65f0"
    assert config["channelConfigs"] == [{"type": "SQS_SPOOL", "details": {"name": "sqs", "queueName": "mlops-spool"}}]


def test_no_token_is_in_the_text() -> None:
    assert not any("token" in key.lower() for key in _config())


def test_a_filesystem_spooler_names_its_directory() -> None:
    config = _config(spooler=chosen("filesystem", FilesystemSpooler(directory="/spool")))
    assert config["channelConfigs"] == [{"type": "FS_SPOOL", "details": {"name": "filesystem", "directory": "/spool"}}]


def test_a_management_agent_has_no_channel() -> None:
    config = _config(kind="management")
    assert config["isCoordinator"] is True
    assert "channelConfigs" not in config


def test_a_sandbox_address_is_not_resolved() -> None:
    assert 'mlopsUrl: "sandbox://datarobot"' in render_agent_config(_spec("sandbox://datarobot"), agent())


def test_an_unknown_installation_or_spooler_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no DataRobot installation"):
        render_agent_config(spec(), agent())
    with pytest.raises(ConfigurationError, match="kafka"):
        render_agent_config(_spec(), agent(spooler=chosen("kafka", None)))
