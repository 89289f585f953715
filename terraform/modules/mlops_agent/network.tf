# Egress is the allowlist. There is no ingress, and no rule without a destination. DNS to the VPC's own resolver and the
# task metadata are not subject to security groups; endpoints of AWS services are, so they belong in egress.

locals {
  egress_rules = merge([
    for label, rule in var.egress : { for port in rule.ports : "${label}-${port}" => merge(rule, { label = label, port = port }) }
  ]...)
}

resource "aws_security_group" "this" {
  name        = "${var.name}-agent"
  description = "MLOps agent ${var.name}"
  vpc_id      = var.vpc_id
  tags        = merge(local.tags, { Name = "${var.name}-agent" })
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.egress_rules

  # A prefix list describes each of its entries itself.
  security_group_id            = aws_security_group.this.id
  description                  = each.value.prefix_list_id != null ? null : coalesce(each.value.any_address_reason, each.value.description, each.value.label)
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  prefix_list_id               = each.value.prefix_list_id
  cidr_ipv4                    = each.value.cidr != null && !strcontains(coalesce(each.value.cidr, "-"), ":") ? each.value.cidr : null
  cidr_ipv6                    = each.value.cidr != null && strcontains(coalesce(each.value.cidr, "-"), ":") ? each.value.cidr : null
  referenced_security_group_id = each.value.security_group_id
  tags                         = merge(local.tags, { Name = "${var.name}-agent-${each.key}" })
}

check "egress" {
  assert {
    condition     = length(var.egress) > 0
    error_message = "Agent ${var.name} has no egress: it can reach neither DataRobot nor its image, log and secrets."
  }
}
