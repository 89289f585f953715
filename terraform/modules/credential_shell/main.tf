# The place of a credential, without its value. Values are written by rotation: no aws_secretsmanager_secret_version
# here, whose refresh would also need the right to read every value.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  tags = merge(var.tags, {
    environment       = var.environment
    owner             = var.owner
    "spec-entry"      = var.spec_entry
    "managed-by"      = "lifecycle"
    credential        = var.name
    "rotation-period" = var.rotation_period
    reason            = substr(replace(var.reason, "/[^\\p{L}\\p{Z}\\p{N}_.:/=+@-]/", "_"), 0, 256)
  })

  arn_without_suffix = join(":", [
    "arn", data.aws_partition.current.partition, "secretsmanager", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "secret", var.secret_name,
  ])

  readers = length(var.resource_policy_readers) == 0 ? [] : compact(concat(var.resource_policy_readers, [var.rotator_role_arn]))
  writers = compact([var.rotator_role_arn])

  # Deny statements only: they narrow what IAM grants and grant nothing themselves. Principals stand in the condition,
  # where AWS accepts names of roles that do not exist yet and never rewrites the names of deleted ones.
  denials = [
    for rule in [
      { sid = "OnlyReaders", actions = ["secretsmanager:GetSecretValue"], except = local.readers },
      { sid = "OnlyRotator", actions = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"], except = local.writers },
      ] : {
      Sid       = rule.sid
      Effect    = "Deny"
      Principal = "*"
      Action    = rule.actions
      Resource  = "*"
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = sort(rule.except) } }
    } if length(rule.except) > 0
  ]
}

resource "aws_secretsmanager_secret" "this" {
  name                    = var.secret_name
  description             = var.description
  kms_key_id              = var.kms_key_id
  recovery_window_in_days = var.recovery_window_days
  tags                    = local.tags
}

resource "aws_secretsmanager_secret_policy" "this" {
  count = length(local.denials) > 0 ? 1 : 0

  secret_arn          = aws_secretsmanager_secret.this.arn
  block_public_policy = true
  policy              = jsonencode({ Version = "2012-10-17", Statement = local.denials })
}
