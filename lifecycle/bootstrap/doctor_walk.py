"""The order of the doctor's checks: that in which one cause hides the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lifecycle.domain.diagnosis import NotAsked
from lifecycle.operations.diagnose import Check

if TYPE_CHECKING:
    from lifecycle.bootstrap.doctor import Doctor
    from lifecycle.operations.diagnose_data import DataView

_FEATURES, _REFRESH = "feature_store", "oauth_refresh_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be examined.

    Attributes:
        installation: name of it in the spec; empty = `default`, or the only one.
        deployment: id; empty = those that the spec's connectors name.
        data: an input file of the deployment.
    """

    installation: str = ""
    deployment: str = ""
    data: Path | None = None


class Walk:
    """The checks of one request, in order.

    Args:
        doctor: what they ask.
        request: what is to be examined.
        name: of the installation.
        now: aware UTC time.
    """

    def __init__(self, doctor: Doctor, request: Request, name: str, now: datetime) -> None:
        self._doctor = doctor
        self._request = request
        self._name = name
        self._now = now
        self._view, self._login, self._endpoint = doctor.login(name)
        self.subject = f"DataRobot {name} at {urlsplit(self._endpoint).netloc}"
        self._deployments = (request.deployment,) if request.deployment else doctor.deployments(name)

    def checks(self) -> Iterator[Check]:
        """All of them."""
        yield from self._access()
        if not self._deployments:
            told = "name one with --deployment; no connector of the spec does"
            yield Check(name="deployment", look=lambda: NotAsked(why=told))
        for deployment in self._deployments:
            yield from self._deployment(deployment)
        yield from self._agents()
        for deployment in self._deployments:
            yield self._last_prediction(deployment)
        yield from self._around_it()

    def _access(self) -> Iterator[Check]:
        from lifecycle.operations import diagnose_access as access

        view, doctor, target = self._view, self._doctor, self._doctor.target(self._name)
        host = urlsplit(self._endpoint).hostname or ""
        secured = self._endpoint.startswith("https://")
        major, _, minor = target.api_version.partition(".")
        pinned = (int(major), int(minor.partition(".")[0] or 0))
        yield Check(name="endpoint name", look=lambda: access.name_not_resolved(view, host))
        yield Check(name="proxy", look=lambda: access.proxy_refuses(view, host))
        yield Check(name="connection", look=lambda: access.connection_fails(view, host))
        yield Check(name="TLS", look=lambda: access.tls_fails(view, host, spoken=secured))
        yield Check(name="service", look=lambda: access.service_fails(view))
        yield Check(name="API version", look=lambda: access.version_differs(view, pinned))
        yield Check(name="API key", look=lambda: access.key_refused(view, self._login))
        yield Check(name="user", look=lambda: access.user_ends(view, doctor.principals(self._name), self._now))
        yield Check(name="entitlements", look=lambda: access.entitlement_missing(view, target.entitlements))

    def _deployment(self, deployment: str) -> Iterator[Check]:
        from lifecycle.operations import diagnose_deployment as deployed

        others = self._doctor.others(self._name, deployment)
        view = deployed.DeploymentView(installation=self._view, deployment=deployment, others=others, now=self._now)
        yield Check(name="deployment", look=lambda: deployed.absent(view))
        yield Check(name="project", look=lambda: deployed.project_absent(view))
        yield Check(name="other pipelines", look=lambda: deployed.used_elsewhere(view))
        yield Check(name="status", look=lambda: deployed.inactive(view))
        yield Check(name="approval", look=lambda: deployed.approval_pending(view))
        yield Check(name="prediction server", look=lambda: deployed.server_unreached(view))
        yield Check(name="prediction service", look=lambda: deployed.server_struggles(view))
        yield from self._data()
        yield Check(name="drift tracking", look=lambda: deployed.drift_off(view))

    def _last_prediction(self, deployment: str) -> Check:
        from lifecycle.operations import diagnose_deployment as deployed

        view = deployed.DeploymentView(installation=self._view, deployment=deployment, others=(), now=self._now)
        return Check(name="last prediction", look=lambda: deployed.quiet(view))

    def _data(self) -> Iterator[Check]:
        from lifecycle.operations import diagnose_data as data

        view = self._file
        if view is None:
            yield Check(name="input file", look=lambda: NotAsked(why="name one with --data"))
            return
        yield Check(name="input columns", look=lambda: data.columns_differ(view))
        yield Check(name="input rows", look=lambda: data.rows_broken(view))
        yield Check(name="input types", look=lambda: data.types_differ(view))
        yield Check(name="missing values", look=lambda: data.values_missing(view))
        yield Check(name="unseen categories", look=lambda: data.categories_unseen(view))

    @cached_property
    def _file(self) -> DataView | None:
        from lifecycle.foundation.table_file import TableFile
        from lifecycle.operations.diagnose_data import DataView

        if self._request.data is None:
            return None
        table = TableFile(self._request.data)
        _ = table.size, table.columns  # a file that is no table is a mistake of the call, not a cause
        return DataView(installation=self._view, deployment=self._deployments[0], table=table)

    def _agents(self) -> Iterator[Check]:
        from lifecycle.operations import diagnose_agents as watched

        agents, view = self._doctor.agents(self._name), self._view
        yield Check(name="agents", look=lambda: watched.not_running(agents))
        yield Check(name="agents' environments", look=lambda: watched.environment_ill(view, agents))
        yield Check(name="agents' channels", look=lambda: watched.channel_failing(view, self._now))
        yield Check(name="agents' tokens", look=lambda: watched.token_refused(agents))
        yield Check(name="agents' network", look=lambda: watched.network_closed(agents))
        yield Check(name="spools", look=lambda: watched.spool_grows(agents, self._doctor.pause))

    def _around_it(self) -> Iterator[Check]:
        from lifecycle.operations import diagnose_connectors as around
        from lifecycle.operations import diagnose_data as data

        doctor, view = self._doctor, self._view

        own = (_FEATURES, _REFRESH)
        unasked = doctor.unasked()
        yield Check(
            name="connectors",
            look=lambda: around.connector_refused(lambda: doctor.verified(lambda kind: kind not in own), unasked),
        )
        yield Check(name="authorizations", look=lambda: around.refresh_token_ends(view, self._now))
        yield Check(
            name="refresh tokens",
            look=lambda: around.connector_refused(lambda: doctor.verified(lambda kind: kind == _REFRESH), ()),
        )
        yield Check(
            name="feature references",
            look=lambda: around.connector_refused(lambda: doctor.verified(lambda kind: kind == _FEATURES), ()),
        )
        file = self._file
        missing = NotAsked(why="name a file with --data")
        yield Check(name="size limits", look=lambda: data.file_too_large(file) if file else missing)
