"""What an agent runs on and where predictions wait for it, as far as Terraform makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from lifecycle.domain.kinds import Family, Kind, KindSettings

_Absolute = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]+$")]
_KeyArn = Annotated[str, Field(pattern=r"^arn:[^:]+:kms:[^:]+:\d{12}:key/.+$")]
_SecretArn = Annotated[str, Field(pattern=r"^arn:[^:]+:(secretsmanager|ssm):[^:]*:\d{12}:.+$")]
_RoleArn = Annotated[str, Field(pattern=r"^arn:[^:]+:iam::\d{12}:role/.+$")]


class EcsFargateRuntime(KindSettings):
    """A service on ECS Fargate. It starts with no task; rotation scales it after the first issuance.

    Attributes:
        api_token_arn: where ECS reads the agent's token when the credential's store is not AWS Secrets Manager, so
            that a declared copy is used.
    """

    cluster: str
    cpu: int = 256
    memory: int = 512
    image: str
    cpu_architecture: str | None = None
    config_writer_image: str | None = None
    registry_credentials_arn: _SecretArn | None = None
    kms_key_arn: _KeyArn | None = None
    secret_kms_key_arns: tuple[_KeyArn, ...] = ()
    environment_variables: Mapping[str, str] = {}
    alarm_topic_arns: tuple[str, ...] = ()
    spool_age_alarm_seconds: int | None = None
    health_check_command: tuple[str, ...] | None = None
    api_token_arn: _SecretArn | None = None


class SqsSpooler(KindSettings):
    """An SQS queue that Terraform makes; producers may send to it."""

    queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    producer_role_arns: tuple[_RoleArn, ...] = ()


class FilesystemSpooler(KindSettings):
    """A directory, on EFS where given, else on the task's own disk, which is lost with the task."""

    directory: _Absolute = "/var/spool/mlops"
    efs_file_system_id: str | None = None
    efs_access_point_id: str | None = None


ECS_FARGATE = Kind(
    name="ecs_fargate", family=Family.AGENT_RUNTIME, settings=EcsFargateRuntime, summary="AWS ECS on Fargate"
)
SQS = Kind(name="sqs", family=Family.SPOOLER, settings=SqsSpooler, summary="Amazon SQS queue")
FILESYSTEM = Kind(name="filesystem", family=Family.SPOOLER, settings=FilesystemSpooler, summary="directory, or EFS")

KINDS = (ECS_FARGATE, SQS, FILESYSTEM)
