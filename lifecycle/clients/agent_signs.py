"""What AWS shows of an agent: the tasks of its service, and how much waits in its queue. Reads only.

Source: Amazon ECS API reference, DescribeServices; Amazon SQS API reference, GetQueueAttributes.
"""

from __future__ import annotations

from lifecycle.clients.aws import AwsClients, aws_errors
from lifecycle.domain.errors import NotFoundError


def counted_tasks(clients: AwsClients, *, cluster: str, service: str) -> tuple[int, int]:
    """How many tasks a service should have, and how many run.

    Raises:
        NotFoundError: there is no such service.
        LifecycleError: AWS was not met, or refuses.
    """
    with aws_errors(f"reading ECS service {service}"):
        found = clients.reader("ecs").describe_services(cluster=cluster, services=[service])
    services = [item for item in found.get("services", ()) if item.get("status") != "INACTIVE"]
    if not services:
        raise NotFoundError(f"there is no ECS service {service} in cluster {cluster}", remedy="run lifecycle apply")
    return int(services[0].get("desiredCount", 0)), int(services[0].get("runningCount", 0))


def waiting_messages(clients: AwsClients, *, queue: str) -> int:
    """About how many messages of a queue nobody has received.

    Raises:
        LifecycleError: the queue is not there, or AWS was not met, or refuses.
    """
    sqs = clients.reader("sqs")
    with aws_errors(f"reading SQS queue {queue}"):
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(shown["Attributes"]["ApproximateNumberOfMessages"])
