# One list, many targets. Addresses become prefix lists and a security group, names become a Network Firewall rule group
# and a DNS Firewall domain list, everything else is a rendered file (files.tf). Names and addresses arrive in the form
# of their target: copying strings from one target to another silently widens or narrows access.

locals {
  tags = merge(var.tags, {
    environment  = var.environment
    owner        = var.owner
    "spec-entry" = var.spec_entry
    "managed-by" = "lifecycle"
  })

  filters_addresses = contains(var.targets, "aws_security_group")
  filters_tls       = contains(var.targets, "aws_network_firewall")
  filters_dns       = contains(var.targets, "aws_dns_firewall")

  # A prefix list has one address family and a security group rule gives it one port, so there is one list for each
  # family and port in use. One list with the union of the ports would open every address on every port.
  families = {
    ipv4 = [for entry in var.cidr_entries : entry if !strcontains(entry.cidr, ":")]
    ipv6 = [for entry in var.cidr_entries : entry if strcontains(entry.cidr, ":")]
  }
  address_lists = merge([
    for family, entries in local.families : {
      for port in distinct(flatten(entries[*].ports)) : "${family}-${port}" => {
        family  = family == "ipv4" ? "IPv4" : "IPv6"
        port    = port
        entries = [for entry in entries : entry if contains(entry.ports, port)]
      }
    } if local.filters_addresses
  ]...)

  # The capacity of a rule group cannot be changed once it exists, and a group in use cannot be replaced. So it follows
  # from the size of a chunk, never from the number of names: one rule a name and protocol, two that drop the rest.
  rule_group_capacity = 2 * var.domains_per_rule_group + 2
  rule_groups = local.filters_tls ? {
    for index, names in chunklist(sort(var.domains), var.domains_per_rule_group) : tostring(index + 1) => names
  } : {}

  # Route 53 takes at most 1000 names in one call.
  domain_lists = local.filters_dns ? {
    for index, names in chunklist(sort(var.dns_domains), 1000) : tostring(index + 1) => names
  } : {}
}

resource "aws_ec2_managed_prefix_list" "addresses" {
  for_each = local.address_lists

  name           = "${var.name}-${each.key}"
  address_family = each.value.family
  # Head room up to the next multiple of ten: AWS refuses to change size and entries in one call, and a rule counts the
  # size, not the entries, against the quota of its security group (60 by default). So: rarely resized, never much bigger.
  max_entries = 10 * ceil((length(each.value.entries) + 1) / 10)
  tags        = merge(local.tags, { Name = "${var.name}-${each.key}" })

  # Inline, not aws_ec2_managed_prefix_list_entry: one resource for the whole list, one version of it for each change.
  dynamic "entry" {
    for_each = each.value.entries
    content {
      cidr        = entry.value.cidr
      description = entry.value.description
    }
  }
}

resource "aws_security_group" "this" {
  count = local.filters_addresses ? 1 : 0

  name        = "${var.name}-allowlist"
  description = "Egress to allowlist ${var.name}, nothing else"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-allowlist" })

  lifecycle {
    precondition {
      condition     = var.vpc_id != null
      error_message = "Target aws_security_group needs vpc_id."
    }
  }
}

resource "aws_vpc_security_group_egress_rule" "addresses" {
  for_each = local.address_lists

  # No description: each entry of the prefix list has its own.
  security_group_id = aws_security_group.this[0].id
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  prefix_list_id    = aws_ec2_managed_prefix_list.addresses[each.key].id
  tags              = merge(local.tags, { Name = "${var.name}-allowlist-${each.key}" })
}

resource "aws_networkfirewall_rule_group" "domains" {
  for_each = local.rule_groups

  name        = "${var.name}-domains-${each.key}"
  description = "Allowlist ${var.name}"
  type        = "STATEFUL"
  capacity    = local.rule_group_capacity
  tags        = local.tags

  rule_group {
    stateful_rule_options {
      rule_order = var.rule_order
    }

    dynamic "rule_variables" {
      for_each = length(var.home_net) > 0 ? [sort(var.home_net)] : []
      content {
        ip_sets {
          key = "HOME_NET"
          ip_set {
            definition = rule_variables.value
          }
        }
      }
    }

    rules_source {
      rules_source_list {
        generated_rules_type = "ALLOWLIST"
        # Both protocols: a group for TLS alone would leave plain HTTP to any host to the policy's default action.
        target_types = ["HTTP_HOST", "TLS_SNI"]
        targets      = each.value
      }
    }
  }
}

resource "aws_route53_resolver_firewall_domain_list" "domains" {
  for_each = local.domain_lists

  name    = "${var.name}-${each.key}"
  domains = each.value
  tags    = local.tags
}
