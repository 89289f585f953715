# Network Firewall and Route 53 DNS Firewall: planned only, as moto has neither.

variable "rule_order" {
  type    = string
  default = "DEFAULT_ACTION_ORDER"
}

module "allowlist_names" {
  source                 = "../modules/proxy_allowlist"
  name                   = "names"
  environment            = "test"
  owner                  = "ml-platform"
  spec_entry             = "allowlists.names"
  targets                = ["aws_network_firewall", "aws_dns_firewall"]
  domains                = [".datarobot.com", "acme.eu-central-1.snowflakecomputing.com", "login.acme.example"]
  dns_domains            = ["datarobot.com", "*.datarobot.com"]
  home_net               = ["10.20.0.0/16", "10.30.0.0/16"]
  domains_per_rule_group = 2
  rule_order             = var.rule_order
}
