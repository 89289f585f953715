variable "name" {
  description = "Name of the credential in the spec; becomes the tag `credential`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", var.name))
    error_message = "name must be 1 to 128 letters, digits, _ . or -, starting with a letter or digit."
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
  description = "Entry of the spec that declares this, for example credentials.datarobot-agent-key; becomes the tag `spec-entry`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_]+\\.[A-Za-z0-9_.:/=+@-]{1,200}$", var.spec_entry))
    error_message = "spec_entry must be SECTION.NAME, for example credentials.datarobot-agent-key."
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

variable "secret_name" {
  description = "Name of the Secrets Manager secret, with its prefix, for example datarobot/prod/datarobot-agent-key."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,500}$", var.secret_name))
    error_message = "secret_name must be 1 to 500 of the characters A-Z a-z 0-9 / _ + = . @ -."
  }
}

variable "description" {
  description = "What the credential is for."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = length(var.description) <= 2048
    error_message = "description may have 2048 characters."
  }
}

variable "kms_key_id" {
  description = "KMS key (id, ARN or alias) that encrypts the values, or null for the key of Secrets Manager, with which other accounts cannot read."
  type        = string
  default     = null
}

variable "recovery_window_days" {
  description = "How long a removed secret can be restored. 0 deletes at once, for throw-away environments only."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or between 7 and 30 (the rule of Secrets Manager)."
  }
}

variable "resource_policy_readers" {
  description = "Roles and users that may read the value. When given, everybody else but rotator_role_arn is denied, administrators of the account included; empty leaves it to IAM."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.resource_policy_readers : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))])
    error_message = "resource_policy_readers must be ARNs of IAM roles or users, without wildcards."
  }
}

variable "rotator_role_arn" {
  description = "Role that rotates the credential. When given, it alone may write values and move stages."
  type        = string
  default     = null

  validation {
    condition     = var.rotator_role_arn == null ? true : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/[^*?]+$", var.rotator_role_arn))
    error_message = "rotator_role_arn must be the ARN of an IAM role or user, without wildcards."
  }
}

variable "rotation_period" {
  description = "Rotation period as in the spec, for example 30d; becomes the tag `rotation-period`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([1-9][0-9]*(s|m|h|d|w|mo|y))+$", var.rotation_period))
    error_message = "rotation_period must be numbers with units s, m, h, d, w, mo or y, for example 30d."
  }
}

variable "reason" {
  description = "Why this period; becomes the tag `reason`, where characters that AWS refuses become `_` and 256 are kept."
  type        = string
  nullable    = false

  validation {
    condition     = length(trimspace(var.reason)) > 0
    error_message = "reason must say why this period was chosen."
  }
}
