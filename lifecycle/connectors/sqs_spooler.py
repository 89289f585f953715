"""An SQS spooler: the queue is there, and how much waits in it. No message is sent, received or touched.

GetQueueUrl and GetQueueAttributes need `sqs:GetQueueUrl` and `sqs:GetQueueAttributes`. The right to send is not tried:
SQS has no send that leaves nothing behind, and a receive counts against the queue's redrive policy.

Source of the codes: `aws_codes`; Amazon SQS API reference (QueueDoesNotExist is also said for a missing right).
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.aws import AwsClients, AwsConnection, error_code
from lifecycle.connectors.aws_codes import aws_failure, aws_judged, probing_clients, require, told
from lifecycle.connectors.probing import Probe
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

QUEUE = "queue"
DEPTH = "depth"
_ABSENT = frozenset({"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"})


class SqsSpoolerSettings(KindSettings):
    """A connector of kind `sqs_spooler`; also the target that is verified.

    Attributes:
        queue: its name.
        most_waiting: more messages than this mean that nobody empties it; 0 = any number is fine.
        region: the queue's region; empty = the environment's.
    """

    queue: str
    most_waiting: int = 0
    region: str = ""


class SqsSpoolerVerifier:
    """Verifies access keys at one queue.

    Args:
        connection: region and endpoint; the login comes with each value.
        clock: the time.
    """

    def __init__(self, connection: AwsConnection, *, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def verify(
        self, target: SqsSpoolerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Find the queue and read how many messages wait."""
        probe = Probe.begin(("login", QUEUE, DEPTH), clock=self._clock, deadline=deadline, via=via)
        if "access_key_id" not in value or "secret_access_key" not in value:
            return probe.result(Reason.NOT_CONFIGURED, "the value is no access key")
        try:
            clients = probing_clients(
                self._connection,
                probe,
                role="",
                access_key_id=value["access_key_id"],
                secret_access_key=value["secret_access_key"],
                session_token=value.get("session_token"),
                region=target.region or self._connection.region,
            )
            return self._judge(probe, clients, target)
        except Exception as error:
            return aws_failure(probe, error)

    def _judge(self, probe: Probe, clients: AwsClients, target: SqsSpoolerSettings) -> VerificationResult:
        from botocore.exceptions import ClientError

        sqs = clients.writer("sqs")
        try:
            found = sqs.get_queue_url(QueueName=target.queue)
            require("QueueUrl" in found)
            probe.show("login", QUEUE)
            shown = sqs.get_queue_attributes(QueueUrl=found["QueueUrl"], AttributeNames=["ApproximateNumberOfMessages"])
        except ClientError as error:
            # Said for an absent queue and for a missing right alike: nothing was decided.
            if error_code(error) in _ABSENT:
                return probe.result(Reason.AMBIGUOUS, told(error))
            return probe.result(*aws_judged(probe, clients, error))
        waiting = str(shown.get("Attributes", {}).get("ApproximateNumberOfMessages", ""))
        require(waiting.isdigit())
        if target.most_waiting and int(waiting) > target.most_waiting:
            return probe.result(Reason.NOT_CONFIGURED, f"{waiting} messages wait: no agent empties the queue")
        probe.show(DEPTH)
        return probe.result(Reason.WORKS, f"{waiting} messages wait")


_: type[ConnectorVerifier] = SqsSpoolerVerifier

KIND = Kind(
    name="sqs_spooler",
    family=Family.CONNECTOR,
    settings=SqsSpoolerSettings,
    summary="An SQS spooler: the queue is there, and how much waits in it.",
)
