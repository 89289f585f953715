"""Objects whose making had begun when Terraform was killed: found by name and tags, so that a plan can import them.

Everything else the modules make needs no search: policies, queue policies and alarms are put, not created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, Any]
Reader = Callable[[str], Any]

_MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "ClusterNotFoundException",
        "InvalidResourceId",
        "NoSuchEntity",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)


@dataclass(frozen=True, slots=True)
class Existing:
    """An object that exists: its id in Terraform, and its tags."""

    id: str
    tags: Mapping[str, str]


def made_in_flight(reader: Reader, planned: Mapping[str, Attributes]) -> Mapping[str, str]:
    """Objects whose making had begun when Terraform was killed, and that exist: address -> import id.

    One counts as ours only with exactly the tags that the killed run gave it, and only if it is the only such:
    anybody's object of that name would otherwise become ours. What is left out here and exists nevertheless, the next
    apply reports by its address.

    Args:
        reader: the client of an AWS service that may be asked again.
        planned: address -> the attributes that the object was to get.
    """
    from lifecycle.terraform_cli.adoption import import_id, type_of

    found = {}
    for address, after in sorted(planned.items()):
        ours = _ours(reader, type_of(address), after)
        if len(ours) == 1:
            found[address] = import_id(address, ours[0].id)
    return found


def _ours(reader: Reader, type_name: str, after: Attributes) -> list[Existing]:
    from botocore.exceptions import ClientError

    from lifecycle.clients.aws import aws_errors, error_code

    find, tags = _FINDERS.get(type_name), _tags(after)
    if find is None or not tags:
        return []
    with aws_errors(f"looking for the {type_name} that a killed run may have made"):
        try:
            return [item for item in find(reader, after) if item.tags == tags]
        except ClientError as error:
            if error_code(error) in _MISSING:
                return []
            raise


def _tags(after: Attributes) -> Mapping[str, str]:
    return after.get("tags_all") or after.get("tags") or {}


def _pairs(tags: Iterable[Mapping[str, str]], key: str = "Key", value: str = "Value") -> Mapping[str, str]:
    return {tag[key]: tag[value] for tag in tags}


def _user(reader: Reader, after: Attributes) -> Iterator[Existing]:
    user = reader("iam").get_user(UserName=after["name"])["User"]
    yield Existing(user["UserName"], _pairs(user.get("Tags", ())))


def _role(reader: Reader, after: Attributes) -> Iterator[Existing]:
    role = reader("iam").get_role(RoleName=after["name"])["Role"]
    yield Existing(role["RoleName"], _pairs(role.get("Tags", ())))


def _secret(reader: Reader, after: Attributes) -> Iterator[Existing]:
    secret = reader("secretsmanager").describe_secret(SecretId=after["name"])
    yield Existing(secret["ARN"], _pairs(secret.get("Tags", ())))


def _log_group(reader: Reader, after: Attributes) -> Iterator[Existing]:
    logs = reader("logs")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=after["name"])
    for group in (group for page in pages for group in page["logGroups"]):
        if group["logGroupName"] == after["name"]:
            arn = group["arn"].removesuffix(":*")
            yield Existing(group["logGroupName"], logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _parameter(reader: Reader, after: Attributes) -> Iterator[Existing]:
    tags = reader("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=after["name"])["TagList"]
    yield Existing(after["name"], _pairs(tags))


def _queue(reader: Reader, after: Attributes) -> Iterator[Existing]:
    url = reader("sqs").get_queue_url(QueueName=after["name"])["QueueUrl"]
    yield Existing(url, reader("sqs").list_queue_tags(QueueUrl=url).get("Tags", {}))


def _service(reader: Reader, after: Attributes) -> Iterator[Existing]:
    answer = reader("ecs").describe_services(cluster=after["cluster"], services=[after["name"]], include=["TAGS"])
    for service in answer["services"]:
        if service["status"] != "INACTIVE":
            yield Existing(service["serviceArn"], _pairs(service.get("tags", ()), "key", "value"))


def _by_tags(after: Attributes) -> list[dict[str, Any]]:
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted(_tags(after).items())]


def _security_group(reader: Reader, after: Attributes) -> Iterator[Existing]:
    pages = reader("ec2").get_paginator("describe_security_groups").paginate(Filters=_by_tags(after))
    for group in (group for page in pages for group in page["SecurityGroups"]):
        if group["GroupName"] == after["name"] and after.get("vpc_id") in (None, group.get("VpcId")):
            yield Existing(group["GroupId"], _pairs(group.get("Tags", ())))


def _security_group_rule(reader: Reader, after: Attributes) -> Iterator[Existing]:
    pages = reader("ec2").get_paginator("describe_security_group_rules").paginate(Filters=_by_tags(after))
    for rule in (rule for page in pages for rule in page["SecurityGroupRules"]):
        if rule.get("IsEgress"):
            yield Existing(rule["SecurityGroupRuleId"], _pairs(rule.get("Tags", ())))


def _prefix_list(reader: Reader, after: Attributes) -> Iterator[Existing]:
    named = [{"Name": "prefix-list-name", "Values": [after["name"]]}]
    pages = reader("ec2").get_paginator("describe_managed_prefix_lists").paginate(Filters=named)
    for item in (item for page in pages for item in page["PrefixLists"]):
        if item["PrefixListName"] == after["name"]:
            yield Existing(item["PrefixListId"], _pairs(item.get("Tags", ())))


def _rule_group(reader: Reader, after: Attributes) -> Iterator[Existing]:
    answer = reader("network-firewall").describe_rule_group(RuleGroupName=after["name"], Type=after["type"])
    group = answer["RuleGroupResponse"]
    yield Existing(group["RuleGroupArn"], _pairs(group.get("Tags", ())))


def _domain_list(reader: Reader, after: Attributes) -> Iterator[Existing]:
    resolver = reader("route53resolver")
    pages = resolver.get_paginator("list_firewall_domain_lists").paginate()
    for item in (item for page in pages for item in page["FirewallDomainLists"]):
        if item["Name"] == after["name"]:
            tags = resolver.list_tags_for_resource(ResourceArn=item["Arn"])["Tags"]
            yield Existing(item["Id"], _pairs(tags))


_FINDERS: Mapping[str, Callable[[Reader, Attributes], Iterable[Existing]]] = {
    "aws_cloudwatch_log_group": _log_group,
    "aws_ec2_managed_prefix_list": _prefix_list,
    "aws_ecs_service": _service,
    "aws_iam_role": _role,
    "aws_iam_user": _user,
    "aws_networkfirewall_rule_group": _rule_group,
    "aws_route53_resolver_firewall_domain_list": _domain_list,
    "aws_secretsmanager_secret": _secret,
    "aws_security_group": _security_group,
    "aws_sqs_queue": _queue,
    "aws_ssm_parameter": _parameter,
    "aws_vpc_security_group_egress_rule": _security_group_rule,
}
