# The agent's service. Configuration and token arrive by reference: the plan, the state and the task definition hold
# where they are, never the token itself.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, {
    environment  = var.environment
    owner        = var.owner
    "spec-entry" = var.spec_entry
    "managed-by" = "lifecycle"
  })

  # ARNs are built from names, so that policies are known at plan time and reviewers see them whole.
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.name

  log_group_name        = "/lifecycle/${var.environment}/agents/${var.name}"
  log_group_arn         = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_group_name}"
  config_parameter_name = "/lifecycle/${var.environment}/agents/${var.name}/config"
  config_parameter_arn  = "arn:${local.partition}:ssm:${local.region}:${local.account}:parameter${local.config_parameter_name}"

  uses_queue = var.spooler.type == "sqs"

  # MiB that Fargate offers for each size of CPU: smallest, largest, step.
  memory_range = {
    "256"  = [512, 2048, 512], "512" = [1024, 4096, 1024], "1024" = [2048, 8192, 1024], "2048" = [4096, 16384, 1024],
    "4096" = [8192, 30720, 1024], "8192" = [16384, 61440, 4096], "16384" = [32768, 122880, 8192],
  }
  memory_choices = var.cpu == 256 ? [512, 1024, 2048] : try(
    range(local.memory_range[var.cpu][0], local.memory_range[var.cpu][1] + 1, local.memory_range[var.cpu][2]), []
  )
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = local.tags
}

resource "aws_ssm_parameter" "config" {
  name           = local.config_parameter_name
  description    = "Configuration of the agent ${var.name}; changes here are overwritten"
  type           = "String"
  tier           = length(base64encode(var.agent_config)) > 5464 ? "Advanced" : "Standard" # 5464 = base64 of 4096 bytes
  insecure_value = var.agent_config
  tags           = local.tags
}

resource "aws_ecs_service" "this" {
  name                   = var.name
  cluster                = var.cluster
  task_definition        = aws_ecs_task_definition.this.arn
  desired_count          = var.desired_count
  launch_type            = "FARGATE"
  enable_execute_command = false
  propagate_tags         = "SERVICE"
  tags                   = local.tags

  # Two agents may share a queue, so a new one starts before the old one stops. In one spool directory they would get in
  # each other's way.
  deployment_minimum_healthy_percent = local.uses_queue ? 100 : 0
  deployment_maximum_percent         = local.uses_queue ? 200 : 100

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = false
  }

  lifecycle {
    # desired_count belongs to rotation, which scales the service after the first issuance. Zone rebalancing is a default
    # that ECS adds by itself. The task definition is not ignored: it names no version of a secret, so a new deployment
    # picks up a rotated value without a new revision, and a new revision is always a reviewed change.
    ignore_changes = [desired_count, availability_zone_rebalancing]
  }

  # Tasks that start before the execution role may read would fail and trip the circuit breaker.
  depends_on = [aws_iam_role_policy.execution, aws_vpc_security_group_egress_rule.this]
}
