"""Wires the doctor: what its checks ask, and with what."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from lifecycle.bootstrap.doctor_agents import WatchedAgent, stored_token
from lifecycle.bootstrap.doctor_walk import Request, Walk
from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import SANDBOX, Surroundings, utc_now
from lifecycle.bootstrap.verification import Verification
from lifecycle.domain.diagnosis import Diagnosis
from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.known_secrets import KnownSecrets
from lifecycle.operations.diagnose import Installation, diagnose

if TYPE_CHECKING:
    from lifecycle.domain.spec import Credential, DataRobotTarget, Spec
    from lifecycle.operations.verify_connectors import ConnectorResult

# Verifying these only logs in and reads. Others leave a trace or start something (a counted score, a message, a file, a
# warehouse, one use of a secret id); a new kind is left to `verify` until it is known to read only.
READ_ONLY = frozenset(
    {
        "aws_identity",
        "aws_secrets_manager",
        "azure_blob",
        "datarobot",
        "datarobot_data_store",
        "entra_application",
        "feature_store",
        "generic_https",
        "github",
        "jenkins",
        "oauth_access_token",
        "oauth_refresh_token",
        "oauth_token",
        "postgres",
        "pubsub_spooler",
        "s3",
        "saml_metadata",
        "snowflake",
        "sqs_spooler",
        "vault",
        "web_proxy",
    }
)
_SPOOL_PAUSE = 3.0  # seconds between two looks at a spool


class Doctor:
    """Walks the causes for one environment.

    Args:
        around: settings, spec, sandbox.
        stores: where keys and tokens are read.
        verification: of the connectors.
        pause: waits between two looks at a spool.
    """

    def __init__(
        self,
        around: Surroundings,
        stores: Stores,
        verification: Verification,
        *,
        pause: Callable[[], None] = lambda: time.sleep(_SPOOL_PAUSE),
    ) -> None:
        self._around = around
        self._stores = stores
        self._verification = verification
        self._known = KnownSecrets()
        self._pause = pause

    def examine(self, request: Request, watch: Callable[[str], None]) -> Diagnosis:
        """Walk the causes; stop at the first that holds.

        Raises:
            ConfigurationError: an unknown installation, no key, or a file that is no table.
        """
        now, name = utc_now(), self._installation_name(request.installation)
        if request.data and not request.deployment and len(self.deployments(name)) != 1:
            raise ConfigurationError("--data names no deployment", remedy="say which takes the file: --deployment ID")
        walk = Walk(self, request, name, now)
        checks = list(walk.checks())
        return diagnose(checks, subject=walk.subject, now=now, scrub=self._known.scrub, watch=watch)

    def target(self, name: str) -> DataRobotTarget:
        """An installation of the spec."""
        return self._around.spec.datarobot[name]

    def login(self, name: str) -> tuple[Installation, str, str]:
        """Who asks an installation: its answers, what they are asked with, and the endpoint."""
        from lifecycle.clients.datarobot import DataRobotClient
        from lifecycle.clients.datarobot_answers import DataRobotAnswers

        endpoint = self._around.resolve(self.target(name).endpoint)
        token, told = self._around.settings.datarobot_api_token, "the tool's own key"
        if self._around.sandbox:
            token = self._around.sandbox.bootstrap.datarobot.admin_key
        if not token.get_secret_value():
            credential = self._key_of(name)
            token, told = stored_token(self._stores, self._known, credential), f"the key of {credential.name}"
        self._known.register(token)
        return DataRobotAnswers(DataRobotClient(endpoint, token)), told, endpoint

    def principals(self, name: str) -> tuple[str, ...]:
        """The users whose keys the spec knows at an installation."""
        return tuple(str(item.settings.principal) for item in self._keys(name))

    def agents(self, name: str) -> tuple[WatchedAgent, ...]:
        """The agents that report to an installation."""
        found = (agent for _, agent in sorted(self._around.spec.agents.items()) if agent.datarobot == name)
        return tuple(WatchedAgent(self._around, self._stores, self._known, agent) for agent in found)

    def deployments(self, name: str) -> tuple[str, ...]:
        """The deployments that the spec names at an installation."""
        return tuple(sorted({used for used, _ in _used(self._around.spec, self.target(name).endpoint)}))

    def others(self, name: str, deployment: str) -> tuple[str, ...]:
        """Where other environments of this repository name the same deployment."""
        return tuple(place for used, place in self._used_elsewhere(self.target(name).endpoint) if used == deployment)

    @cached_property
    def read_only(self) -> tuple[str, ...]:
        """The connectors whose verification leaves nothing behind."""
        return tuple(name for name, item in self._around.spec.connectors.items() if item.kind in READ_ONLY)

    def verified(self, wanted: Callable[[str], bool]) -> Sequence[ConnectorResult]:
        """The results of connectors of some kinds; all are verified at once, when first asked for."""
        connectors = self._around.spec.connectors
        return tuple(item for item in self._results if wanted(connectors[item.name].kind))

    def unasked(self) -> tuple[str, ...]:
        """The connectors that are left to `verify`."""
        return tuple(sorted(set(self._around.spec.connectors) - set(self.read_only)))

    def pause(self) -> None:
        """Wait between two looks at a spool."""
        self._pause()

    @cached_property
    def _results(self) -> Sequence[ConnectorResult]:
        from lifecycle.bootstrap.verification import Line
        from lifecycle.operations.select_connectors import Selection

        if not self.read_only:
            return ()
        checks = self._verification.check(Selection(names=self.read_only), Line(lambda _text: None))
        if checks.interrupted:
            raise KeyboardInterrupt  # whoever verifies is told what is known; here it would read as a finding
        return checks.results

    def _installation_name(self, asked: str) -> str:
        known = self._around.spec.datarobot
        name = asked or ("default" if "default" in known else next(iter(known), ""))
        if name not in known or (not asked and name != "default" and len(known) > 1):
            raise ConfigurationError(
                f"the spec has no DataRobot {asked or 'default'!r}",
                remedy=f"say which with --datarobot; known are: {', '.join(sorted(known)) or 'none'}",
            )
        return name

    def _keys(self, name: str) -> list[Credential]:
        entries = self._around.spec.credentials.values()
        return [item for item in entries if item.kind == "datarobot_api_key" and item.settings.datarobot == name]

    def _key_of(self, name: str) -> Credential:
        keys = self._keys(name)
        if not keys:
            raise ConfigurationError(
                f"there is no key to ask DataRobot {name} with", remedy="set LIFECYCLE_DATAROBOT_API_TOKEN"
            )
        return keys[0]

    def _used_elsewhere(self, endpoint: str) -> Iterator[tuple[str, str]]:
        from lifecycle.bootstrap.kinds import registry
        from lifecycle.documents.builder import load_spec

        paths = self._around.paths
        if endpoint.startswith(SANDBOX):  # another sandbox's double is another one
            return
        for folder in sorted(paths.environment.parent.glob("[a-z]*")):
            if not folder.is_dir() or folder == paths.environment:
                continue
            try:
                spec = load_spec(folder, registry(), root=paths.root)
            except ConfigurationError:
                continue  # `lifecycle check` of that environment says so
            yield from _used(spec, endpoint)


def _used(spec: Spec, endpoint: str) -> Iterator[tuple[str, str]]:
    """Deployments that a spec's connectors name at an endpoint, with the place."""
    for name, connector in spec.connectors.items():
        deployment, installation = (getattr(connector.settings, field, "") for field in ("deployment", "datarobot"))
        if deployment and installation in spec.datarobot and spec.datarobot[installation].endpoint == endpoint:
            yield str(deployment), f"connectors.{name} of {spec.environment}"
