package lifecycle

_tagged(change) if {
	every name in {"owner", "spec-entry"} { name in object.keys(change.after.tags) }
}

rules["LC-RGO-101"] := {"severity": "error", "remedy": "change it", "types": ["aws_cloudwatch_log_group"], "reads": ["retention_in_days"]}

findings contains {"rule": "LC-RGO-101", "address": change.address, "message": "breaks rule 1"} if {
	some change in input.changes
	change.type == "aws_cloudwatch_log_group"
	change.action in {"create", "update", "replace"}
	object.get(change.after, "retention_in_days", 0) < 1
}

rules["LC-RGO-102"] := {"severity": "error", "remedy": "change it", "types": ["aws_sqs_queue"], "reads": ["message_retention_seconds"]}

findings contains {"rule": "LC-RGO-102", "address": change.address, "message": "breaks rule 2"} if {
	some change in input.changes
	change.type == "aws_sqs_queue"
	change.action in {"create", "update", "replace"}
	change.after.message_retention_seconds < 345600
}

rules["LC-RGO-103"] := {"severity": "error", "remedy": "change it", "types": ["aws_sqs_queue"], "reads": ["tags"]}

findings contains {"rule": "LC-RGO-103", "address": change.address, "message": "breaks rule 3"} if {
	some change in input.changes
	change.type == "aws_sqs_queue"
	change.action in {"create", "update", "replace"}
	not _tagged(change)
}

rules["LC-RGO-104"] := {"severity": "error", "remedy": "change it", "types": ["aws_secretsmanager_secret"], "reads": ["recovery_window_in_days"]}

findings contains {"rule": "LC-RGO-104", "address": change.address, "message": "breaks rule 4"} if {
	some change in input.changes
	change.type == "aws_secretsmanager_secret"
	change.action in {"create", "update", "replace"}
	change.after.recovery_window_in_days < 7
}

rules["LC-RGO-105"] := {"severity": "error", "remedy": "change it", "types": ["aws_secretsmanager_secret"], "reads": ["name"]}

findings contains {"rule": "LC-RGO-105", "address": change.address, "message": "breaks rule 5"} if {
	some change in input.changes
	change.type == "aws_secretsmanager_secret"
	change.action in {"create", "update", "replace"}
	not startswith(change.after.name, "prod/")
}

rules["LC-RGO-106"] := {"severity": "error", "remedy": "change it", "types": ["aws_vpc_security_group_egress_rule"], "reads": ["cidr_ipv4"]}

findings contains {"rule": "LC-RGO-106", "address": change.address, "message": "breaks rule 6"} if {
	some change in input.changes
	change.type == "aws_vpc_security_group_egress_rule"
	change.action in {"create", "update", "replace"}
	net.cidr_contains(change.after.cidr_ipv4, "0.0.0.0/0")
}

rules["LC-RGO-107"] := {"severity": "error", "remedy": "change it", "types": ["aws_vpc_security_group_egress_rule"], "reads": ["cidr_ipv4"]}

findings contains {"rule": "LC-RGO-107", "address": change.address, "message": "breaks rule 7"} if {
	some change in input.changes
	change.type == "aws_vpc_security_group_egress_rule"
	change.action in {"create", "update", "replace"}
	to_number(split(change.after.cidr_ipv4, "/")[1]) < 24
}

rules["LC-RGO-108"] := {"severity": "error", "remedy": "change it", "types": ["aws_vpc_security_group_egress_rule"], "reads": ["to_port"]}

findings contains {"rule": "LC-RGO-108", "address": change.address, "message": "breaks rule 8"} if {
	some change in input.changes
	change.type == "aws_vpc_security_group_egress_rule"
	change.action in {"create", "update", "replace"}
	not change.after.to_port in {443, 5432}
}

rules["LC-RGO-109"] := {"severity": "error", "remedy": "change it", "types": ["aws_iam_role"], "reads": ["permissions_boundary"]}

findings contains {"rule": "LC-RGO-109", "address": change.address, "message": "breaks rule 9"} if {
	some change in input.changes
	change.type == "aws_iam_role"
	change.action in {"create", "update", "replace"}
	not startswith(object.get(change.after, "permissions_boundary", ""), "arn:aws:iam::")
}

rules["LC-RGO-110"] := {"severity": "error", "remedy": "change it", "types": ["aws_iam_role"], "reads": ["max_session_duration"]}

findings contains {"rule": "LC-RGO-110", "address": change.address, "message": "breaks rule 10"} if {
	some change in input.changes
	change.type == "aws_iam_role"
	change.action in {"create", "update", "replace"}
	change.after.max_session_duration > 3600
}

rules["LC-RGO-111"] := {"severity": "error", "remedy": "change it", "types": ["aws_iam_role"], "reads": ["name"]}

findings contains {"rule": "LC-RGO-111", "address": change.address, "message": "breaks rule 11"} if {
	some change in input.changes
	change.type == "aws_iam_role"
	change.action in {"create", "update", "replace"}
	not regex.match("^[a-z0-9-]+$", change.after.name)
}

rules["LC-RGO-112"] := {"severity": "error", "remedy": "change it", "types": ["aws_iam_role"], "reads": ["path"]}

findings contains {"rule": "LC-RGO-112", "address": change.address, "message": "breaks rule 12"} if {
	some change in input.changes
	change.type == "aws_iam_role"
	change.action in {"create", "update", "replace"}
	change.action == "update"
	change.before.path != change.after.path
}
