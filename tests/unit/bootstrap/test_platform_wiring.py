from pathlib import Path

import pytest

from lifecycle.bootstrap.connectors import Verifiers
from lifecycle.bootstrap.endpoints import Endpoints
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.settings import Settings

SPEC = """\
version: 1
environment: prod
owner: platform
aws: {account_id: "123456789012", region: eu-west-1}
datarobot: {default: {endpoint: https://app.eu.datarobot.com/api/v2}}
backend: {local: {}}
secret_stores: {default: {vault: {address: "https://vault.acme.example:8200", auth: {approle: {role_id: x}}}}}
journal: {sqlite: {}}
credentials:
  api: {kind: datarobot_api_key, principal: u, reason: r}
connectors:
  status: {kind: generic_https, url: "https://status.acme.example/health", status: [200, 204], expect: {/status: ok}}
  gateway:
    kind: generic_https
    credential: api
    url: https://gateway.acme.example/v1/me
    header: X-Api-Key
    field: api_token
    rejection: {status: 403, at: /error/code, equals: bad_key}
  scoring:
    kind: datarobot_prediction_server
    credential: api
    url: https://acme.orm.datarobot.com
    deployment: 64b0000000000000000000d1
    row: {tenure: 12, plan: gold}
  warehouse:
    kind: databricks_sql
    credential: api
    url: https://adb-1.2.azuredatabricks.net
    warehouse: 0a1b
    can_select: [main.features.customer]
  features:
    kind: feature_store
    url: https://feast.acme.example
    registry: https://registry.acme.example/api/v1
    project: acme
    features: {"customer_stats:orders": INT64}
    entities: {customer_id: 1001}
  spool:
    kind: kafka_spooler
    credential: api
    bootstrap: ["b1.kafka.acme.example:9093", "b2.kafka.acme.example:9094"]
    topic: mlops
  blobs:
    kind: azure_blob
    account: acme
    container: features
    workload_identity: {tenant_id: t, client_id: c, identity_file: /var/run/secrets/azure/tokens/azure-identity-token}
"""


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    folder = tmp_path / "environments" / "prod"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text(SPEC)
    paths = Paths(root=tmp_path, env="prod", state_home=tmp_path / "state")
    settings = Settings(env="prod", root=tmp_path)
    return Surroundings(settings=settings, paths=paths, step=lambda _n, _t: None, note=lambda _t: None)


@pytest.mark.parametrize(
    ("connector", "hosts"),
    [
        ("status", {"status.acme.example:443"}),
        ("gateway", {"gateway.acme.example:443"}),
        ("scoring", {"acme.orm.datarobot.com:443", "app.eu.datarobot.com:443"}),
        ("warehouse", {"adb-1.2.azuredatabricks.net:443"}),
        ("features", {"feast.acme.example:443", "registry.acme.example:443"}),
        ("spool", {"b1.kafka.acme.example:9093", "b2.kafka.acme.example:9094"}),
        ("blobs", {"acme.blob.core.windows.net:443"}),
    ],
)
def test_each_kind_is_reached_from_a_spec(around: Surroundings, connector: str, hosts: set[str]) -> None:
    entry = around.spec.connectors[connector]
    assert {str(item) for item in Endpoints(around).of(entry)} == hosts
    bound = Verifiers(around, Stores(around)).of(entry)
    assert bound.target is entry.settings
    assert type(bound.verifier).__module__ == f"lifecycle.connectors.{entry.kind}"
