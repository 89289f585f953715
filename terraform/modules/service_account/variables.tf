variable "name" {
  description = "Name of the IAM role or user, exactly as it will exist in the account; put the environment into it where one account holds several."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 of the characters A-Z a-z 0-9 + = , . @ _ - (the rule of IAM)."
  }
}

variable "environment" {
  description = "Environment that the resources belong to, for example prod; becomes the tag `environment`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.environment))
    error_message = "environment must be lower-case letters, digits and hyphens, at most 63: it becomes part of names and paths."
  }
}

variable "owner" {
  description = "Team that answers for the resources; becomes the tag `owner`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[\\p{L}\\p{N}][\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,255}$", var.owner))
    error_message = "owner must be 1 to 256 letters, digits, spaces or _.:/=+@-, starting with a letter or digit: AWS refuses other characters in tags."
  }
}

variable "spec_entry" {
  description = "Entry of the spec that declares this, for example service_accounts.scoring-pipeline; becomes the tag `spec-entry`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_]+\\.[A-Za-z0-9_.:/=+@-]{1,200}$", var.spec_entry))
    error_message = "spec_entry must be SECTION.NAME, for example service_accounts.scoring-pipeline."
  }
}

variable "tags" {
  description = "Further tags. The tags that the module sets itself win over these."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 40 && alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "tags takes at most 40 entries, and no key that begins with aws: (reserved by AWS)."
  }
}

variable "kind" {
  description = "What stands behind the account: `role` (made here), `user` (made here, without keys: rotation issues them) or `existing_role` (only referred to)."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["role", "user", "existing_role"], var.kind)
    error_message = "kind must be role, user or existing_role."
  }
}

variable "trust" {
  description = <<-EOT
    Who may assume the role. Exactly one of:
    - `service`: an AWS service, for example `ecs-tasks`; with `source_account` only on behalf of that account;
    - `account`: another AWS account, narrowed by `external_id` and `principal_arn` where given;
    - `oidc`: an identity provider of this account, with its audience and the subject (`*` and `?` match).
    Required for kind `role`, refused for the others.
  EOT
  type = object({
    service        = optional(string)
    source_account = optional(string)
    account        = optional(string)
    external_id    = optional(string)
    principal_arn  = optional(string)
    oidc = optional(object({
      provider_arn = string
      audience     = string
      subject      = string
    }))
  })
  default = null

  validation {
    condition = var.trust == null ? true : (
      length([for given in [var.trust.service, var.trust.account, var.trust.oidc] : true if given != null]) == 1
    )
    error_message = "trust must name exactly one of service, account and oidc."
  }

  validation {
    condition     = try(var.trust.service, null) == null ? true : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*$", var.trust.service))
    error_message = "trust.service must be an AWS service such as ecs-tasks or ecs-tasks.amazonaws.com."
  }

  validation {
    condition = alltrue([
      for account in [try(var.trust.account, null), try(var.trust.source_account, null)] :
      account == null ? true : can(regex("^[0-9]{12}$", account))
    ])
    error_message = "trust.account and trust.source_account must be 12 digits, in quotes."
  }

  validation {
    condition = var.trust == null ? true : (
      (var.trust.source_account == null || var.trust.service != null) &&
      ((var.trust.external_id == null && var.trust.principal_arn == null) || var.trust.account != null)
    )
    error_message = "trust.source_account goes with service; external_id and principal_arn go with account."
  }

  validation {
    condition = try(var.trust.principal_arn, null) == null ? true : can(
      regex("^arn:[^:]+:iam::${var.trust.account}:(role|user)/[^*?]+$", var.trust.principal_arn)
    )
    error_message = "trust.principal_arn must be one role or user of trust.account, without wildcards."
  }

  validation {
    condition = try(var.trust.oidc, null) == null ? true : (
      can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/.+$", var.trust.oidc.provider_arn)) &&
      can(regex("^[^*?]+$", var.trust.oidc.audience)) &&
      can(regex("[^*?:]", var.trust.oidc.subject))
    )
    error_message = "trust.oidc needs the ARN of an oidc-provider, an audience without wildcards and a subject that names somebody, not everybody."
  }
}

variable "permissions" {
  description = "What the account may do: Allow statements of one inline policy. Conditions are all required to hold."
  type = list(object({
    sid       = optional(string)
    actions   = list(string)
    resources = list(string)
    conditions = optional(list(object({
      operator = string
      key      = string
      values   = list(string)
    })), [])
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for statement in var.permissions : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "Each entry of permissions needs at least one action and one resource."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.permissions : [for action in statement.actions : can(regex("^[a-z0-9-]+:[A-Za-z0-9*?]*[A-Za-z0-9][A-Za-z0-9*?]*$", action))]]))
    error_message = "Each action must be service:Action, for example s3:GetObject; `*` and `service:*` grant everything and are refused."
  }

  validation {
    condition     = alltrue([for statement in var.permissions : statement.sid == null ? true : can(regex("^[A-Za-z0-9]{1,64}$", statement.sid))])
    error_message = "sid must be letters and digits."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.permissions : [for resource in statement.resources : resource == "*" || can(regex("^arn:[^:]+:[^:]+:[^:]*:[^:]*:.+$", resource))]]))
    error_message = "Each resource must be an ARN (or `*` for the actions named in allow_star_resource)."
  }
}

variable "allow_star_resource" {
  description = "Actions that may have a resource matching everything (`*`, or an ARN whose last part is only `*`), because AWS offers no narrower one, for example ecr:GetAuthorizationToken."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for action in var.allow_star_resource : can(regex("^[a-z0-9-]+:[A-Za-z0-9]+$", action))])
    error_message = "allow_star_resource takes whole actions such as ecr:GetAuthorizationToken, without wildcards."
  }
}

variable "permissions_boundary" {
  description = "ARN of the managed policy that bounds the role or user, or null."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a managed policy."
  }
}

variable "existing_role_arn" {
  description = "ARN of the role that already exists. Required for kind `existing_role`, refused for the others."
  type        = string
  default     = null

  validation {
    condition     = var.existing_role_arn == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.existing_role_arn))
    error_message = "existing_role_arn must be the ARN of an IAM role."
  }
}

variable "max_session_seconds" {
  description = "Longest session of the role, in seconds."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.max_session_seconds >= 3600 && var.max_session_seconds <= 43200
    error_message = "max_session_seconds must be between 3600 and 43200 (the rule of IAM)."
  }
}
