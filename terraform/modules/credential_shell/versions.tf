terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      # In full, so that OpenTofu finds the same provider. The exact pin belongs to the root and its lock file.
      source  = "registry.terraform.io/hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
