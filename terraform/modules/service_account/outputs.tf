output "arn" {
  description = "ARN of the role or user. Known at plan time; whatever uses it still waits until the role or user exists."
  value       = var.kind == "existing_role" ? var.existing_role_arn : local.made_arn
  depends_on  = [aws_iam_role.this, aws_iam_role_policy.this, aws_iam_user.this, aws_iam_user_policy.this]
}

output "name" {
  description = "Name of the role or user."
  value       = var.kind == "existing_role" ? try(reverse(split("/", var.existing_role_arn))[0], null) : var.name
  depends_on  = [aws_iam_role.this, aws_iam_user.this]
}

# Conditions over several variables stand here and not in variables.tf: not every OpenTofu lets a variable's validation
# refer to another variable. They fail the plan just the same.
output "kind" {
  description = "role, user or existing_role."
  value       = var.kind

  precondition {
    condition     = (var.kind == "role") == (var.trust != null)
    error_message = "trust is required for kind role and refused for user and existing_role."
  }

  precondition {
    condition     = (var.kind == "existing_role") == (var.existing_role_arn != null)
    error_message = "existing_role_arn is required for kind existing_role and refused for role and user."
  }

  precondition {
    condition     = var.kind != "existing_role" || (length(var.permissions) == 0 && var.permissions_boundary == null)
    error_message = "An existing role is only referred to: permissions and permissions_boundary are not applied to it. Leave them out, or use kind role."
  }

  precondition {
    condition     = length(setsubtract(local.star_actions, var.allow_star_resource)) == 0
    error_message = "These actions are allowed on every resource: ${join(", ", setsubtract(local.star_actions, var.allow_star_resource))}. Name the resources, or list the actions in allow_star_resource where AWS offers nothing narrower."
  }
}
