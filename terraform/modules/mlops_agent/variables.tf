variable "name" {
  description = "Name of the ECS service, task family, log group and role prefix; put the environment into it where one account holds several."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,53}$", var.name))
    error_message = "name must be 1 to 54 letters, digits, _ or -: the role `NAME-execution` may have 64."
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
  description = "Entry of the spec that declares this, for example agents.eu-central-1a; becomes the tag `spec-entry`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_]+\\.[A-Za-z0-9_.:/=+@-]{1,200}$", var.spec_entry))
    error_message = "spec_entry must be SECTION.NAME, for example agents.eu-central-1a."
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

variable "cluster" {
  description = "Name or ARN of the ECS cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(arn:[^:]+:ecs:[^:]+:[0-9]{12}:cluster/)?[A-Za-z0-9_-]{1,255}$", var.cluster))
    error_message = "cluster must be the name or the ARN of an ECS cluster."
  }
}

variable "cpu" {
  description = "CPU units of the Fargate task; 1024 is one vCPU."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048, 4096, 8192 or 16384 (the sizes of Fargate)."
  }
}

variable "memory" {
  description = "Memory of the Fargate task in MiB; which values are possible depends on cpu."
  type        = number
  default     = 512
  nullable    = false
}

variable "image" {
  description = "Container image of the agent, with a tag or a digest."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must end in a tag other than latest or in @sha256:DIGEST: what runs must be what was reviewed."
  }
}

variable "registry_credentials_arn" {
  description = "Secrets Manager secret with the login of a private registry that is not ECR, or null."
  type        = string
  default     = null

  validation {
    condition     = var.registry_credentials_arn == null ? true : can(regex("^arn:[^:]+:secretsmanager:", var.registry_credentials_arn))
    error_message = "registry_credentials_arn must be the ARN of a Secrets Manager secret."
  }
}

variable "cpu_architecture" {
  description = "X86_64 or ARM64."
  type        = string
  default     = "X86_64"
  nullable    = false

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "task_role_arn" {
  description = "Role that the agent runs as: output `arn` of the service_account module. It may read the spool queue through the queue's own policy."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]{12}:role/.+$", var.task_role_arn))
    error_message = "task_role_arn must be the ARN of an IAM role."
  }
}

variable "permissions_boundary" {
  description = "ARN of the managed policy that bounds the execution role, or null."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[^:]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a managed policy."
  }
}

variable "vpc_id" {
  description = "VPC of the agent."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets of the agent; private ones, as it gets no public address."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must name at least one subnet."
  }
}

variable "egress" {
  description = <<-EOT
    What the agent may reach: one security group rule per entry and port; nothing else is open. The key is a label that
    must be known at plan time. Each entry has exactly one destination: `prefix_list_id` (from the proxy_allowlist
    module), `cidr` or `security_group_id` (a proxy, VPC endpoints). `any_address_reason` is required with 0.0.0.0/0 or
    ::/0, for example because names are filtered by Network Firewall; it becomes the description of the rule. A prefix
    list needs no description, it has one for each of its entries.
  EOT
  type = map(object({
    prefix_list_id     = optional(string)
    cidr               = optional(string)
    security_group_id  = optional(string)
    ports              = optional(list(number), [443])
    description        = optional(string)
    any_address_reason = optional(string)
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([
      for rule in values(var.egress) :
      length([for given in [rule.prefix_list_id, rule.cidr, rule.security_group_id] : true if given != null]) == 1
    ])
    error_message = "Each entry of egress needs exactly one of prefix_list_id, cidr and security_group_id."
  }

  validation {
    condition     = alltrue([for rule in values(var.egress) : rule.cidr == null ? true : can(cidrhost(rule.cidr, 0))])
    error_message = "Each cidr in egress must be a network such as 10.0.0.0/16."
  }

  validation {
    condition = alltrue([
      for rule in values(var.egress) :
      try(endswith(rule.cidr, "/0"), false) ? try(length(trimspace(rule.any_address_reason)) > 0, false) : true
    ])
    error_message = "An egress entry that reaches every address needs any_address_reason, for example which firewall filters it."
  }

  validation {
    condition = alltrue(flatten([
      for rule in values(var.egress) :
      concat([length(rule.ports) > 0], [for port in rule.ports : port >= 1 && port <= 65535 && floor(port) == port])
    ]))
    error_message = "Each entry of egress needs at least one port, each between 1 and 65535."
  }

  validation {
    condition = alltrue([
      for rule in values(var.egress) :
      can(regex("^[A-Za-z0-9 ._:/()#,@\\[\\]+=&;{}!$*-]{0,255}$", coalesce(rule.any_address_reason, rule.description, "-")))
    ])
    error_message = "A description in egress may have 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$* (the rule of EC2)."
  }
}

variable "spooler" {
  description = <<-EOT
    Where predictions wait for the agent.
    - `type = "sqs"`: the module makes the queue `queue_name`; `producer_role_arns` may send to it.
    - `type = "filesystem"`: `directory` in the container, on the EFS file system where `efs_file_system_id` (and
      `efs_access_point_id`) is given, else on the task's own disk, which is lost with the task.
  EOT
  type = object({
    type                = string
    queue_name          = optional(string)
    producer_role_arns  = optional(list(string), [])
    directory           = optional(string, "/var/spool/mlops")
    efs_file_system_id  = optional(string)
    efs_access_point_id = optional(string)
  })
  nullable = false

  validation {
    condition     = contains(["sqs", "filesystem"], var.spooler.type)
    error_message = "spooler.type must be sqs or filesystem."
  }

  validation {
    condition     = var.spooler.type == "sqs" ? can(regex("^[A-Za-z0-9_-]{1,80}$", var.spooler.queue_name)) : var.spooler.queue_name == null && length(var.spooler.producer_role_arns) == 0
    error_message = "spooler.queue_name (1 to 80 letters, digits, _ or -) is required for sqs; queue_name and producer_role_arns are refused for filesystem."
  }

  validation {
    condition     = can(regex("^/[A-Za-z0-9_./-]+$", var.spooler.directory))
    error_message = "spooler.directory must be an absolute path."
  }

  validation {
    condition     = var.spooler.efs_access_point_id == null || var.spooler.efs_file_system_id != null
    error_message = "spooler.efs_access_point_id goes with efs_file_system_id."
  }
}

variable "agent_config" {
  description = "Rendered mlops.agent.conf.yaml. It is stored in clear and shown in the plan, so it holds no secret: the token arrives through secret_arns."
  type        = string
  nullable    = false

  validation {
    condition     = length(trimspace(var.agent_config)) > 0
    error_message = "agent_config must not be empty."
  }

  validation {
    # base64 counts bytes, length() counts characters; the limit of a parameter of the advanced tier is 8192 bytes.
    condition     = length(base64encode(var.agent_config)) <= 10924
    error_message = "agent_config must not exceed 8192 bytes, the limit of an SSM parameter."
  }

  validation {
    condition     = !can(regex("(?im)^\\s*['\"]?(api_?token|token|password|secret|api_?key)['\"]?\\s*:\\s*['\"]?[^\\s'\"$<{#]", var.agent_config))
    error_message = "agent_config holds a value for a token, password or key. Leave it out and pass the secret by reference in secret_arns."
  }
}

variable "config_writer_image" {
  description = "Image with /bin/sh and printf that writes the configuration file before the agent starts; null takes the agent's own image."
  type        = string
  default     = null
}

variable "environment_variables" {
  description = "Further environment variables of the agent, for example MLOPS_AGENT_JVM_OPT with the flags of a proxy. No secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.environment_variables) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key)) && !can(regex("(?i)(token|secret|passw|private_key|api_key|credential)", key))])
    error_message = "environment_variables takes plain settings only; a token, password or key goes into secret_arns, by reference."
  }
}

variable "secret_arns" {
  description = "Environment variable -> where ECS reads it: ARN of a Secrets Manager secret (`:json-key:version-stage:version-id` may follow) or of an SSM parameter. Values never pass through Terraform."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.secret_arns) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", key))])
    error_message = "The keys of secret_arns are names of environment variables."
  }

  validation {
    condition     = alltrue([for arn in values(var.secret_arns) : can(regex("^arn:[^:]+:(secretsmanager:[^:]+:[0-9]{12}:secret:[^:]+(:[^:]*:[^:]*:[^:]*)?|ssm:[^:]+:[0-9]{12}:parameter/.+)$", arn))])
    error_message = "Each value of secret_arns must be the ARN of a Secrets Manager secret or of an SSM parameter, never a value."
  }
}

variable "secret_policy_arns" {
  description = "Resources for the execution role's permission to read the secrets; empty derives them from secret_arns. Output `policy_arn` of credential_shell is known at plan time already, so reviewers and rules see the whole policy before the first apply."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_policy_arns : can(regex("^arn:[^:]+:(secretsmanager:[^:]+:[0-9]{12}:secret:[^*]+|ssm:[^:]+:[0-9]{12}:parameter/[^*]+)$", arn))])
    error_message = "secret_policy_arns must name single secrets or parameters; `?` stands for AWS's random suffix, `*` is refused."
  }
}

variable "secret_kms_key_arns" {
  description = "Customer-managed KMS keys with which the secrets are encrypted; the execution role may decrypt with them through Secrets Manager only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_kms_key_arns : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", arn))])
    error_message = "secret_kms_key_arns must be ARNs of keys (key/…), not aliases: IAM does not match aliases."
  }
}

variable "kms_key_arn" {
  description = "Customer-managed KMS key for the log group and the spool queue, or null for the keys of the services."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (key/…)."
  }
}

variable "log_retention_days" {
  description = "How long the agent's log is kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a value that CloudWatch Logs knows, for example 30, 90, 365 or 731."
  }
}

variable "spool_age_alarm_seconds" {
  description = "Age of the oldest waiting record at which the alarm fires."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.spool_age_alarm_seconds >= 60 && var.spool_age_alarm_seconds < 1209600
    error_message = "spool_age_alarm_seconds must be between 60 and 1209600 (the retention of the queue)."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that the alarm notifies when it fires and when it clears."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "health_check_command" {
  description = "Command whose exit code tells ECS whether the agent lives, for example [\"CMD-SHELL\", \"…\"]; null leaves it to the process itself."
  type        = list(string)
  default     = null
}

variable "desired_count" {
  description = "Number of tasks at creation. 0 until rotation has issued the first token and scales the service; later changes are ignored here."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.desired_count >= 0 && floor(var.desired_count) == var.desired_count
    error_message = "desired_count must be a whole number, 0 or more."
  }
}
