"""Which hosts a connector speaks to, and as whom: what its breaker is kept for, and what its allowlist must admit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.allowlist import ResolvedAllowlist, resolve
from lifecycle.domain.policy import Finding, Severity
from lifecycle.domain.spec import Allowlist, Connector, Spec

RULE = "LC-VERIFY-001"
_PORTS = {"https": 443, "http": 80, "amqps": 5671, "amqp": 5672}
_ENTRA = "https://login.microsoftonline.com"
_LOCAL = frozenset({"127.0.0.1", "localhost", "::1", ""})


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Endpoint:
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Endpoints:
    """Knows where the connectors of one environment lead.

    Args:
        around: the spec, and what `sandbox://` stands for.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._by_kind: Mapping[str, Callable[[Connector], tuple[str, ...]]] = {
            "aws_identity": lambda _: self._aws("sts"),
            "aws_secrets_manager": lambda _: self._aws("secretsmanager"),
            "datarobot": self._datarobot,
            "datarobot_data_store": self._datarobot,
            "datarobot_prediction_server": lambda item: (*self._datarobot(item), *_stated(item.settings)),
            "entra_application": lambda connector: (connector.settings.authority or _ENTRA,),
            "feature_store": lambda item: tuple(filter(None, (item.settings.url, item.settings.registry))),
            "kafka_spooler": lambda item: tuple(f"kafka://{broker}" for broker in item.settings.bootstrap),
            "oauth_token": self._oauth_token,
            "pubsub_spooler": lambda connector: (connector.settings.url, connector.settings.token_url),
            "s3": self._s3,
            "snowflake": lambda connector: _snowflake(connector, around.spec),
            "sqs_spooler": lambda connector: self._aws("sqs", region=connector.settings.region),
            "vault": self._vault,
            "web_proxy": lambda connector: tuple(f"https://{host}" for host in connector.settings.passes),
        }

    def of(self, connector: Connector) -> tuple[Endpoint, ...]:
        """Its hosts; empty where the kind does not say them."""
        found = (_endpoint(self._around.resolve(url)) for url in self._urls(connector))
        return tuple(sorted({item for item in found if item is not None}))

    def target(self, connector: Connector) -> str:
        """The name of its breaker: connectors of one kind that ask the same host from the same place share it."""
        hosts = ",".join(map(str, self.of(connector))) or connector.name
        return f"{connector.kind}:{connector.through}:{hosts}"

    def identity(self, connector: Connector) -> str:
        """As whom it logs in, for messages; empty where it needs no login, or its kind does not say."""
        if connector.credential:
            return f"credential {connector.credential}"
        if connector.kind.startswith("aws_"):
            return self._around.aws_identity
        return f"the login of secret store {connector.settings.store}" if connector.kind == "vault" else ""

    def not_admitted(self, connector: Connector, today: date) -> tuple[Finding, ...]:
        """A finding for each host that is not on the allowlist which the connector claims to use."""
        allowlist = self._around.spec.allowlists.get(connector.through)
        if allowlist is None:
            return ()
        from lifecycle.renderers.published_networks import published_networks

        admitted = resolve(allowlist, published_networks(), today)
        missing = (item for item in self.of(connector) if item.host not in _LOCAL and not _admits(admitted, item))
        return tuple(self._finding(connector, allowlist, item) for item in missing)

    def _finding(self, connector: Connector, allowlist: Allowlist, missing: Endpoint) -> Finding:
        key_path = f"connectors.{connector.name}.through"
        return Finding(
            rule=RULE,
            severity=Severity.ERROR,
            message=f"{missing} is not on allowlist {allowlist.name}, which the connector claims to use",
            remedy=f"add the host to allowlists.{allowlist.name}.entries, or correct `through:`",
            place=self._around.spec.place_of(key_path) or connector.place,
            entry=f"connectors.{connector.name}",
            evidence=str(missing),
        )

    def _urls(self, connector: Connector) -> tuple[str, ...]:
        found = self._by_kind.get(connector.kind)
        return found(connector) if found else _stated(connector.settings)

    def _datarobot(self, connector: Connector) -> tuple[str, ...]:
        return (self._around.spec.datarobot[connector.settings.datarobot].endpoint,)

    def _oauth_token(self, connector: Connector) -> tuple[str, ...]:
        credential = self._around.spec.credentials.get(connector.credential or "")
        if credential is None:
            return ()
        return (getattr(credential.settings, "exchange_issuer", "") or credential.settings.issuer,)

    def _vault(self, connector: Connector) -> tuple[str, ...]:
        return (self._around.spec.secret_stores[connector.settings.store].settings.address,)

    def _s3(self, connector: Connector) -> tuple[str, ...]:
        return self._aws("s3", region=connector.settings.region, bucket=connector.settings.bucket)

    def _aws(self, service: str, *, region: str = "", bucket: str = "") -> tuple[str, ...]:
        connection = self._around.aws.connection
        host = f"{service}.{region or connection.region}.amazonaws.com"
        return (connection.endpoint or f"https://{f'{bucket}.' if bucket else ''}{host}",)


def _snowflake(connector: Connector, spec: Spec) -> tuple[str, ...]:
    """Its endpoint, else the host of its account; both stand in the connector, else in its credential."""
    credential = spec.credentials.get(connector.credential or "")
    sources = (connector.settings, credential.settings if credential else None)
    named = [str(getattr(source, "endpoint", "") or "") for source in sources]
    if any(named):
        return tuple(url for url in named if url)[:1]
    accounts = (str(getattr(source, "account", "") or "") for source in sources)
    return tuple(f"https://{account.lower()}.snowflakecomputing.com" for account in accounts if account)[:1]


def _stated(settings: Any) -> tuple[str, ...]:
    """What settings of most kinds say in these fields."""
    url = str(getattr(settings, "service", "") or getattr(settings, "url", "") or "")
    if url:
        return (url,)
    host, port = str(getattr(settings, "host", "") or ""), getattr(settings, "port", None)
    return (f"https://{host}:{port or 443}",) if host else ()


def _endpoint(url: str) -> Endpoint | None:
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    return Endpoint(host=parts.hostname, port=parts.port or _PORTS.get(parts.scheme, 443))


def _admits(allowlist: ResolvedAllowlist, wanted: Endpoint) -> bool:
    names = allowlist.names.get(wanted.port)
    if names is not None and names.admits(wanted.host):
        return True
    try:
        address = ip_address(wanted.host)
    except ValueError:
        return False
    return any(wanted.port in rule.ports and address in ip_network(rule.cidr) for rule in allowlist.addresses)
