"""Writes `policies/data/iam_actions.json` from the action list that cfn-lint ships: AWS's own, of its policy generator.

Run after an update of cfn-lint, with the day: `python -m tests.unit.policy_engine.iam_actions_table 2026-11-24`.
"""

import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[3] / "policies/data/iam_actions.json"
SERVICES = (
    *("application-autoscaling", "cloudformation", "cloudwatch", "codebuild", "datapipeline", "dynamodb", "ec2", "ecr"),
    *("ecs", "events", "glue", "iam", "kms", "lambda", "logs", "network-firewall", "organizations", "route53"),
    *("route53resolver", "s3", "sagemaker", "secretsmanager", "sns", "sqs", "ssm", "ssmmessages", "states", "sts"),
    "tag",
)


def services() -> dict[str, dict[str, list[str]]]:
    """The table's content: per service, the actions that take a resource and those that take only `*`."""
    files = metadata.files("cfn-lint") or []
    found = next(file for file in files if file.as_posix() == "cfnlint/data/AdditionalSpecs/Policies.json")
    known = json.loads(Path(str(found.locate())).read_text(encoding="utf-8"))
    return {name: _split(known[name]["Actions"]) for name in SERVICES}


def _split(actions: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "with_resource": sorted(action for action, told in actions.items() if told.get("Resources")),
        "only_star": sorted(action for action, told in actions.items() if not told.get("Resources")),
    }


def text(as_of: str) -> str:
    """The file."""
    head = {
        "as_of": as_of,
        "source": f"AWS policy generator, as shipped with cfn-lint {metadata.version('cfn-lint')}",
        "what": "IAM actions of the services that an environment uses, in lower case, for expanding wildcards. "
        "only_star: AWS takes no narrower resource.",
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    listed = [f"    {json.dumps(name)}: {json.dumps(told)}" for name, told in services().items()]
    return "\n".join(("{", *lines, '  "services": {', ",\n".join(listed), "  }", "}", ""))


if __name__ == "__main__":
    PATH.write_text(text(sys.argv[1]), encoding="utf-8")
