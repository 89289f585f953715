# What the module refuses, and who may read. Planned with a mocked provider: no account, no network.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  # OpenTofu makes up mocked values at plan time already, and the provider checks the form of an ARN.
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mocked-AbCdEf" }
  }
}

variables {
  name            = "datarobot-agent-key"
  environment     = "test"
  owner           = "ml-platform"
  spec_entry      = "credentials.datarobot-agent-key"
  secret_name     = "datarobot/test/datarobot-agent-key"
  rotation_period = "30d"
  reason          = "PCI DSS 8.6.3, risk analysis (RA-17)"
}

run "tags_tell_owner_period_and_reason" {
  command = plan

  assert {
    condition = aws_secretsmanager_secret.this.tags == tomap({
      environment       = "test"
      owner             = "ml-platform"
      "spec-entry"      = "credentials.datarobot-agent-key"
      "managed-by"      = "lifecycle"
      credential        = "datarobot-agent-key"
      "rotation-period" = "30d"
      reason            = "PCI DSS 8.6.3_ risk analysis _RA-17_"
    })
    error_message = "A tag is missing, or holds characters that AWS refuses."
  }
  assert {
    condition     = length(aws_secretsmanager_secret_policy.this) == 0
    error_message = "Without readers and rotator there is no resource policy."
  }
  assert {
    condition     = output.policy_arn == "arn:aws:secretsmanager:eu-west-1:123456789012:secret:datarobot/test/datarobot-agent-key-??????"
    error_message = "policy_arn is wrong."
  }
}

run "only_readers_and_rotator_read" {
  command = plan

  variables {
    resource_policy_readers = ["arn:aws:iam::123456789012:role/agent-execution"]
    rotator_role_arn        = "arn:aws:iam::123456789012:role/rotator"
  }

  assert {
    condition = { for statement in jsondecode(aws_secretsmanager_secret_policy.this[0].policy).Statement : statement.Sid => statement.Condition.ArnNotEquals["aws:PrincipalArn"] } == {
      OnlyReaders = ["arn:aws:iam::123456789012:role/agent-execution", "arn:aws:iam::123456789012:role/rotator"]
      OnlyRotator = ["arn:aws:iam::123456789012:role/rotator"]
    }
    error_message = "The resource policy lets the wrong ones read or write."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_secretsmanager_secret_policy.this[0].policy).Statement : statement.Effect == "Deny"])
    error_message = "The resource policy must only narrow, never grant."
  }
}

run "a_rotator_alone_locks_writing_and_not_reading" {
  command = plan

  variables {
    rotator_role_arn = "arn:aws:iam::123456789012:role/rotator"
  }

  assert {
    condition     = jsondecode(aws_secretsmanager_secret_policy.this[0].policy).Statement[*].Sid == ["OnlyRotator"]
    error_message = "Without readers nobody may be denied reading: consumers would break."
  }
}

run "wildcard_reader_is_refused" {
  command = plan
  variables {
    resource_policy_readers = ["arn:aws:iam::123456789012:role/*"]
  }
  expect_failures = [var.resource_policy_readers]
}

run "recovery_window_of_three_days_is_refused" {
  command = plan
  variables {
    recovery_window_days = 3
  }
  expect_failures = [var.recovery_window_days]
}

run "empty_reason_is_refused" {
  command = plan
  variables {
    reason = " "
  }
  expect_failures = [var.reason]
}

run "period_without_unit_is_refused" {
  command = plan
  variables {
    rotation_period = "30"
  }
  expect_failures = [var.rotation_period]
}
