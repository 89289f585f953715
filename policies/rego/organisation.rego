# An example for those who have rules in Rego already. `lifecycle` judges it where environments.yaml asks for it.
package lifecycle

rules["LC-RGO-001"] := {
	"severity": "error",
	"remedy": "set log_retention on the agent",
	"controls": ["NIST-800-53 AU-11"],
	"types": ["aws_cloudwatch_log_group"],
	"reads": ["retention_in_days"],
}

findings contains {
	"rule": "LC-RGO-001",
	"address": change.address,
	"message": sprintf("%s keeps its logs for ever", [change.address]),
} if {
	some change in input.changes
	change.type == "aws_cloudwatch_log_group"
	change.action in {"create", "update", "replace"}
	object.get(change.after, "retention_in_days", 0) < 1
}
