from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from lifecycle.clients.aws import AwsClients
from lifecycle.destinations.ecs_service import EcsServiceDestination
from lifecycle.domain.credential import NotKnown
from lifecycle.domain.errors import NotFoundError
from lifecycle.domain.secret import OperationId, SecretValue
from lifecycle.testing.destination_contract import FINGERPRINT, ONE, TWO, DestinationBench, DestinationContract
from tests.contract.sandbox_server import Double, running_double

_CLUSTER = "lifecycle-sandbox"


@dataclass
class Kept:
    """Notes in memory, shared by two processes."""

    value: SecretValue = field(default_factory=dict)

    def load(self) -> SecretValue:
        if not self.value:
            raise NotFoundError("nothing kept", remedy="none")
        return self.value

    def save(self, value: SecretValue) -> None:
        self.value = value


def _service(clients: AwsClients) -> str:
    ecs, name = clients.writer("ecs"), f"agent-{uuid4()}"
    container = {"name": "agent", "image": "agent:1", "memory": 128}
    ecs.register_task_definition(family=name, containerDefinitions=[container])
    ecs.create_service(cluster=_CLUSTER, serviceName=name, taskDefinition=name, desiredCount=0)
    return name


def _deployment(clients: AwsClients, name: str) -> tuple[str, int]:
    service = clients.reader("ecs").describe_services(cluster=_CLUSTER, services=[name])["services"][0]
    return service["deployments"][0]["id"], service["desiredCount"]


class TestOnEmulator(DestinationContract):
    """Against the sandbox's emulator: tasks run at once there."""

    @pytest.fixture
    def name(self, clients: AwsClients) -> str:
        return _service(clients)

    @pytest.fixture
    def bench(self, clients: AwsClients, name: str) -> DestinationBench:
        kept, deployments = Kept(), [_deployment(clients, name)[0]]

        def effects() -> int:
            newest, _ = _deployment(clients, name)
            if newest != deployments[-1]:
                deployments.append(newest)
            return len(deployments)

        def make() -> EcsServiceDestination:
            return EcsServiceDestination(clients, kept, cluster=_CLUSTER, service=name, desired_count=2)

        return DestinationBench(
            destination=make(), again=make(), holds=lambda _: _deployment(clients, name)[1] > 0, effects=effects
        )

    def test_service_at_zero_is_scaled_to_its_wanted_count(
        self, bench: DestinationBench, clients: AwsClients, name: str
    ) -> None:
        bench.deliver(ONE, 1)
        assert _deployment(clients, name)[1] == 2

    def test_each_value_gets_a_deployment(self, bench: DestinationBench) -> None:
        bench.deliver(ONE, 1)
        first = bench.effects()
        bench.deliver(TWO, 2)
        assert bench.effects() == first + 1

    def test_deployment_of_somebody_else_is_not_our_acknowledgement(
        self, bench: DestinationBench, clients: AwsClients, name: str
    ) -> None:
        bench.deliver(ONE, 1)
        clients.writer("ecs").update_service(cluster=_CLUSTER, service=name, forceNewDeployment=True)
        assert bench.acknowledged() is NotKnown.NOT_YET
        bench.deliver(ONE, 1)
        assert bench.acknowledged() == FINGERPRINT(ONE)

    def test_absent_service_is_named_and_withdrawn_from(self, clients: AwsClients) -> None:
        absent = EcsServiceDestination(clients, Kept(), cluster=_CLUSTER, service="absent")
        with pytest.raises(NotFoundError, match="no ECS service absent"):
            absent.deliver("agent", ONE, FINGERPRINT(ONE), OperationId("op"), 1)
        absent.withdraw("agent", OperationId("op"), 1)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsClients]:
    with running_double("aws", tmp_path_factory.mktemp("strict-aws")) as double:
        yield _of(double)


def _of(double: Double) -> AwsClients:
    return double.aws()
