"""A value that ends before its rotation is over is refused offline, at its line."""

from pathlib import Path

import pytest

from lifecycle.bootstrap.kinds import registry
from lifecycle.documents.builder import load_spec
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.spec import Spec

_SPEC = """\
version: 1
environment: prod
owner: ml-platform
backend: {{s3: {{bucket: acme-state, key: prod.tfstate, region: eu-west-1, use_lockfile: true}}}}
secret_stores: {{default: {{aws_secrets_manager: {{prefix: acme}}}}}}
datarobot: {{default: {{endpoint: https://app.eu.datarobot.com/api/v2}}}}
journal: {{dynamodb: {{table: lifecycle-journal}}}}
credentials:
  admin: {{kind: datarobot_api_key, principal: a@acme.example, reason: risk analysis}}
  login:
    kind: databricks_service_principal_secret
    account_id: 6f1d1f2e-7b0a-4f0e-9a3c-2d9f4c1b8e55
    service_principal_id: "7"
    client_id: 0a1b2c3d-7b0a-4f0e-9a3c-2d9f4c1b8e55
    admin: admin
    reason: risk analysis
    rotation_period: 30d
    grace: {{minimum: 1h, ceiling: 7d}}
    {life}
"""


def _load(root: Path, life: str) -> Spec:
    folder = root / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "main.yaml").write_text(_SPEC.format(life=life))
    return load_spec(folder, registry(), root=root)


@pytest.mark.parametrize("life", ["lifetime: 37d", "lifetime: 5d"])
def test_life_shorter_than_period_and_grace_is_refused_at_its_line(tmp_path: Path, life: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _load(tmp_path, life)
    (problem,) = refused.value.problems
    assert str(problem.place).endswith("prod/main.yaml:19:5") and problem.key_path == "credentials.login.lifetime"
    assert "is needed for up to 37 d" in problem.message and "raise `lifetime`" in problem.remedy


@pytest.mark.parametrize("life", ["lifetime: 38d", ""])
def test_life_that_outlasts_both_is_taken(tmp_path: Path, life: str) -> None:
    assert "login" in _load(tmp_path, life).credentials


def test_default_life_is_compared_too_and_told_at_the_entry(tmp_path: Path) -> None:
    folder = tmp_path / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "main.yaml").write_text(_SPEC.format(life="").replace("rotation_period: 30d", "rotation_period: 300d"))
    with pytest.raises(ConfigurationError) as refused:
        load_spec(folder, registry(), root=tmp_path)
    (problem,) = refused.value.problems
    assert str(problem.place).endswith("prod/main.yaml:10:3") and "a value lives 180 d" in problem.message
