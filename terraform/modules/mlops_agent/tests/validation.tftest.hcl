# What the module refuses, and what the task definition and the policies say. Planned with a mocked provider.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  # OpenTofu makes up mocked values at plan time already, and the provider checks the form of an ARN.
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mocked:1" }
  }
}

variables {
  name          = "eu-central-1a"
  environment   = "test"
  owner         = "ml-platform"
  spec_entry    = "agents.eu-central-1a"
  cluster       = "mlops"
  image         = "registry.acme.example/mlops-agent:11.2"
  task_role_arn = "arn:aws:iam::123456789012:role/scoring-pipeline"
  vpc_id        = "vpc-1"
  subnet_ids    = ["subnet-1"]
  egress        = { proxy = { cidr = "10.20.9.0/28", ports = [3128] } }
  spooler       = { type = "sqs", queue_name = "mlops-spool" }
  agent_config  = "mlopsUrl: \"https://app.datarobot.com\"\n"
  secret_arns   = { MLOPS_API_TOKEN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:agent-key-AbCdEf:token::" }
}

run "service_starts_empty_private_and_guarded" {
  command = plan

  assert {
    condition     = aws_ecs_service.this.desired_count == 0
    error_message = "No task may start before the first issuance."
  }
  assert {
    condition     = !aws_ecs_service.this.network_configuration[0].assign_public_ip && aws_ecs_service.this.deployment_circuit_breaker[0].enable
    error_message = "The service must be private and have a circuit breaker."
  }
  assert {
    condition     = [for rule in values(aws_vpc_security_group_egress_rule.this) : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"] == ["10.20.9.0/28 3128-3128"]
    error_message = "Egress must be the allowlist and nothing else."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.spool_age[0].metric_name == "ApproximateAgeOfOldestMessage" && aws_cloudwatch_metric_alarm.spool_age[0].dimensions.QueueName == "mlops-spool"
    error_message = "The alarm must watch the age of the spool."
  }
}

run "token_and_configuration_arrive_by_reference" {
  command = plan

  assert {
    condition     = local.agent.secrets == [{ name = "MLOPS_API_TOKEN", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:agent-key-AbCdEf:token::" }]
    error_message = "The token must be a reference."
  }
  assert {
    condition     = local.config_writer.secrets[0].valueFrom == "arn:aws:ssm:eu-central-1:123456789012:parameter/lifecycle/test/agents/eu-central-1a/config"
    error_message = "The configuration must be a reference."
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Sid => statement.Resource } == {
      WriteLog          = ["arn:aws:logs:eu-central-1:123456789012:log-group:/lifecycle/test/agents/eu-central-1a:log-stream:*"]
      ReadConfiguration = ["arn:aws:ssm:eu-central-1:123456789012:parameter/lifecycle/test/agents/eu-central-1a/config"]
      ReadSecrets       = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:agent-key-AbCdEf"]
    }
    error_message = "The execution role has other rights than it needs."
  }
}

run "image_in_ecr_adds_the_right_to_pull_it" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/mlops-agent:11.2"
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if statement.Sid == "PullImage"] == [["arn:aws:ecr:eu-central-1:123456789012:repository/team/mlops-agent"]]
    error_message = "The execution role must be able to pull this image, and no other."
  }
}

run "customer_managed_keys_are_used_through_the_stores_only" {
  command = plan

  variables {
    secret_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/1234"]
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : keys(statement.Condition.StringLike) if statement.Sid == "DecryptSecrets"] == [["kms:ViaService"]]
    error_message = "Decryption must be bound to the stores."
  }
}

run "filesystem_spool_has_no_queue_and_no_overlap" {
  command = plan

  variables {
    spooler = { type = "filesystem" }
  }

  assert {
    condition     = length(aws_sqs_queue.spool) + length(aws_cloudwatch_metric_alarm.spool_age) == 0 && aws_ecs_service.this.deployment_maximum_percent == 100
    error_message = "Two agents must not share a directory."
  }
}

run "bad_pair_of_cpu_and_memory_is_refused" {
  command = plan
  variables {
    cpu    = 256
    memory = 4096
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "memory_between_two_steps_is_refused" {
  command = plan
  variables {
    cpu    = 8192
    memory = 18432
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "largest_pair_is_accepted" {
  command = plan
  variables {
    cpu    = 16384
    memory = 122880
  }
}

run "latest_image_is_refused" {
  command = plan
  variables {
    image = "registry.acme.example:5000/mlops-agent:latest"
  }
  expect_failures = [var.image]
}

run "image_without_tag_is_refused" {
  command = plan
  variables {
    image = "registry.acme.example:5000/mlops-agent"
  }
  expect_failures = [var.image]
}

run "token_in_the_configuration_is_refused" {
  command = plan
  variables {
    agent_config = "mlopsUrl: \"https://app.datarobot.com\"\napiToken: \"abcdef\"\n"
  }
  expect_failures = [var.agent_config]
}

run "empty_token_in_the_configuration_is_accepted" {
  command = plan
  variables {
    agent_config = "mlopsUrl: \"https://app.datarobot.com\"\napiToken: \"\"\nhttpTimeout: 30000\n"
  }
}

run "secret_in_a_plain_variable_is_refused" {
  command = plan
  variables {
    environment_variables = { MLOPS_API_TOKEN = "abcdef" }
  }
  expect_failures = [var.environment_variables]
}

run "value_instead_of_a_reference_is_refused" {
  command = plan
  variables {
    secret_arns = { MLOPS_API_TOKEN = "abcdef" }
  }
  expect_failures = [var.secret_arns]
}

run "egress_to_everywhere_needs_a_reason" {
  command = plan
  variables {
    egress = { all = { cidr = "0.0.0.0/0" } }
  }
  expect_failures = [var.egress]
}

run "egress_to_everywhere_carries_its_reason" {
  command = plan

  variables {
    egress = { all = { cidr = "0.0.0.0/0", any_address_reason = "names are filtered by Network Firewall" } }
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.this["all-443"].description == "names are filtered by Network Firewall"
    error_message = "The reason must be on the rule."
  }
}

run "two_destinations_in_one_entry_are_refused" {
  command = plan
  variables {
    egress = { both = { cidr = "10.0.0.0/8", prefix_list_id = "pl-1" } }
  }
  expect_failures = [var.egress]
}

run "agent_without_egress_is_a_warning" {
  command = plan
  variables {
    egress = {}
  }
  expect_failures = [check.egress]
}

run "queue_without_a_name_is_refused" {
  command = plan
  variables {
    spooler = { type = "sqs" }
  }
  expect_failures = [var.spooler]
}
