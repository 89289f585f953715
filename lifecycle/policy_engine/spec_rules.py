"""Rules over the environment as a whole: who owns it, who approves, what is pinned, where the state rests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from lifecycle.policy_engine.rule import Observation, RuleContext, SpecRule


def _owner(context: RuleContext) -> Iterator[Observation]:
    for section, entry in context.spec.entries():
        if not entry.owner.strip():
            yield Observation(message=f"{section}.{entry.name} has no owner", key_path=f"{section}.{entry.name}.owner")


def _journal(context: RuleContext) -> Iterator[Observation]:
    journal = context.spec.journal
    if journal is None:
        yield Observation(
            message="no journal is declared: a crash would lose the trace of a rotation", key_path="journal"
        )
    elif journal.kind in context.parameters["one_host_kinds"]:
        text = f"the journal {journal.kind} is kept on one host: another runner would not see open rotations"
        yield Observation(message=text, key_path="journal", evidence=journal.kind)


def _approvals(context: RuleContext) -> Iterator[Observation]:
    required, least = context.spec.approvals.required, context.parameters["least"]
    if required < least:
        text = f"{required} approvals are asked for, at least {least} are needed in {context.spec.environment}"
        yield Observation(message=text, key_path="approvals.required", evidence=str(required))
    elif required and not context.spec.approvals.group:
        yield Observation(message="approvals name no group that may give them", key_path="approvals.group")


def _approving_group(context: RuleContext) -> Iterator[Observation]:
    group, allowed = context.spec.approvals.group, context.parameters["groups"]
    if context.spec.approvals.required and allowed and group not in allowed:
        text = (
            f"approvals are asked of {group or 'nobody'}, in {context.spec.environment} only {', '.join(allowed)} may"
        )
        yield Observation(message=text, key_path="approvals.group", evidence=group)


def _bundle_pinned(context: RuleContext) -> Iterator[Observation]:
    if not context.spec.policy_bundle.digest:
        yield Observation(message="the spec pins no policy bundle", key_path="policy_bundle.digest")


def _bundle_moved(context: RuleContext) -> Iterator[Observation]:
    pinned = context.spec.policy_bundle.digest
    if pinned and pinned != context.bundle_digest:
        text = "the policy bundle in force is not the one that the spec pins"
        yield Observation(message=text, key_path="policy_bundle.digest", evidence=f"in force: {context.bundle_digest}")


def _exceptions(context: RuleContext) -> Iterator[Observation]:
    longest = context.today + timedelta(days=context.parameters["longest_days"])
    for number, item in enumerate(context.spec.destroy_guard.allow):
        path = f"destroy_guard.allow.{number}"
        if item.expires < context.today:
            text = f"the permission to destroy {item.entry} lapsed on {item.expires}"
            yield Observation(message=text, key_path=path, evidence=str(item.expires))
        elif item.expires > longest:
            text = f"the permission to destroy {item.entry} runs until {item.expires}, too long"
            yield Observation(message=text, key_path=path, evidence=str(item.expires))


def _guard_lowered(context: RuleContext) -> Iterator[Observation]:
    most, allowed = context.parameters["most"], context.spec.destroy_guard.max_destroys
    if allowed > most:
        text = f"destroy_guard lets {allowed} objects be destroyed unnamed, at most {most} may be in this environment"
        yield Observation(message=text, key_path="destroy_guard.max_destroys", evidence=str(allowed))


def _clear_text(context: RuleContext) -> Iterator[Observation]:
    endpoints = {f"datarobot.{name}.endpoint": item.endpoint for name, item in context.spec.datarobot.items()}
    if context.spec.aws and context.spec.aws.endpoint:
        endpoints["aws.endpoint"] = context.spec.aws.endpoint
    for path, endpoint in endpoints.items():
        parts = urlsplit(endpoint)
        if parts.scheme == "http" and not _loopback(parts.hostname or ""):
            text = f"{path} is reached without TLS: every token sent there can be read on the way"
            yield Observation(message=text, key_path=path, evidence=f"{parts.scheme}://{parts.hostname}")


def _sandbox_reference(context: RuleContext) -> Iterator[Observation]:
    for name, item in context.spec.datarobot.items():
        if item.endpoint.startswith("sandbox://"):
            text = f"datarobot.{name} points at the sandbox, but this environment starts no local servers"
            yield Observation(message=text, key_path=f"datarobot.{name}.endpoint", evidence=item.endpoint)


def _backend(context: RuleContext) -> Iterator[Observation]:
    backend = context.spec.backend
    if backend.kind == "local":
        text = "the state rests on one machine without a lock that others see"
        yield Observation(message=text, key_path="backend", evidence=backend.kind)
    elif backend.kind == "s3" and not _setting(backend.settings, "use_lockfile"):
        text = "the state has no lock: two applies at once would overwrite each other"
        yield Observation(message=text, key_path="backend.s3.use_lockfile", evidence="use_lockfile is not true")


def _apply_role(context: RuleContext) -> Iterator[Observation]:
    if context.spec.aws is not None and context.spec.aws.role is None:
        text = "aws.role is missing: whoever runs the tool applies with all the rights he has"
        yield Observation(message=text, key_path="aws.role")


def _setting(settings: object, name: str) -> object:
    return settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


RULES = (
    SpecRule(id="LC-SPEC-001", check=_owner),
    SpecRule(id="LC-SPEC-002", check=_journal, parameters={"one_host_kinds": list}),
    SpecRule(id="LC-SPEC-003", check=_approvals, parameters={"least": int}),
    SpecRule(id="LC-SPEC-004", check=_bundle_pinned),
    SpecRule(id="LC-SPEC-005", check=_bundle_moved),
    SpecRule(id="LC-SPEC-006", check=_exceptions, parameters={"longest_days": int}),
    SpecRule(id="LC-SPEC-007", check=_guard_lowered, parameters={"most": int}),
    SpecRule(id="LC-SPEC-008", check=_clear_text),
    SpecRule(id="LC-SPEC-009", check=_sandbox_reference),
    SpecRule(id="LC-SPEC-010", check=_backend),
    SpecRule(id="LC-SPEC-011", check=_apply_role),
    SpecRule(id="LC-SPEC-012", check=_approving_group, parameters={"groups": list}),
)
