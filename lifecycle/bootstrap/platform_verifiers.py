"""Verifiers of what serves data and predictions over HTTPS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.kinds import Kind
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.domain.ports import ConnectorVerifier

Builder = Callable[[Any, Credential | None], "ConnectorVerifier"]


def platform_builders(around: Surroundings) -> Mapping[str, Builder]:
    """One builder per kind of `platform_kinds`."""
    platforms = _Platforms(around)
    return {
        "databricks_sql": platforms.databricks_sql,
        "datarobot_prediction_server": platforms.prediction_server,
        "feature_store": platforms.feature_store,
        "generic_https": platforms.generic_https,
    }


def platform_kinds() -> tuple[Kind, ...]:
    """Their kinds: one line each."""
    from lifecycle.connectors import (
        databricks_sql,
        datarobot_prediction_server,
        feature_store,
        generic_https,
    )

    return (
        databricks_sql.KIND,
        datarobot_prediction_server.KIND,
        feature_store.KIND,
        generic_https.KIND,
    )


class _Platforms:
    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def databricks_sql(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.databricks_sql import DatabricksSqlVerifier

        return DatabricksSqlVerifier(self._around.resolve(settings.url), clock=utc_now)

    def feature_store(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.feature_store import FeatureStoreVerifier

        registry = self._around.resolve(settings.registry)
        return FeatureStoreVerifier(self._around.resolve(settings.url), registry=registry, clock=utc_now)

    def generic_https(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.generic_https import GenericHttpsVerifier

        return GenericHttpsVerifier(self._around.resolve(settings.url), clock=utc_now)

    def prediction_server(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.datarobot_prediction_server import PredictionServerVerifier

        endpoint = self._around.resolve(self._around.spec.datarobot[settings.datarobot].endpoint)
        server = self._around.resolve(settings.url)
        return PredictionServerVerifier(endpoint, server=server, clock=utc_now)
