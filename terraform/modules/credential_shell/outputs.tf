output "arn" {
  description = "ARN of the secret, with AWS's random suffix; known after the first apply."
  value       = aws_secretsmanager_secret.this.arn
}

output "name" {
  description = "Name of the secret."
  value       = aws_secretsmanager_secret.this.name
}

output "policy_arn" {
  description = "The same ARN with ?????? for the suffix, known at plan time: for IAM policies, as AWS recommends. Not for calls."
  value       = "${local.arn_without_suffix}-??????"
}
