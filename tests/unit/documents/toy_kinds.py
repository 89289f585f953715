"""Kinds that exist for these tests alone: documents must not depend on what products there are."""

from __future__ import annotations

from pydantic import Field

from lifecycle.domain.kinds import Family, Kind, KindRegistry, KindSettings
from lifecycle.domain.spec import Duration


class NoSettings(KindSettings):
    """Nothing to set."""


class BucketSettings(KindSettings):
    """A backend."""

    bucket: str
    key: str = "state"


class VaultSettings(KindSettings):
    """A secret store."""

    address: str
    mount: str = "kv"
    auth: dict[str, dict[str, str]] = Field(default_factory=dict)


class TableSettings(KindSettings):
    """A journal."""

    table: str


class ApiKeySettings(KindSettings):
    """An issuer whose field names a service account."""

    principal: str
    installation: str = "default"
    service_account: str | None = None


class KeyPairSettings(KindSettings):
    """An issuer."""

    account: str
    user: str
    bits: int = 2048


class FargateSettings(KindSettings):
    """A runtime."""

    cluster: str
    cpu: int = Field(default=256, ge=128)
    timeout: Duration | None = None


class QueueSettings(KindSettings):
    """A spooler."""

    queue: str


class NamedSettings(KindSettings):
    """A destination with a name."""

    name: str
    installation: str = "default"


class Probe(KindSettings):
    """What a connector tries."""

    warehouse: str
    can_select: tuple[str, ...] = ()


class WarehouseSettings(KindSettings):
    """A connector."""

    probe: Probe
    standby: str | None = None


REGISTRY = KindRegistry(
    [
        Kind(name="s3", family=Family.BACKEND, settings=BucketSettings),
        Kind(name="local", family=Family.BACKEND, settings=NoSettings),
        Kind(name="vault", family=Family.SECRET_STORE, settings=VaultSettings),
        Kind(name="dynamodb", family=Family.JOURNAL, settings=TableSettings),
        Kind(
            name="datarobot_api_key",
            family=Family.ISSUER,
            settings=ApiKeySettings,
            summary="A DataRobot API key.",
            references={"installation": "datarobot", "service_account": "service_accounts"},
        ),
        Kind(name="snowflake_key_pair", family=Family.ISSUER, settings=KeyPairSettings),
        Kind(name="ecs_fargate", family=Family.AGENT_RUNTIME, settings=FargateSettings),
        Kind(name="sqs", family=Family.SPOOLER, settings=QueueSettings),
        Kind(
            name="datarobot_credential",
            family=Family.DESTINATION,
            settings=NamedSettings,
            references={"installation": "datarobot"},
        ),
        Kind(
            name="snowflake",
            family=Family.CONNECTOR,
            settings=WarehouseSettings,
            references={"standby": "connectors"},
        ),
        Kind(name="squid", family=Family.ALLOWLIST_TARGET, settings=NoSettings),
        Kind(name="aws_security_group", family=Family.ALLOWLIST_TARGET, settings=NoSettings),
    ]
)
