"""A spec that uses everything for which rights are generated."""

from typing import Any

from lifecycle.domain.spec import Spec
from lifecycle.policy_engine.fixtures import Case, gate_input

ACCOUNT = "123456789012"

_BASE: dict[str, Any] = {
    "version": 1,
    "environment": "reference",
    "owner": "ml-platform",
    "aws": {
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "role": f"arn:aws:iam::{ACCOUNT}:role/lifecycle-apply",
        "permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/lifecycle-boundary",
        "vpc": "vpc-0abc",
    },
    "backend": {"kind": "s3", "settings": {"bucket": "acme-tfstate", "key": "datarobot/reference.tfstate"}},
    "secret_stores": {
        "default": {
            "kind": "aws_secrets_manager",
            "settings": {"prefix": "datarobot/reference", "kms_key": "alias/datarobot"},
        },
        "vault": {"kind": "vault", "settings": {"mount": "kv", "prefix": "datarobot/reference"}},
    },
    "journal": {"kind": "dynamodb", "settings": {"table": "lifecycle-journal"}},
    "service_accounts": {
        "scoring": {"platform": "aws", "trust": {"service": "ecs-tasks"}},
        "feature-reader": {"platform": "aws", "principal": "user"},
    },
    "allowlists": {
        "egress": {
            "targets": ["squid", "aws_security_group", "aws_network_firewall", "aws_dns_firewall"],
            "entries": [{"host": "acme.eu-west-1.snowflakecomputing.com", "reason": "feature ingestion"}],
        }
    },
    "agents": {
        "eu-1": {
            "kind": "monitoring",
            "runtime": {"kind": "ecs_fargate", "settings": {"cluster": "mlops", "image": "mlops-agent:11.2"}},
            "spooler": {"kind": "sqs", "settings": {"queue": "mlops-spool"}},
            "service_account": "scoring",
            "egress": "egress",
            "api_token": "agent-key",
        }
    },
    "credentials": {
        "agent-key": {
            "kind": "datarobot_api_key",
            "settings": {"principal": "svc-mlops@acme.example"},
            "reason": "RA-17",
            "consumers": [{"agent": "eu-1"}],
        },
        "feature-reader-key": {
            "kind": "aws_iam_access_key",
            "settings": {"service_account": "feature-reader"},
            "reason": "CIS AWS 1.14",
        },
        "pipeline-oauth": {
            "kind": "oauth_client_secret",
            "settings": {"client_id": "lifecycle-pipeline"},
            "store": "vault",
            "reason": "ID-4",
        },
    },
    "connectors": {
        "feature-files": {"kind": "s3", "settings": {}, "credential": "feature-reader-key"},
        "pipeline-token": {"kind": "oauth_token", "settings": {}, "credential": "pipeline-oauth"},
        "secret-store": {"kind": "aws_secrets_manager", "settings": {"can_describe": ["agent-key"]}},
    },
}


def reference_spec(**changed: Any) -> Spec:
    """The spec, with parts changed; None removes a part."""
    case = Case(rule="none", fires=False, because="no rule is judged here", spec=changed)
    return gate_input(case, _BASE).spec
