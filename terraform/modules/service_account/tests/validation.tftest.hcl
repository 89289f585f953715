# What the module refuses, and what its documents say. Planned with a mocked provider: no account, no network.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name        = "scoring-pipeline"
  environment = "test"
  owner       = "ml-platform"
  spec_entry  = "service_accounts.scoring-pipeline"
  kind        = "role"
  trust       = { service = "ecs-tasks" }
  permissions = [{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::acme-scoring/*"] }]
}

run "arn_and_tags_are_known_at_plan_time" {
  command = plan

  assert {
    condition     = output.arn == "arn:aws:iam::123456789012:role/scoring-pipeline"
    error_message = "The ARN is not built from the name."
  }
  assert {
    condition = aws_iam_role.this[0].tags == tomap({
      environment = "test", owner = "ml-platform", "spec-entry" = "service_accounts.scoring-pipeline", "managed-by" = "lifecycle"
    })
    error_message = "The role lacks a tag."
  }
}

run "trust_of_a_service_is_bound_to_the_account" {
  command = plan

  variables {
    trust = { service = "ecs-tasks", source_account = "123456789012" }
  }

  assert {
    condition = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]
    error_message = "The trust is wrong."
  }
}

run "trust_of_an_account_carries_the_external_id" {
  command = plan

  variables {
    trust = { account = "210987654321", external_id = "acme-7" }
  }

  assert {
    condition = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::210987654321:root" }
      Condition = { StringEquals = { "sts:ExternalId" = "acme-7" } }
    }]
    error_message = "The trust is wrong."
  }
}

run "trust_of_an_identity_provider_names_audience_and_subject" {
  command = plan

  variables {
    trust = {
      oidc = {
        provider_arn = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id"
        audience     = "sts.amazonaws.com"
        subject      = "repo:acme/pipeline:*"
      }
    }
  }

  assert {
    condition = jsondecode(aws_iam_role.this[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/issuer.example/id" }
      Condition = {
        StringEquals = { "issuer.example/id:aud" = "sts.amazonaws.com" }
        StringLike   = { "issuer.example/id:sub" = "repo:acme/pipeline:*" }
      }
    }]
    error_message = "The trust is wrong."
  }
}

run "trust_without_conditions_has_none" {
  command = plan

  assert {
    condition     = !contains(keys(jsondecode(aws_iam_role.this[0].assume_role_policy).Statement[0]), "Condition")
    error_message = "IAM refuses an empty Condition."
  }
}

run "conditions_of_one_operator_share_a_block" {
  command = plan

  variables {
    permissions = [{
      actions   = ["s3:GetObject"]
      resources = ["arn:aws:s3:::acme-scoring/*"]
      conditions = [
        { operator = "StringEquals", key = "aws:SourceVpc", values = ["vpc-1"] },
        { operator = "StringEquals", key = "aws:PrincipalTag/team", values = ["ml"] },
      ]
    }]
  }

  assert {
    condition     = length(keys(jsondecode(aws_iam_role_policy.this[0].policy).Statement[0].Condition.StringEquals)) == 2
    error_message = "A condition was lost."
  }
}

run "a_user_has_no_key_and_cannot_be_destroyed_with_one" {
  command = plan

  variables {
    kind  = "user"
    trust = null
  }

  assert {
    condition     = output.arn == "arn:aws:iam::123456789012:user/scoring-pipeline" && !aws_iam_user.this[0].force_destroy
    error_message = "The user is wrong."
  }
}

run "an_existing_role_is_only_referred_to" {
  command = plan

  variables {
    kind              = "existing_role"
    trust             = null
    permissions       = []
    existing_role_arn = "arn:aws:iam::123456789012:role/path/legacy"
  }

  assert {
    condition     = output.name == "legacy" && length(aws_iam_role.this) == 0
    error_message = "An existing role must not be made."
  }
}

run "star_action_is_refused" {
  command = plan
  variables {
    permissions = [{ actions = ["*"], resources = ["arn:aws:s3:::acme-scoring/*"] }]
  }
  expect_failures = [var.permissions]
}

run "all_actions_of_a_service_are_refused" {
  command = plan
  variables {
    permissions = [{ actions = ["s3:*"], resources = ["arn:aws:s3:::acme-scoring/*"] }]
  }
  expect_failures = [var.permissions]
}

run "star_resource_is_refused" {
  command = plan
  variables {
    permissions = [{ actions = ["s3:GetObject"], resources = ["*"] }]
  }
  expect_failures = [output.kind]
}

run "arn_that_matches_everything_is_a_star_resource" {
  command = plan
  variables {
    permissions = [{ actions = ["s3:GetObject"], resources = ["arn:aws:s3:::*/*"] }]
  }
  expect_failures = [output.kind]
}

run "star_resource_passes_for_named_actions" {
  command = plan
  variables {
    permissions         = [{ actions = ["ecr:GetAuthorizationToken"], resources = ["*"] }]
    allow_star_resource = ["ecr:GetAuthorizationToken"]
  }
}

run "named_actions_do_not_cover_their_neighbours" {
  command = plan
  variables {
    permissions         = [{ actions = ["ecr:GetAuthorizationToken", "ecr:DeleteRepository"], resources = ["*"] }]
    allow_star_resource = ["ecr:GetAuthorizationToken"]
  }
  expect_failures = [output.kind]
}

run "two_kinds_of_trust_are_refused" {
  command = plan
  variables {
    trust = { service = "ecs-tasks", account = "123456789012" }
  }
  expect_failures = [var.trust]
}

run "subject_for_everybody_is_refused" {
  command = plan
  variables {
    trust = { oidc = { provider_arn = "arn:aws:iam::123456789012:oidc-provider/issuer.example", audience = "a", subject = "*" } }
  }
  expect_failures = [var.trust]
}

run "role_without_trust_is_refused" {
  command = plan
  variables {
    trust = null
  }
  expect_failures = [output.kind]
}

run "existing_role_without_arn_is_refused" {
  command = plan
  variables {
    kind        = "existing_role"
    trust       = null
    permissions = []
  }
  expect_failures = [output.kind]
}

run "permissions_on_an_existing_role_are_refused" {
  command = plan
  variables {
    kind              = "existing_role"
    trust             = null
    existing_role_arn = "arn:aws:iam::123456789012:role/legacy"
  }
  expect_failures = [output.kind]
}
