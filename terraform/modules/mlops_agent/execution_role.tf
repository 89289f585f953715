# What ECS itself needs to start the task: pull this image, write this log, read this configuration and these secrets.

locals {
  # Only an image in ECR needs rights; other registries use registry_credentials_arn.
  ecr = try(regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/(?P<repository>[^:@]+)", var.image), null)

  # A reference may end in :json-key:stage:version; IAM knows the secret only, which is the first seven parts.
  derived_secret_arns = [for arn in values(var.secret_arns) : join(":", slice(split(":", arn), 0, min(7, length(split(":", arn)))))]
  readable            = length(var.secret_policy_arns) > 0 ? var.secret_policy_arns : local.derived_secret_arns
  readable_secrets = sort(distinct(concat(
    [for arn in local.readable : arn if strcontains(arn, ":secretsmanager:")],
    var.registry_credentials_arn == null ? [] : [var.registry_credentials_arn],
  )))
  readable_parameters = sort(distinct(concat(
    [for arn in local.readable : arn if strcontains(arn, ":ssm:")],
    [local.config_parameter_arn],
  )))

  execution_statements = concat(
    [
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.log_group_arn}:log-stream:*"]
      },
      {
        Sid      = "ReadConfiguration"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = local.readable_parameters
      },
    ],
    length(local.readable_secrets) == 0 ? [] : [{
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = local.readable_secrets
    }],
    local.ecr == null ? [] : [
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:${local.partition}:ecr:${local.ecr.region}:${local.ecr.account}:repository/${local.ecr.repository}"]
      },
      {
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"] # AWS offers nothing narrower for this action.
      },
    ],
    length(var.secret_kms_key_arns) == 0 ? [] : [{
      Sid       = "DecryptSecrets"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = sort(var.secret_kms_key_arns)
      Condition = { StringLike = { "kms:ViaService" = ["secretsmanager.*.amazonaws.com", "ssm.*.amazonaws.com"] } }
    }],
  )
}

resource "aws_iam_role" "execution" {
  name                 = "${var.name}-execution"
  description          = "ECS starts the agent ${var.name} with it"
  permissions_boundary = var.permissions_boundary
  tags                 = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-agent"
  role   = aws_iam_role.execution.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}
