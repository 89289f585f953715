"""Verifiers of services that an environment uses beside AWS, DataRobot's API and its secret stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.issuers import Issuers
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.kinds import Kind
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.domain.ports import ConnectorVerifier

Builder = Callable[[Any, Credential | None], "ConnectorVerifier"]


def service_builders(around: Surroundings, stores: Stores) -> Mapping[str, Builder]:
    """One builder per kind of `service_kinds`."""
    services = _Services(around, stores)
    return {
        "alertmanager": services.alertmanager,
        "azure_blob": services.azure_blob,
        "datarobot_data_store": services.data_store,
        "entra_application": services.entra_application,
        "github": services.github,
        "jenkins": services.jenkins,
        "prometheus": services.prometheus,
        "saml_metadata": services.saml_metadata,
        "sqs_spooler": services.sqs_spooler,
    }


def service_kinds() -> tuple[Kind, ...]:
    """Their kinds: one line each."""
    from lifecycle.connectors import (
        alertmanager,
        azure_blob,
        datarobot_data_store,
        entra_application,
        github,
        jenkins,
        prometheus,
        saml_metadata,
        sqs_spooler,
    )

    return (
        alertmanager.KIND,
        azure_blob.KIND,
        datarobot_data_store.KIND,
        entra_application.KIND,
        github.KIND,
        jenkins.KIND,
        prometheus.KIND,
        saml_metadata.KIND,
        sqs_spooler.KIND,
    )


class _Services:
    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores

    def alertmanager(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.alertmanager import AlertmanagerVerifier

        return AlertmanagerVerifier(settings.url, clock=utc_now)

    def azure_blob(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.azure_blob import AzureBlobVerifier

        return AzureBlobVerifier(settings.service, clock=utc_now, instance_discovery=not settings.authority)

    def data_store(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.datarobot_data_store import DataStoreVerifier

        client = Issuers(self._around, self._stores).datarobot_client(settings.datarobot)
        return DataStoreVerifier(client, clock=utc_now)

    def entra_application(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.entra_application import EntraApplicationVerifier

        return EntraApplicationVerifier(clock=utc_now)

    def github(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.github import GitHubVerifier

        return GitHubVerifier(settings.url, clock=utc_now)

    def jenkins(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.jenkins import JenkinsVerifier

        return JenkinsVerifier(settings.url, clock=utc_now)

    def prometheus(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.prometheus import PrometheusVerifier

        return PrometheusVerifier(settings.url, clock=utc_now)

    def saml_metadata(self, settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.saml_metadata import SamlMetadataVerifier

        return SamlMetadataVerifier(settings.url, clock=utc_now)

    def sqs_spooler(self, _settings: Any, _credential: Credential | None) -> ConnectorVerifier:
        from lifecycle.connectors.sqs_spooler import SqsSpoolerVerifier

        # Where AWS is, without a login of ours: the value under test brings its own.
        connection = replace(self._around.aws.connection, access_key_id=None, secret_access_key=None, role="")
        return SqsSpoolerVerifier(connection, clock=utc_now)
