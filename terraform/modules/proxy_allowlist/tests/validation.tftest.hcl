# What the module refuses, and what it makes for each target. Planned with a mocked provider: no account, no network.

mock_provider "aws" {}

variables {
  name        = "datarobot-egress"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "allowlists.datarobot-egress"
  targets     = ["squid"]
}

run "a_file_target_makes_nothing_but_its_file" {
  command = plan

  variables {
    rendered     = { "squid.conf" = "acl datarobot dstdomain .datarobot.com" }
    cidr_entries = [{ cidr = "10.0.0.0/24" }]
    domains      = [".datarobot.com"]
    dns_domains  = ["datarobot.com"]
  }

  assert {
    condition     = length(aws_ec2_managed_prefix_list.addresses) + length(aws_security_group.this) + length(aws_networkfirewall_rule_group.domains) + length(aws_route53_resolver_firewall_domain_list.domains) == 0
    error_message = "Something was made for a target that was not asked for."
  }
  assert {
    condition     = aws_ssm_parameter.rendered["squid.conf"].tier == "Standard" && output.rendered["squid.conf"] == "/lifecycle/test/allowlists/datarobot-egress/squid.conf"
    error_message = "The rendered file is wrong."
  }
}

run "ports_are_kept_apart" {
  command = plan

  variables {
    targets = ["aws_security_group"]
    vpc_id  = "vpc-1"
    cidr_entries = [
      { cidr = "10.0.0.0/24", ports = [443, 5432] },
      { cidr = "10.0.1.0/24" },
      { cidr = "2001:db8::/32" },
    ]
  }

  assert {
    condition = { for key, list in aws_ec2_managed_prefix_list.addresses : key => join(" ", sort([for entry in list.entry : entry.cidr])) } == {
      "ipv4-443"  = "10.0.0.0/24 10.0.1.0/24"
      "ipv4-5432" = "10.0.0.0/24"
      "ipv6-443"  = "2001:db8::/32"
    }
    error_message = "An address was opened on a port that it was not listed for."
  }
  assert {
    condition     = alltrue([for key, rule in aws_vpc_security_group_egress_rule.addresses : endswith(key, "-${rule.from_port}") && rule.from_port == rule.to_port])
    error_message = "A rule opens another port than that of its list."
  }
}

run "a_full_prefix_list_still_has_head_room" {
  command = plan

  variables {
    targets      = ["aws_security_group"]
    vpc_id       = "vpc-1"
    cidr_entries = [for index in range(10) : { cidr = "10.0.${index}.0/24" }]
  }

  assert {
    condition     = aws_ec2_managed_prefix_list.addresses["ipv4-443"].max_entries == 20
    error_message = "Ten entries need room for an eleventh."
  }
}

run "bytes_decide_on_the_tier_not_characters" {
  command = plan

  variables {
    rendered = { "squid.conf" = replace(format("%1366s", ""), " ", "€") } # 1366 characters, 4098 bytes
  }

  assert {
    condition     = aws_ssm_parameter.rendered["squid.conf"].tier == "Advanced"
    error_message = "4098 bytes do not fit into the standard tier."
  }
}

run "a_file_too_large_for_a_parameter_needs_a_bucket" {
  command = plan
  variables {
    rendered = { "squid.conf" = format("%8193s", "x") }
  }
  expect_failures = [aws_ssm_parameter.rendered["squid.conf"]]
}

run "a_bucket_takes_files_of_any_size" {
  command = plan

  variables {
    rendered        = { "squid.conf" = format("%8193s", "x") }
    rendered_bucket = "acme-rendered"
  }

  assert {
    condition     = aws_s3_object.rendered["squid.conf"].key == "test/allowlists/datarobot-egress/squid.conf" && length(aws_ssm_parameter.rendered) == 0
    error_message = "The file must be an S3 object."
  }
}

run "empty_domain_list_is_refused_for_network_firewall" {
  command = plan
  variables {
    targets  = ["aws_network_firewall"]
    home_net = ["10.0.0.0/8"]
  }
  expect_failures = [output.rule_group_arns]
}

run "empty_domain_list_is_refused_for_dns_firewall" {
  command = plan
  variables {
    targets = ["aws_dns_firewall"]
  }
  expect_failures = [output.domain_list_ids]
}

run "missing_home_net_is_a_warning" {
  command = plan
  variables {
    targets = ["aws_network_firewall"]
    domains = [".datarobot.com"]
  }
  expect_failures = [check.home_net]
}

run "security_group_without_addresses_is_a_warning" {
  command = plan
  variables {
    targets = ["aws_security_group"]
    vpc_id  = "vpc-1"
  }
  expect_failures = [check.addresses]
}

run "security_group_without_vpc_is_refused" {
  command = plan
  variables {
    targets      = ["aws_security_group"]
    cidr_entries = [{ cidr = "10.0.0.0/24" }]
  }
  expect_failures = [aws_security_group.this]
}

run "everywhere_is_no_allowlist" {
  command = plan
  variables {
    cidr_entries = [{ cidr = "0.0.0.0/0" }]
  }
  expect_failures = [var.cidr_entries]
}

run "network_with_host_bits_is_refused" {
  command = plan
  variables {
    cidr_entries = [{ cidr = "10.0.0.5/24" }]
  }
  expect_failures = [var.cidr_entries]
}

run "wildcard_of_another_target_is_refused_for_network_firewall" {
  command = plan
  variables {
    domains = ["*.datarobot.com"]
  }
  expect_failures = [var.domains]
}

run "top_level_domain_is_refused" {
  command = plan
  variables {
    domains = [".com"]
  }
  expect_failures = [var.domains]
}

run "address_is_no_domain" {
  command = plan
  variables {
    dns_domains = ["10.0.0.1"]
  }
  expect_failures = [var.dns_domains]
}

run "leading_dot_of_another_target_is_refused_for_dns_firewall" {
  command = plan
  variables {
    dns_domains = [".datarobot.com"]
  }
  expect_failures = [var.dns_domains]
}

run "empty_rendered_file_is_refused" {
  command = plan
  variables {
    rendered = { "squid.conf" = "" }
  }
  expect_failures = [var.rendered]
}
