locals {
  config_path = "/run/lifecycle/mlops.agent.conf.yaml"

  log_configuration = {
    logDriver = "awslogs"
    options = {
      awslogs-group         = local.log_group_name
      awslogs-region        = local.region
      awslogs-stream-prefix = "agent"
    }
  }
  registry = var.registry_credentials_arn == null ? {} : {
    repositoryCredentials = { credentialsParameter = var.registry_credentials_arn }
  }

  # The agent wants its configuration as a file, ECS delivers a reference only into an environment variable. So a first
  # container writes the file to a volume and ends. It runs as root because a fresh volume belongs to root.
  config_writer = {
    name       = "config"
    image      = coalesce(var.config_writer_image, var.image)
    essential  = false
    user       = "0"
    entryPoint = ["/bin/sh", "-c"]
    command    = ["umask 022 && printf '%s' \"$AGENT_CONFIG\" > ${local.config_path}"]
    secrets    = [{ name = "AGENT_CONFIG", valueFrom = local.config_parameter_arn }]
    # A parameter is read when a task starts. The digest makes a changed configuration a new revision, hence new tasks.
    environment      = [{ name = "AGENT_CONFIG_SHA256", value = sha256(var.agent_config) }]
    mountPoints      = [{ sourceVolume = "config", containerPath = dirname(local.config_path), readOnly = false }]
    logConfiguration = local.log_configuration
  }

  agent = {
    name      = "agent"
    image     = var.image
    essential = true
    dependsOn = [{ containerName = "config", condition = "SUCCESS" }]
    environment = [
      for key, value in merge(var.environment_variables, { MLOPS_AGENT_CONFIG_YAML = local.config_path }) :
      { name = key, value = value }
    ]
    secrets = [for key, arn in var.secret_arns : { name = key, valueFrom = arn }]
    mountPoints = concat(
      [{ sourceVolume = "config", containerPath = dirname(local.config_path), readOnly = true }],
      local.uses_queue ? [] : [{ sourceVolume = "spool", containerPath = var.spooler.directory, readOnly = false }],
    )
    linuxParameters  = { initProcessEnabled = true }
    logConfiguration = local.log_configuration
  }
  health_check = var.health_check_command == null ? {} : {
    healthCheck = { command = var.health_check_command, interval = 30, timeout = 5, retries = 3, startPeriod = 60 }
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = var.task_role_arn
  tags                     = local.tags

  container_definitions = jsonencode([
    merge(local.config_writer, local.registry),
    merge(local.agent, local.registry, local.health_check),
  ])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  volume {
    name = "config"
  }

  dynamic "volume" {
    for_each = local.uses_queue ? [] : [var.spooler]
    content {
      name = "spool"

      dynamic "efs_volume_configuration" {
        for_each = volume.value.efs_file_system_id == null ? [] : [volume.value]
        content {
          file_system_id     = efs_volume_configuration.value.efs_file_system_id
          transit_encryption = "ENABLED"

          dynamic "authorization_config" {
            for_each = efs_volume_configuration.value.efs_access_point_id == null ? [] : [efs_volume_configuration.value]
            content {
              access_point_id = authorization_config.value.efs_access_point_id
              iam             = "ENABLED"
            }
          }
        }
      }
    }
  }

  # Built from names above; the first tasks still need them to exist.
  depends_on = [aws_cloudwatch_log_group.this, aws_ssm_parameter.config]

  lifecycle {
    precondition {
      condition     = contains(local.memory_choices, var.memory)
      error_message = "Fargate offers no ${var.memory} MiB with ${var.cpu} CPU units; possible: ${join(", ", local.memory_choices)}."
    }

    precondition {
      condition     = !contains(keys(merge(var.environment_variables, var.secret_arns)), "MLOPS_AGENT_CONFIG_YAML")
      error_message = "MLOPS_AGENT_CONFIG_YAML is set by the module: it is the path of the file made from agent_config."
    }

    precondition {
      condition     = length(setintersection(keys(var.environment_variables), keys(var.secret_arns))) == 0
      error_message = "environment_variables and secret_arns name the same variable: ${join(", ", setintersection(keys(var.environment_variables), keys(var.secret_arns)))}."
    }
  }
}
