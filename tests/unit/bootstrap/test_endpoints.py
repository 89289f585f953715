from datetime import date
from pathlib import Path

import pytest

from lifecycle.bootstrap.endpoints import Endpoints
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.settings import Settings

TODAY = date(2026, 11, 24)
SPEC = """\
version: 1
environment: prod
owner: platform
aws: {account_id: "123456789012", region: eu-west-1}
datarobot: {default: {endpoint: https://app.eu.datarobot.com/api/v2}}
backend: {local: {}}
secret_stores: {default: {vault: {address: "https://vault.acme.example:8200", auth: {approle: {role_id: x}}}}}
journal: {sqlite: {}}
allowlists:
  egress:
    targets: [squid]
    proxy: http://proxy.acme.example:3128
    entries:
      - {host: app.eu.datarobot.com, reason: api}
      - {host: s3.eu-west-1.amazonaws.com, match: subdomains, reason: features}
      - {host: vault.acme.example, reason: values}
      - {host: login.acme.example, reason: lapsed, expires: 2026-01-01}
credentials:
  client: {kind: oauth_client_secret, client_id: c, issuer: "https://login.acme.example", overlap: 1h, reason: r}
  key: {kind: aws_iam_access_key, user: u, reason: r}
  api: {kind: datarobot_api_key, principal: u, reason: r}
connectors:
  api: {kind: datarobot, credential: api, through: egress}
  other-key: {kind: datarobot, credential: api, through: egress, user: somebody@acme.example}
  own-key: {kind: datarobot, credential: api}
  files: {kind: s3, bucket: features, credential: key, through: egress}
  login:
    kind: oauth_token
    credential: client
    through: egress
  values:
    kind: vault
    can_read: [key]
    through: egress
  proxy: {kind: web_proxy, passes: ["app.eu.datarobot.com:443"], refuses: ["evil.example:443"], through: egress}
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
        ("api", ["app.eu.datarobot.com:443"]),
        ("files", ["features.s3.eu-west-1.amazonaws.com:443"]),
        ("login", ["login.acme.example:443"]),
        ("values", ["vault.acme.example:8200"]),
        ("proxy", ["app.eu.datarobot.com:443"]),
    ],
)
def test_hosts_of_a_connector(around: Surroundings, connector: str, hosts: list[str]) -> None:
    assert [str(item) for item in Endpoints(around).of(around.spec.connectors[connector])] == hosts


def test_connectors_of_one_kind_host_and_position_share_a_breaker(around: Surroundings) -> None:
    target = Endpoints(around).target
    named = around.spec.connectors
    assert target(named["api"]) == target(named["other-key"])
    assert target(named["api"]) != target(named["api"].model_copy(update={"through": "direct"}))
    assert len({target(item) for item in named.values()}) == len(named) - 1


@pytest.mark.parametrize("connector", ["api", "files", "proxy", "own-key"])
def test_host_that_is_on_its_allowlist_or_goes_direct_is_no_finding(around: Surroundings, connector: str) -> None:
    assert Endpoints(around).not_admitted(around.spec.connectors[connector], TODAY) == ()


@pytest.mark.parametrize(
    ("connector", "missing"), [("login", "login.acme.example:443"), ("values", "vault.acme.example:8200")]
)
def test_lapsed_entry_or_other_port_is_a_finding_on_the_line_of_through(
    around: Surroundings, connector: str, missing: str
) -> None:
    (finding,) = Endpoints(around).not_admitted(around.spec.connectors[connector], TODAY)
    assert finding.evidence == missing
    assert finding.remedy
    assert finding.place is not None
    line = SPEC.splitlines()[finding.place.line - 1]
    assert line.strip() == "through: egress"
