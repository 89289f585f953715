"""What the doctor sees of one agent: through AWS, with its own token, and from its own position."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lifecycle.bootstrap.stores import Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.naming import DERIVED_NAMES, cloud_name
from lifecycle.domain.secret import SecretRef, SecretText, VersionStage
from lifecycle.domain.spec import Agent, Credential
from lifecycle.foundation.known_secrets import KnownSecrets
from lifecycle.operations.diagnose_agents import Tasks

if TYPE_CHECKING:
    from lifecycle.clients.datarobot_answers import DataRobotAnswers

_HTTPS = 443


class WatchedAgent:
    """One agent.

    Args:
        around: spec, clouds, sandbox.
        stores: where its token is.
        known: told the token, so that it is in no message.
        agent: its entry.
    """

    def __init__(self, around: Surroundings, stores: Stores, known: KnownSecrets, agent: Agent) -> None:
        self._around = around
        self._stores = stores
        self._known = known
        self._agent = agent
        self._credential: Credential = around.spec.credentials[agent.api_token]

    @property
    def name(self) -> str:
        """In the spec."""
        return self._agent.name

    @property
    def environment(self) -> str:
        """Id of its prediction environment; empty when the spec names none."""
        return self._agent.prediction_environment_id or ""

    @property
    def principal(self) -> str:
        """The user whose key it must have; empty = any."""
        return str(getattr(self._credential.settings, "principal", ""))

    def tasks(self) -> Tasks | None:
        """The tasks of its ECS service; None on another runtime."""
        from lifecycle.clients.agent_signs import counted_tasks

        if self._agent.runtime.kind != "ecs_fargate":
            return None
        service = cloud_name(self._around.spec.environment, self.name, limit=DERIVED_NAMES)
        cluster = self._agent.runtime.settings.cluster
        wanted, running = counted_tasks(self._around.aws, cluster=cluster, service=service)
        return Tasks(wanted=wanted, running=running)

    def login(self) -> Seen:
        """Whose key it has, asked with that key through the proxy of its egress."""
        return self._answers.ask("/account/info/")

    def reach(self) -> Seen:
        """What comes from DataRobot's host through the proxy of its egress; no token is sent."""
        return self._from_its_position(SecretText("")).knock(self._endpoint)

    def not_admitted(self) -> str:
        """The host of DataRobot that its egress does not admit; empty = it does, or is on this machine."""
        from lifecycle.clients.endpoints import is_loopback
        from lifecycle.domain.allowlist import resolve
        from lifecycle.renderers.published_networks import published_networks

        endpoint = self._endpoint
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port or _HTTPS
        if is_loopback(endpoint):
            return ""
        egress = self._around.spec.allowlists[self._agent.egress]
        names = resolve(egress, published_networks(), utc_now().date()).names.get(port)
        return "" if names is not None and names.admits(host) else f"{host}:{port} is not on {egress.name}"

    def waiting(self) -> int | None:
        """What waits in its queue; None for a folder, which is not seen from here."""
        from lifecycle.clients.agent_signs import waiting_messages

        if self._agent.spooler.kind != "sqs":
            return None
        return waiting_messages(self._around.aws, queue=self._agent.spooler.settings.queue)

    @property
    def _endpoint(self) -> str:
        return self._around.resolve(self._around.spec.datarobot[self._agent.datarobot].endpoint)

    @cached_property
    def _answers(self) -> DataRobotAnswers:
        return self._from_its_position(stored_token(self._stores, self._known, self._credential))

    def _from_its_position(self, token: SecretText) -> DataRobotAnswers:
        from lifecycle.clients.datarobot import DataRobotClient
        from lifecycle.clients.datarobot_answers import DataRobotAnswers
        from lifecycle.clients.web import WebClient

        web = WebClient(proxy=self._around.spec.allowlists[self._agent.egress].proxy or "")
        return DataRobotAnswers(DataRobotClient(self._endpoint, token, web=web), web=web)


def stored_token(stores: Stores, known: KnownSecrets, credential: Credential) -> SecretText:
    """The current key of a credential.

    Raises:
        LifecycleError: the store was not met, or holds no current version.
        ConfigurationError: what it holds is no DataRobot key.
    """
    ref = SecretRef(store=credential.store, path=credential.name)
    value = stores.named(credential.store).read(ref, VersionStage.CURRENT).value
    if "api_token" not in value:
        raise ConfigurationError(
            f"credential {credential.name} holds no field api_token", remedy="name a datarobot_api_key credential"
        )
    known.register(value["api_token"])
    return value["api_token"]
