# Warnings: allowed, but worth a second look by the reviewer.

check "addresses" {
  assert {
    condition     = !local.filters_addresses || length(var.cidr_entries) > 0
    error_message = "Allowlist ${var.name} has target aws_security_group and no address: its security group lets nothing out. Security groups cannot filter names."
  }
}

check "home_net" {
  assert {
    condition     = !local.filters_tls || length(var.home_net) > 0
    error_message = "Allowlist ${var.name} sets no home_net: Network Firewall then inspects only traffic from its own VPC, and traffic from everywhere else passes."
  }
}
