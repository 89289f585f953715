"""Temporal keeps one running workflow per id, which is how an operation is run once."""

import json
from uuid import uuid4

from tests.servers.temporal import TemporalServer


def test_second_start_of_a_running_workflow_id_gives_the_same_run(temporal_server: TemporalServer) -> None:
    workflow = f"rotate-{uuid4()}"
    started = ("workflow", "start", "--task-queue", "nobody", "--type", "Rotate", "--workflow-id", workflow)
    runs = [json.loads(temporal_server.cli(*started, "--output", "json").stdout)["runId"] for _ in range(2)]
    assert runs[0] == runs[1]
    described = temporal_server.cli("workflow", "describe", "--workflow-id", workflow, "--output", "json")
    assert json.loads(described.stdout)["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
