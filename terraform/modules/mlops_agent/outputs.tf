output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "cluster" {
  description = "Cluster, as given."
  value       = var.cluster
}

output "task_definition_arn" {
  description = "ARN of the task definition, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "security_group_id" {
  description = "Security group of the agent."
  value       = aws_security_group.this.id
}

output "execution_role_arn" {
  description = "Role with which ECS starts the task; a reader of the secrets. Known at plan time."
  value       = "arn:${local.partition}:iam::${local.account}:role/${var.name}-execution"
  depends_on  = [aws_iam_role.execution]
}

output "queue_url" {
  description = "URL of the spool queue, or null."
  value       = one(aws_sqs_queue.spool[*].url)
}

output "queue_arn" {
  description = "ARN of the spool queue, or null. Known at plan time."
  value       = local.queue_arn
  depends_on  = [aws_sqs_queue.spool]
}

output "log_group" {
  description = "Name of the log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "config_parameter_arn" {
  description = "SSM parameter that holds the configuration. Known at plan time."
  value       = local.config_parameter_arn
  depends_on  = [aws_ssm_parameter.config]
}
