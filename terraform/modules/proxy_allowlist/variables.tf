variable "name" {
  description = "Name of the allowlist; prefix of everything that is made from it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]{0,53}$", var.name))
    error_message = "name must be 1 to 54 letters, digits or hyphens: Network Firewall and Route 53 take no other characters."
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
  description = "Entry of the spec that declares this, for example allowlists.datarobot-egress; becomes the tag `spec-entry`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z_]+\\.[A-Za-z0-9_.:/=+@-]{1,200}$", var.spec_entry))
    error_message = "spec_entry must be SECTION.NAME, for example allowlists.datarobot-egress."
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

variable "targets" {
  description = "What the allowlist is for: `aws_security_group`, `aws_network_firewall`, `aws_dns_firewall` make AWS resources; others, such as `squid`, only need the rendered files."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.targets) > 0 && alltrue([for target in var.targets : can(regex("^[a-z][a-z0-9_]*$", target))])
    error_message = "targets must name at least one target, in lower case, for example aws_security_group or squid."
  }
}

variable "cidr_entries" {
  description = "Addresses that may be reached, for target aws_security_group. Each network once, written canonically; the description says what and why."
  type = list(object({
    cidr        = string
    description = optional(string)
    ports       = optional(list(number), [443])
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for entry in var.cidr_entries : try(cidrsubnet(entry.cidr, 0, 0) == entry.cidr, false)])
    error_message = "Each cidr must be a network written canonically, for example 10.1.2.0/24 (not 10.1.2.3/24) or 2001:db8::/32."
  }

  validation {
    condition     = alltrue([for entry in var.cidr_entries : !endswith(entry.cidr, "/0")])
    error_message = "0.0.0.0/0 and ::/0 reach everything; that is no allowlist."
  }

  validation {
    condition     = length(distinct([for entry in var.cidr_entries : entry.cidr])) == length(var.cidr_entries)
    error_message = "The same cidr occurs twice in cidr_entries; give one entry all its ports."
  }

  validation {
    condition = alltrue(flatten([
      for entry in var.cidr_entries :
      concat([length(entry.ports) > 0], [for port in entry.ports : port >= 1 && port <= 65535 && floor(port) == port])
    ]))
    error_message = "Each entry of cidr_entries needs at least one port, each between 1 and 65535."
  }

  validation {
    condition     = alltrue([for entry in var.cidr_entries : entry.description == null ? true : length(entry.description) <= 255])
    error_message = "A description may have 255 characters."
  }
}

variable "vpc_id" {
  description = "VPC of the security group. Required for target aws_security_group."
  type        = string
  default     = null
}

variable "domains" {
  description = "Names for target aws_network_firewall, in its own form: `example.com` is that name only, `.example.com` is the name and everything below it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for domain in var.domains : can(regex("^\\.?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", domain))])
    error_message = "Each of domains must be example.com or .example.com, in lower case: no `*`, no address, no bare top-level domain."
  }

  validation {
    condition     = length(distinct(var.domains)) == length(var.domains)
    error_message = "The same name occurs twice in domains."
  }
}

variable "dns_domains" {
  description = "Names for target aws_dns_firewall, in its own form: `example.com` is that name only, `*.example.com` is everything below it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for domain in var.dns_domains : can(regex("^(\\*\\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", domain))])
    error_message = "Each of dns_domains must be example.com or *.example.com, in lower case: `*` only as the first label, no address, no bare top-level domain."
  }

  validation {
    condition     = length(distinct(var.dns_domains)) == length(var.dns_domains)
    error_message = "The same name occurs twice in dns_domains."
  }
}

variable "home_net" {
  description = "Networks whose traffic Network Firewall inspects (HOME_NET). Without it only traffic from the firewall's own VPC is seen, and everybody else passes."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.home_net : can(cidrhost(cidr, 0))])
    error_message = "home_net must be networks such as 10.0.0.0/8."
  }
}

variable "domains_per_rule_group" {
  description = "Names per Network Firewall rule group. It fixes the capacity, which AWS cannot change afterwards: another value replaces the groups."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.domains_per_rule_group >= 1 && var.domains_per_rule_group <= 14000 && floor(var.domains_per_rule_group) == var.domains_per_rule_group
    error_message = "domains_per_rule_group must be between 1 and 14000: two rules a name, at most 30000 in a group."
  }
}

variable "rule_order" {
  description = "Rule order of the firewall policy that will hold the rule groups: DEFAULT_ACTION_ORDER or STRICT_ORDER."
  type        = string
  default     = "DEFAULT_ACTION_ORDER"
  nullable    = false

  validation {
    condition     = contains(["DEFAULT_ACTION_ORDER", "STRICT_ORDER"], var.rule_order)
    error_message = "rule_order must be DEFAULT_ACTION_ORDER or STRICT_ORDER."
  }
}

variable "rendered" {
  description = "File name -> rendered content for proxies, for example squid.conf; stored as SSM parameters, or as S3 objects where rendered_bucket is given. Shown in the plan, so no secrets."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for file in keys(var.rendered) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", file))])
    error_message = "The keys of rendered are file names: letters, digits, . _ -."
  }

  validation {
    condition     = alltrue([for content in values(var.rendered) : length(content) > 0])
    error_message = "A rendered file is empty; an empty proxy file often means that everything is allowed."
  }
}

variable "rendered_bucket" {
  description = "S3 bucket for the rendered files, or null for SSM parameters (which hold at most 8192 bytes each)."
  type        = string
  default     = null

  validation {
    condition     = var.rendered_bucket == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.rendered_bucket))
    error_message = "rendered_bucket must be the name of an S3 bucket."
  }
}
