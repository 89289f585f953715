# The rendered files of all other targets. `insecure_value` and `content` show every change in the plan.

locals {
  # Bytes, which AWS counts, not characters: four base64 characters carry three bytes, less the padding.
  rendered_bytes = {
    for file, content in var.rendered : file => (
      length(base64encode(content)) / 4 * 3 - length(regexall("=", base64encode(content)))
    )
  }
}

resource "aws_ssm_parameter" "rendered" {
  for_each = var.rendered_bucket == null ? var.rendered : {}

  name           = "/lifecycle/${var.environment}/allowlists/${var.name}/${each.key}"
  description    = "Rendered from ${var.spec_entry}; changes here are overwritten"
  type           = "String"
  tier           = local.rendered_bytes[each.key] > 4096 ? "Advanced" : "Standard"
  insecure_value = each.value
  tags           = local.tags

  lifecycle {
    precondition {
      condition     = local.rendered_bytes[each.key] <= 8192
      error_message = "${each.key} has ${local.rendered_bytes[each.key]} bytes, an SSM parameter holds 8192: set rendered_bucket."
    }
  }
}

resource "aws_s3_object" "rendered" {
  for_each = var.rendered_bucket == null ? {} : var.rendered

  bucket       = var.rendered_bucket
  key          = "${var.environment}/allowlists/${var.name}/${each.key}"
  content      = each.value
  content_type = "text/plain; charset=utf-8"
  tags         = local.tags
}
