output "prefix_list_ids" {
  description = "FAMILY-PORT, for example ipv4-443 -> id of the prefix list. The keys are known at plan time."
  value       = { for key, list in aws_ec2_managed_prefix_list.addresses : key => list.id }
}

output "prefix_list_id" {
  description = "Id of the prefix list where there is exactly one, else null."
  value       = length(local.address_lists) == 1 ? one(values(aws_ec2_managed_prefix_list.addresses)[*].id) : null
}

output "security_group_id" {
  description = "Security group with egress to the addresses, or null."
  value       = one(aws_security_group.this[*].id)
}

output "rule_group_arns" {
  description = "Network Firewall rule groups, in order."
  value       = [for group in values(aws_networkfirewall_rule_group.domains) : group.arn]

  # An allowlist group ends in rules that drop the rest. In strict order the first group would drop what the second allows.
  precondition {
    condition     = var.rule_order != "STRICT_ORDER" || length(local.rule_groups) <= 1
    error_message = "In STRICT_ORDER the first rule group drops what later ones allow: raise domains_per_rule_group to at least ${length(var.domains)}."
  }

  precondition {
    condition     = !local.filters_tls || length(var.domains) > 0
    error_message = "Target aws_network_firewall needs domains: an empty list is no allowlist. Add a name or drop the target."
  }
}

output "domain_list_ids" {
  description = "DNS Firewall domain lists, in order."
  value       = [for list in values(aws_route53_resolver_firewall_domain_list.domains) : list.id]

  precondition {
    condition     = !local.filters_dns || length(var.dns_domains) > 0
    error_message = "Target aws_dns_firewall needs dns_domains: an empty list is no allowlist. Add a name or drop the target."
  }
}

output "rendered" {
  description = "File name -> where it is stored: name of the SSM parameter, or s3:// address."
  value = merge(
    { for file, parameter in aws_ssm_parameter.rendered : file => parameter.name },
    { for file, object in aws_s3_object.rendered : file => "s3://${object.bucket}/${object.key}" },
  )
}
