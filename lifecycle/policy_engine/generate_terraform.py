"""AWS rights of the identities that run Terraform: plan reads, apply writes; neither reads a value.

Whoever makes roles could give them anything, so apply may make them only below the environment's name prefix and only
with the permissions boundary, may never take it off or rewrite it, and may not touch its own role.

Source: service authorization reference (which actions know `iam:PermissionsBoundary`, which take only `*`); the
resources of `terraform/modules`.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain.errors import ConfigurationError
from lifecycle.policy_engine.generate_names import SECRETS_MANAGER, Names, setting
from lifecycle.policy_engine.generate_rotation import AwsStatement, journal, statement


def plan(names: Names) -> Iterator[AwsStatement]:
    """Read what the modules made, the state, and hold the state's lock."""
    yield from _state(names, writing=False)
    yield from statement(
        "SeeIdentities",
        [
            *("iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole"),
            *("iam:ListRolePolicies", "iam:GetUser", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies"),
            *("iam:ListGroupsForUser", "iam:ListUserPolicies"),
        ],
        _identities(names),
    )
    see = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
    yield from statement("SeeSecrets", see, _secrets(names))
    yield from _agents(names, writing=False)
    yield from _network(names, writing=False)
    yield from statement("SeeWhatHasNoName", _only_star(names), ["*"], _region(names))
    yield from journal(names, [])  # a removed entry is refused while the journal shows live values


def apply(names: Names) -> Iterator[AwsStatement]:
    """Everything that plan may, and make, change and remove what the modules are made of."""
    yield from (item for item in plan(names) if item["Sid"] not in ("ReadState",))
    yield from _state(names, writing=True)
    yield from _identity_writes(names)
    yield from statement(
        "MakeSecrets",
        [
            *("secretsmanager:CreateSecret", "secretsmanager:DeleteSecret", "secretsmanager:RestoreSecret"),
            *("secretsmanager:TagResource", "secretsmanager:UntagResource", "secretsmanager:UpdateSecret"),
            *("secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy"),
            "secretsmanager:ValidateResourcePolicy",
        ],
        _secrets(names),
    )
    yield from _agents(names, writing=True)
    yield from _network(names, writing=True)
    yield from _denials(names)


def _state(names: Names, *, writing: bool) -> Iterator[AwsStatement]:
    backend = names.spec.backend
    if backend.kind != "s3":
        return
    bucket, key = setting(backend.settings, "bucket"), setting(backend.settings, "key")
    state = f"arn:aws:s3:::{bucket}/{key}"
    only = {"StringEquals": {"s3:prefix": key}}
    if writing:
        yield from statement("WriteState", ["s3:GetObject", "s3:PutObject"], [state])
        return
    yield from statement("FindState", ["s3:ListBucket"], [f"arn:aws:s3:::{bucket}"], only)
    yield from statement("ReadState", ["s3:GetObject"], [state])
    yield from statement("LockState", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [f"{state}.tflock"])


def _makes_roles(names: Names) -> bool:
    made = any(item.platform == "aws" and item.existing is None for item in names.spec.service_accounts.values())
    return made or any(True for _ in names.agents())


def _identities(names: Names) -> list[str]:
    if not _makes_roles(names):
        return []
    return [names.iam(f"role/{names.prefix}*"), names.iam(f"user/{names.prefix}*")]


def boundary(names: Names) -> str:
    """The boundary that every new role and user gets.

    Raises:
        ConfigurationError: roles are to be made and there is none.
    """
    if names.aws.permissions_boundary is None:
        raise ConfigurationError(
            f"environment {names.spec.environment} makes roles, but aws.permissions_boundary is not set",
            remedy="name a boundary policy there: whoever may make roles without one may do everything",
        )
    return names.aws.permissions_boundary


def _identity_writes(names: Names) -> Iterator[AwsStatement]:
    if not _makes_roles(names):
        return
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary(names)}}
    yield from statement(
        "MakeBoundedIdentities",
        [
            *("iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"),
            *("iam:CreateUser", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:PutUserPermissionsBoundary"),
        ],
        _identities(names),
        bounded,
    )
    yield from statement(
        "KeepIdentities",
        [
            *("iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRole", "iam:UpdateRoleDescription"),
            *("iam:UpdateAssumeRolePolicy", "iam:DeleteUser", "iam:TagUser", "iam:UntagUser", "iam:UpdateUser"),
        ],
        _identities(names),
    )
    if any(True for _ in names.agents()):
        passed = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        yield from statement("PassRolesToTasks", ["iam:PassRole"], [names.iam(f"role/{names.prefix}*")], passed)


def _secrets(names: Names) -> list[str]:
    return [names.secret_arn(entry.store, name) for name, entry in names.credentials(SECRETS_MANAGER)]


def _agents(names: Names, *, writing: bool) -> Iterator[AwsStatement]:
    agents = list(names.agents())
    if not agents:
        return
    home = f"/lifecycle/{names.spec.environment}"
    clusters = {setting(agent.runtime.settings, "cluster").rpartition("/")[2] for _, agent in agents}
    services = [names.arn("ecs", f"service/{cluster}/{names.prefix}*") for cluster in clusters]
    tasks = [names.arn("ecs", f"task-definition/{names.prefix}*:*")]
    logs = [names.arn("logs", f"log-group:{home}/agents/*")]
    parameters = [names.arn("ssm", f"parameter{home}/*")]
    queues = [
        names.arn("sqs", setting(agent.spooler.settings, "queue")) for _, agent in agents if agent.spooler.kind == "sqs"
    ]
    alarms = [names.arn("cloudwatch", f"alarm:{names.prefix}*")]
    if not writing:
        yield from statement("SeeServices", ["ecs:DescribeServices"], services)
        yield from statement("SeeLogs", ["logs:ListTagsForResource"], logs)
        see = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
        yield from statement("SeeConfiguration", see, parameters)
        yield from statement("SeeQueues", ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"], queues)
        if queues:
            yield from statement("SeeAlarms", ["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource"], alarms)
        return
    tag = ["ecs:TagResource", "ecs:UntagResource"]
    yield from statement("RunServices", ["ecs:CreateService", "ecs:DeleteService", "ecs:UpdateService", *tag], services)
    yield from statement("DefineTasks", ["ecs:RegisterTaskDefinition", *tag], tasks)
    keep = ["logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:TagResource"]
    yield from statement("KeepLogs", [*keep, "logs:UntagResource"], logs)
    write = ["ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource"]
    yield from statement("WriteConfiguration", write, parameters)
    make = ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]
    yield from statement("MakeQueues", make, queues)
    if queues:
        alarm = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
        yield from statement("MakeAlarms", alarm, alarms)


def _network(names: Names, *, writing: bool) -> Iterator[AwsStatement]:
    targets = {target for entry in names.spec.allowlists.values() for target in entry.targets}
    rules = [names.arn("network-firewall", f"stateful-rulegroup/{names.prefix}*")]
    domains = [names.arn("route53resolver", "firewall-domain-list/*")]
    tagged = {"StringEquals": {"aws:ResourceTag/environment": names.spec.environment}}
    if "aws_network_firewall" in targets:
        see = ["network-firewall:DescribeRuleGroup", "network-firewall:ListTagsForResource"]
        make = ["network-firewall:CreateRuleGroup", "network-firewall:DeleteRuleGroup", "network-firewall:TagResource"]
        write = [*make, "network-firewall:UpdateRuleGroup"]
        yield from statement("FilterNames" if writing else "SeeNameFilters", write if writing else see, rules)
    if "aws_dns_firewall" in targets:
        see = ["route53resolver:GetFirewallDomainList", "route53resolver:ListFirewallDomains"]
        write = ["route53resolver:DeleteFirewallDomainList", "route53resolver:UpdateFirewallDomains"]
        yield from statement(
            "FilterQueries" if writing else "SeeQueryFilters", write if writing else see, domains, tagged
        )
    if writing and _uses_security_groups(names, targets):
        yield from _security_groups(names)


def _uses_security_groups(names: Names, targets: set[str]) -> bool:
    return "aws_security_group" in targets or any(True for _ in names.agents())


def _security_groups(names: Names) -> Iterator[AwsStatement]:
    """Groups and prefix lists have no names in their ARNs: their tag, given when they are made, holds them apart."""
    made = [names.arn("ec2", f"{kind}/*") for kind in ("security-group", "security-group-rule", "prefix-list")]
    environment = names.spec.environment
    yield from statement(
        "MakeGroups",
        ["ec2:CreateManagedPrefixList", "ec2:CreateSecurityGroup"],
        [item for item in made if "rule" not in item],
        {"StringEquals": {"aws:RequestTag/environment": environment}},
    )
    if names.aws.vpc:
        yield from statement("MakeGroupsHere", ["ec2:CreateSecurityGroup"], [names.arn("ec2", f"vpc/{names.aws.vpc}")])
    yield from statement(
        "TagNewGroups",
        ["ec2:CreateTags"],
        made,
        {"StringEquals": {"ec2:CreateAction": ["CreateManagedPrefixList", "CreateSecurityGroup"]}},
    )
    yield from statement(
        "ChangeGroups",
        [
            *("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress", "ec2:DeleteSecurityGroup"),
            *("ec2:ModifyManagedPrefixList", "ec2:DeleteManagedPrefixList", "ec2:GetManagedPrefixListEntries"),
        ],
        made,
        {"StringEquals": {"aws:ResourceTag/environment": environment}},
    )


def _only_star(names: Names) -> list[str]:
    """What AWS gives for all of a region only."""
    found = ["secretsmanager:ListSecrets", "sts:GetCallerIdentity"]
    if any(True for _ in names.agents()):
        found += ["ecs:DescribeTaskDefinition", "logs:DescribeLogGroups", "ssm:DescribeParameters"]
    targets = {target for entry in names.spec.allowlists.values() for target in entry.targets}
    if _uses_security_groups(names, targets):
        found += ["ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroupRules"]
        found += ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
    return found


def _region(names: Names) -> dict[str, dict[str, str]]:
    return {"StringEquals": {"aws:RequestedRegion": names.aws.region}}


def _denials(names: Names) -> Iterator[AwsStatement]:
    """What no later statement, group or managed policy may give back."""
    yield {"Sid": "NeverReadValues", "Effect": "Deny", "Action": ["secretsmanager:GetSecretValue"], "Resource": ["*"]}
    if not _makes_roles(names):
        return
    off = ["iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"]
    yield {"Sid": "NeverUnbind", "Effect": "Deny", "Action": off, "Resource": ["*"]}
    rewrite = ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"]
    yield {"Sid": "NeverRewriteBoundary", "Effect": "Deny", "Action": rewrite, "Resource": [boundary(names)]}
    if names.aws.role:
        own = ["iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Detach*", "iam:Put*", "iam:Update*"]
        yield {"Sid": "NeverChangeItself", "Effect": "Deny", "Action": own, "Resource": [names.aws.role]}
