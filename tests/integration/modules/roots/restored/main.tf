# A credential that comes back into the spec while its secret still waits for deletion.

variable "secret_name" {
  type = string
}

variable "restore_arn" {
  type    = string
  default = null
}

import {
  for_each = var.restore_arn == null ? toset([]) : toset([var.restore_arn])
  to       = module.credential_ingest.aws_secretsmanager_secret.this
  id       = each.value
}

module "credential_ingest" {
  source          = "../modules/credential_shell"
  name            = "snowflake-ingest"
  environment     = "test"
  owner           = "ml-platform"
  spec_entry      = "credentials.snowflake-ingest"
  secret_name     = var.secret_name
  rotation_period = "90d"
  reason          = "policy"
}

output "arn" {
  value = module.credential_ingest.arn
}
