"""Destinations by kind: who must receive and acknowledge a credential."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.bootstrap.destination_places import Places
from lifecycle.bootstrap.stores import KeptValue, Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.credential import Acknowledgement, NotKnown
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.naming import DERIVED_NAMES, cloud_name
from lifecycle.domain.secret import Fingerprint, OperationId, SecretRef, SecretValue
from lifecycle.domain.spec import Agent, Chosen, Credential, Unobservable

if TYPE_CHECKING:
    from lifecycle.domain.ports import CredentialDestination
    from lifecycle.operations.rotation_context import ConsumerBinding


class UnobservableConsumer:
    """A consumer that its owner declared as unable to acknowledge: told nothing, awaited by the minimum of grace."""

    def deliver(
        self, consumer: str, value: SecretValue, fingerprint: Fingerprint, operation: OperationId, fence: int
    ) -> None:
        """Nothing: it reads the store itself."""

    def acknowledged(self, consumer: str) -> Acknowledgement | NotKnown:
        """Nobody can tell."""
        del consumer
        return NotKnown.UNOBSERVABLE

    def withdraw(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Nothing to take away."""


class Destinations:
    """Makes the consumer bindings of a credential.

    Args:
        around: settings, spec, sandbox.
        stores: where destinations keep their notes.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores
        self._places = Places(around, stores)
        self._builders: Mapping[str, Callable[[Credential, Chosen], CredentialDestination]] = {
            "file": self._file,
            "ecs_service": self._service,
        }

    def of(self, credential: Credential) -> tuple[ConsumerBinding, ...]:
        """Everybody who holds a copy of this credential."""
        return tuple(self._bindings(credential))

    def _bindings(self, credential: Credential) -> Iterator[ConsumerBinding]:
        from lifecycle.operations.rotation_context import ConsumerBinding

        for number, chosen in enumerate(credential.deliver_to, start=1):
            name = f"{chosen.kind}-{number}"
            yield ConsumerBinding(name=name, destination=self._chosen(credential, chosen, name))
        for consumer in credential.consumers:
            if consumer.agent:
                agent = self._around.spec.agents[consumer.agent]
                yield ConsumerBinding(name=f"agent-{agent.name}", destination=self._agent(credential, agent))
            elif consumer.unobservable:
                yield _unobservable(consumer.unobservable)

    def _chosen(self, credential: Credential, chosen: Chosen, name: str) -> CredentialDestination:
        if chosen.kind in self._places.kinds:
            return self._places.make(credential, chosen.kind, chosen.settings, name)
        return self._builders[chosen.kind](credential, chosen)

    def _file(self, _credential: Credential, chosen: Chosen) -> CredentialDestination:
        from lifecycle.destinations.file import FileDestination, Reload, owner_of

        settings = chosen.settings
        path = Path(settings.path)
        if not path.is_absolute():
            path = self._around.paths.delivered / path
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        reload = Reload(command=settings.reload, environment=settings.environment, timeout=settings.reload_timeout)
        return FileDestination(
            path,
            self._stores.fingerprinter,
            mode=settings.mode_bits(),
            owner=owner_of(settings.owner),
            reload=reload if settings.reload else None,
        )

    def _service(self, credential: Credential, chosen: Chosen) -> CredentialDestination:
        settings = chosen.settings
        return self._ecs(credential, settings.cluster, settings.service, settings.desired_count)

    def _agent(self, credential: Credential, agent: Agent) -> CredentialDestination:
        if agent.runtime.kind != "ecs_fargate":
            raise ConfigurationError(
                f"agent {agent.name} runs on {agent.runtime.kind}, which cannot be told to take a new credential",
                remedy="deliver the credential to a file of that agent, or declare it unobservable",
            )
        service = cloud_name(self._around.spec.environment, agent.name, limit=DERIVED_NAMES)
        return self._ecs(credential, agent.runtime.settings.cluster, service, 1)

    def _ecs(self, credential: Credential, cluster: str, service: str, count: int) -> CredentialDestination:
        from lifecycle.destinations.ecs_service import EcsServiceDestination

        ref = SecretRef(store=credential.store, path=f"{credential.name}-delivery-{service}")
        kept = KeptValue(store=self._stores.named(credential.store), ref=ref)
        return EcsServiceDestination(self._around.aws, kept, cluster=cluster, service=service, desired_count=count)


def _unobservable(declared: Unobservable) -> ConsumerBinding:
    """Once lapsed, the exception no longer stands in for an acknowledgement, also in an operation that is open."""
    from lifecycle.operations.rotation_context import ConsumerBinding

    holds = declared.expires >= utc_now().date()
    return ConsumerBinding(name=declared.name, destination=UnobservableConsumer(), unobservable=holds)
