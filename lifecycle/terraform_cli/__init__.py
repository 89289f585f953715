"""Terraform: the generated root, the binary, and what a plan says."""
