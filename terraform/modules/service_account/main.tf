# A machine identity: a role, a user without keys, or a role that exists already. Keys of users are issued by rotation,
# never here: an aws_iam_access_key would put the secret into the state.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  tags = merge(var.tags, {
    environment  = var.environment
    owner        = var.owner
    "spec-entry" = var.spec_entry
    "managed-by" = "lifecycle"
  })

  is_role = var.kind == "role"
  is_user = var.kind == "user"

  # Built from the name instead of read from the resource: policies elsewhere that name this identity are then known at
  # plan time, so reviewers and rules see them whole before the first apply.
  made_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:${var.kind}/${var.name}"

  oidc_issuer = try(regex("oidc-provider/(.+)$", var.trust.oidc.provider_arn)[0], "")

  trust_principal = (
    try(var.trust.service, null) != null ? { Service = strcontains(var.trust.service, ".") ? var.trust.service : "${var.trust.service}.amazonaws.com" } :
    try(var.trust.account, null) != null ? { AWS = coalesce(var.trust.principal_arn, "arn:${data.aws_partition.current.partition}:iam::${var.trust.account}:root") } :
    { Federated = try(var.trust.oidc.provider_arn, "") }
  )
  # IAM refuses empty blocks, so what is not given is left out.
  trust_condition = {
    for operator, keys in {
      StringEquals = {
        "aws:SourceAccount"        = try(var.trust.source_account, null)
        "sts:ExternalId"           = try(var.trust.external_id, null)
        "${local.oidc_issuer}:aud" = try(var.trust.oidc.audience, null)
      }
      StringLike = {
        "${local.oidc_issuer}:sub" = try(var.trust.oidc.subject, null)
      }
    } : operator => { for key, value in keys : key => value if value != null }
    if length([for value in values(keys) : value if value != null]) > 0
  }
  trust_statement = merge(
    {
      Effect    = "Allow"
      Action    = try(var.trust.oidc, null) == null ? "sts:AssumeRole" : "sts:AssumeRoleWithWebIdentity"
      Principal = local.trust_principal
    },
    length(local.trust_condition) == 0 ? {} : { Condition = local.trust_condition },
  )

  # Several conditions on the same operator are one block in IAM; two blocks of one name would drop the first.
  statements = [
    for statement in var.permissions : merge(
      { Effect = "Allow", Action = sort(statement.actions), Resource = sort(statement.resources) },
      statement.sid == null ? {} : { Sid = statement.sid },
      length(statement.conditions) == 0 ? {} : {
        Condition = {
          for operator in distinct([for condition in statement.conditions : condition.operator]) : operator => {
            for condition in statement.conditions : condition.key => condition.values if condition.operator == operator
          }
        }
      },
    )
  ]

  # `*`, and ARNs whose resource part holds nothing but wildcards and separators.
  star_actions = distinct(flatten([
    for statement in var.permissions : statement.actions
    if anytrue([for resource in statement.resources : can(regex("^(\\*|arn:[^:]+:[^:]+:[^:]*:[^:]*:[*?/:]+)$", resource))])
  ]))
}

resource "aws_iam_role" "this" {
  count = local.is_role ? 1 : 0

  name                 = var.name
  description          = "Service account ${var.spec_entry}"
  assume_role_policy   = jsonencode({ Version = "2012-10-17", Statement = [local.trust_statement] })
  permissions_boundary = var.permissions_boundary
  max_session_duration = var.max_session_seconds
  tags                 = local.tags
}

resource "aws_iam_role_policy" "this" {
  count = local.is_role && length(var.permissions) > 0 ? 1 : 0

  name   = "least-privilege"
  role   = aws_iam_role.this[0].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

resource "aws_iam_user" "this" {
  count = local.is_user ? 1 : 0

  name                 = var.name
  permissions_boundary = var.permissions_boundary
  # A user with live keys cannot be destroyed: `rotate retire` drains the consumers and revokes the keys first.
  force_destroy = false
  tags          = local.tags
}

resource "aws_iam_user_policy" "this" {
  count = local.is_user && length(var.permissions) > 0 ? 1 : 0

  name   = "least-privilege"
  user   = aws_iam_user.this[0].name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
