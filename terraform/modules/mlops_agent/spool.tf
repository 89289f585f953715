# The queue keeps records for 14 days, the longest that SQS offers: an agent that is down loses nothing in that time, and
# the alarm says so long before.

locals {
  queue_arn = local.uses_queue ? "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.spooler.queue_name}" : null

  queue_statements = local.uses_queue ? concat(
    [{
      Sid       = "Agent"
      Effect    = "Allow"
      Principal = { AWS = [var.task_role_arn] }
      Action    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource  = local.queue_arn
    }],
    length(var.spooler.producer_role_arns) == 0 ? [] : [{
      Sid       = "Producers"
      Effect    = "Allow"
      Principal = { AWS = sort(var.spooler.producer_role_arns) }
      Action    = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource  = local.queue_arn
    }],
  ) : []
}

resource "aws_sqs_queue" "spool" {
  count = local.uses_queue ? 1 : 0

  name                       = var.spooler.queue_name
  message_retention_seconds  = 1209600
  receive_wait_time_seconds  = 20
  visibility_timeout_seconds = 300
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  kms_master_key_id          = var.kms_key_arn
  tags                       = local.tags
}

resource "aws_sqs_queue_policy" "spool" {
  count = local.uses_queue ? 1 : 0

  queue_url = aws_sqs_queue.spool[0].id
  policy    = jsonencode({ Version = "2012-10-17", Statement = local.queue_statements })
}

resource "aws_cloudwatch_metric_alarm" "spool_age" {
  count = local.uses_queue ? 1 : 0

  alarm_name          = "${var.name}-spool-age"
  alarm_description   = "Records wait longer than ${var.spool_age_alarm_seconds} s in ${var.spooler.queue_name}: the agent ${var.name} is down, slow or refused. Next: lifecycle agent status."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = var.spooler.queue_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  threshold           = var.spool_age_alarm_seconds
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  tags                = local.tags
}
