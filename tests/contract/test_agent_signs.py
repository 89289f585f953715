"""What is seen of an agent in AWS, on the sandbox's emulator."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from lifecycle.clients.agent_signs import counted_tasks, waiting_messages
from lifecycle.domain.errors import LifecycleError, NotFoundError
from tests.contract.sandbox_server import Double, running_double

_CLUSTER = "agents"


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    with running_double("aws", tmp_path_factory.mktemp("aws")) as running:
        ecs = running.aws().writer("ecs")
        ecs.create_cluster(clusterName=_CLUSTER)
        yield running


def _service(double: Double, *, count: int) -> str:
    name = f"agent-{uuid4().hex}"
    ecs = double.aws().writer("ecs")
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": "agent", "image": "agent", "memory": 64}])
    ecs.create_service(cluster=_CLUSTER, serviceName=name, taskDefinition=name, desiredCount=count)
    return name


@pytest.mark.parametrize("count", [0, 2])
def test_tasks_of_a_service_are_counted(double: Double, count: int) -> None:
    assert counted_tasks(double.aws(), cluster=_CLUSTER, service=_service(double, count=count))[0] == count


def test_service_that_is_not_there_is_told(double: Double) -> None:
    with pytest.raises(NotFoundError, match="no ECS service absent"):
        counted_tasks(double.aws(), cluster=_CLUSTER, service="absent")


def test_service_that_was_deleted_is_not_there(double: Double) -> None:
    name = _service(double, count=0)
    double.aws().writer("ecs").delete_service(cluster=_CLUSTER, service=name)
    with pytest.raises(NotFoundError):
        counted_tasks(double.aws(), cluster=_CLUSTER, service=name)


def test_what_waits_is_counted_and_left_as_it_is(double: Double) -> None:
    sqs, name = double.aws().writer("sqs"), f"spool-{uuid4().hex}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="record")
    assert [waiting_messages(double.aws(), queue=name) for _ in range(2)] == [3, 3]


def test_queue_that_is_not_there_is_an_error_of_ours(double: Double) -> None:
    with pytest.raises(LifecycleError, match="reading SQS queue absent"):
        waiting_messages(double.aws(), queue="absent")
