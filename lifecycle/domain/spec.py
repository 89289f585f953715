"""The desired state of one environment, as resolved from its documents. Frozen; kind-specific settings are opaque."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema, model_validator

from lifecycle.domain.audit_head import AuditSettings
from lifecycle.domain.errors import Place

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d+)(s|m|h|d|w)")

SECTIONS = ("service_accounts", "allowlists", "agents", "credentials", "connectors")


def parse_duration(text: object) -> object:
    """`90s`, `15m`, `1h`, `30d`, `2w` or a sum such as `1d12h`, as a timedelta; timedeltas pass through."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(r"(\d+[smhdw])+", text):
        raise ValueError("is not a duration: write it as 30s, 15m, 12h, 30d or 2w")
    return sum((timedelta(**{_UNITS[unit]: int(count)}) for count, unit in _DURATION.findall(text)), timedelta())


_DURATION_SCHEMA = {"type": "string", "pattern": r"^(\d+[smhdw])+$", "description": "30s, 15m, 12h, 30d, 2w or a sum"}
Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_DURATION_SCHEMA)]
ClockTime = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Arn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:.+$")]


class SpecModel(BaseModel):
    """Base of everything in a spec: strict, frozen, and errors never show the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Chosen(SpecModel):
    """A choice among kinds, written `{kind_name: {settings}}`: the kind's name and its validated, opaque settings."""

    kind: str
    settings: Any
    place: Place


class Manage(StrEnum):
    """How far we may go with an entry. Each member includes the ones before it."""

    OBSERVE = "observe"
    VERIFY = "verify"
    ROTATE = "rotate"
    OWN = "own"


class Entry(SpecModel):
    """What every named spec entry has."""

    name: Name
    place: Place
    owner: str
    manage: Manage = Manage.OWN
    existing: Mapping[str, str] | None = None
    renamed_from: Name | None = None
    tags: Mapping[str, str] = {}


class Permission(SpecModel):
    """One allow statement of a service account."""

    actions: tuple[str, ...] = Field(min_length=1)
    resources: tuple[str, ...] = Field(min_length=1)
    sid: str | None = None
    conditions: tuple[Mapping[str, Any], ...] = ()


class OidcTrust(SpecModel):
    """Trust in a web identity, e.g. a CI job."""

    provider_arn: Arn
    audience: str
    subject: str


class Trust(SpecModel):
    """Who may assume a role: exactly one of an AWS service, another account (with external id), or a web identity."""

    service: str | None = None
    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    external_id: str | None = None
    oidc: OidcTrust | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if [self.service, self.account, self.oidc].count(None) != 2:
            raise ValueError("must name exactly one trusted party: write `service`, `account` or `oidc`")
        if self.external_id is not None and self.account is None:
            raise ValueError("has an `external_id` without `account`: remove it, or name the account")
        return self


class ServiceAccount(Entry):
    """A machine identity: AWS role or user, DataRobot user, Entra application."""

    platform: Literal["aws", "datarobot", "entra"]
    purpose: str = ""
    principal: Literal["role", "user"] = "role"
    trust: Trust | None = None
    permissions: tuple[Permission, ...] = ()
    permissions_boundary: Arn | None = None
    email: str | None = None
    application_id: str | None = None


class HostMatch(StrEnum):
    """What an allowlist host admits."""

    EXACT = "exact"
    SUBDOMAINS = "subdomains"
    APEX_AND_SUBDOMAINS = "apex+subdomains"


class AllowlistEntry(SpecModel):
    """One reachable host or address range, with why and until when."""

    host: str | None = None
    cidr: str | None = None
    match: HostMatch = HostMatch.EXACT
    port: Annotated[StrictInt, Field(ge=1, le=65535)] = 443
    reason: str = Field(min_length=1)
    ticket: str | None = None
    expires: date | None = None
    owner: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.host is None) == (self.cidr is None):
            raise ValueError("must name exactly one destination: write `host` or `cidr`")
        return self


class Allowlist(Entry):
    """Hosts, ports and addresses that may be reached; one list, many targets."""

    targets: tuple[str, ...] = Field(min_length=1)
    include: tuple[str, ...] = ()
    entries: tuple[AllowlistEntry, ...] = ()
    home_net: tuple[str, ...] = ()
    proxy: str | None = None
    rendered_bucket: str | None = None


class Agent(Entry):
    """A DataRobot MLOps monitoring or management agent."""

    kind: Literal["monitoring", "management"]
    runtime: Chosen
    service_account: str
    spooler: Chosen
    egress: str
    api_token: str
    datarobot: str = "default"
    prediction_environment_id: str | None = None
    log_retention: Duration = timedelta(days=30)


class Grace(SpecModel):
    """How long the old value lives on. It ends when acknowledged and unused; the ceiling quarantines, never revokes."""

    minimum: Duration = timedelta(hours=1)
    ceiling: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.minimum > self.ceiling:
            raise ValueError("must not end before it may: write a `ceiling` that is at least `minimum`")
        return self


class ChangeHours(SpecModel):
    """Weekly hours, in UTC, in which a credential may be replaced. An end at or before the start is the next day's."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(min_length=1)
    start: ClockTime
    end: ClockTime


class Unobservable(SpecModel):
    """A consumer that cannot acknowledge: needs an owner, a reason and an expiry."""

    name: str
    owner: str
    reason: str
    expires: date


class Consumer(SpecModel):
    """Who holds a copy: an agent of this spec, or one that cannot be observed."""

    agent: str | None = None
    unobservable: Unobservable | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.agent is None) == (self.unobservable is None):
            raise ValueError("must name exactly one consumer: write `agent` or `unobservable`")
        return self


class Credential(Entry):
    """Something that lapses and is rotated."""

    kind: str
    settings: Any
    store: str = "default"
    rotation_period: Duration = timedelta(days=90)
    max_age: Duration | None = None
    grace: Grace = Grace()
    change_window: ChangeHours | None = None
    reason: str = Field(min_length=1)
    kms_key: str | None = None
    consumers: tuple[Consumer, ...] = ()
    deliver_to: tuple[Chosen, ...] = ()


class Connector(Entry):
    """Something that uses a credential and can be verified."""

    kind: str
    settings: Any
    credential: str | None = None
    through: str = "direct"
    deadline: Duration = timedelta(seconds=10)


class AwsTarget(SpecModel):
    """The AWS account an environment lives in."""

    account_id: Annotated[str, Field(pattern=r"^\d{12}$")]
    region: str
    role: Arn | None = None
    vpc: str | None = None
    subnets: tuple[str, ...] = ()
    network_name: str | None = None
    permissions_boundary: Arn | None = None
    max_retries: Annotated[StrictInt, Field(ge=0, le=50)] = 10
    endpoint: str | None = None


class DataRobotTarget(SpecModel):
    """One DataRobot installation. `endpoint` ends in /api/v2 or is `sandbox://datarobot`.

    `entitlements` are the feature flags that the environment needs; `doctor` asks for them.
    """

    endpoint: str
    api_version: str = "2.49"
    admin_token: str | None = None
    entitlements: tuple[str, ...] = ()


class ApprovalPolicy(SpecModel):
    """How many approvals from which group an apply needs. Zero asks on the terminal instead."""

    required: Annotated[StrictInt, Field(ge=0, le=10)] = 0
    group: str = ""


class PolicyBundleRef(SpecModel):
    """The pinned rules. The apply identity can read, but not write, where this digest is pinned."""

    digest: str = ""
    source: str = ""


class DestroyException(SpecModel):
    """A named, dated permission to destroy or replace one entry."""

    entry: str
    reason: str = Field(min_length=1)
    expires: date


class DestroyGuard(SpecModel):
    """How much an apply may destroy without a named exception."""

    max_destroys: Annotated[StrictInt, Field(ge=0)] = 0
    allow: tuple[DestroyException, ...] = ()


class SandboxSettings(SpecModel):
    """Which local servers this environment runs on. Its presence makes the environment a sandbox."""

    servers: tuple[Literal["aws", "oauth", "datarobot", "vault"], ...]


class TerraformSettings(SpecModel):
    """Settings of the Terraform run."""

    platforms: tuple[str, ...] = ("linux_amd64",)
    parallelism: Annotated[StrictInt, Field(ge=1, le=100)] = 10


class Spec(SpecModel):
    """One environment, resolved: inheritance, defaults and variables applied, references checked.

    `origins` maps key paths (`agents.eu-1.runtime.ecs_fargate.cpu`) to places; use `place_of`.
    """

    version: Literal[1]
    environment: Name
    owner: str = ""
    aws: AwsTarget | None = None
    datarobot: Mapping[str, DataRobotTarget] = {}
    backend: Chosen
    secret_stores: Mapping[str, Chosen] = {}
    journal: Chosen | None = None
    policy_bundle: PolicyBundleRef = PolicyBundleRef()
    approvals: ApprovalPolicy = ApprovalPolicy()
    audit: AuditSettings = AuditSettings()
    destroy_guard: DestroyGuard = DestroyGuard()
    sandbox: SandboxSettings | None = None
    terraform: TerraformSettings = TerraformSettings()
    service_accounts: Mapping[str, ServiceAccount] = {}
    allowlists: Mapping[str, Allowlist] = {}
    agents: Mapping[str, Agent] = {}
    credentials: Mapping[str, Credential] = {}
    connectors: Mapping[str, Connector] = {}
    origins: Any = Field(default=None, exclude=True, repr=False)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every entry with its section, in section order and then by name."""
        for section in SECTIONS:
            named: Mapping[str, Entry] = getattr(self, section)
            for name in sorted(named):
                yield section, named[name]

    def place_of(self, key_path: str) -> Place | None:
        """Where a key path stands; the nearest enclosing one when it was inherited or defaulted."""
        origins: Mapping[str, Place] = self.origins or {}
        while key_path:
            if key_path in origins:
                return origins[key_path]
            key_path = key_path.rpartition(".")[0]
        return None
