"""Names and ARNs of what the tool touches in one environment, from its spec alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.naming import cloud_name, secret_name
from lifecycle.domain.spec import Agent, AwsTarget, Credential, Manage, Spec

SECRETS_MANAGER = "aws_secrets_manager"
VAULT = "vault"
# What bootstrap keeps for the tool itself, in the main store.
FINGERPRINT_KEY = "lifecycle-fingerprint-key"
_DERIVED_NAMES = 54  # as in the Terraform modules, which append to the name of an agent


def setting(settings: Any, name: str, default: Any = "") -> Any:
    """A field of a kind's settings, which are a model, or plain data in tests of single rules."""
    found = settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)
    return default if found is None else found


# What an issuer keeps for itself beside a credential of these kinds.
_KEPT = {
    "azure_storage_account_key": "notes",
    "oauth_client_secret": "registration",
    "oauth_private_key_jwt": "registration",
}
# Kinds whose rotation can be rehearsed beside the real value, and how the name of a shadow ends.
REHEARSED = frozenset(
    {
        "aws_iam_access_key",
        "databricks_service_principal_secret",
        "datarobot_api_key",
        "entra_application_certificate",
        "entra_application_password",
        "oauth_private_key_jwt",
        "okta_client_secret",
        "snowflake_key_pair",
        "vault_approle_secret_id",
    }
)
SHADOW = ".rehearsal"
_COPY = "secrets_manager_copy"
_NOTES_ELSEWHERE = frozenset({"ecs_service", "file"})  # named after the service; beside the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One ECS service that is restarted after a delivery."""

    cluster: str
    service: str


def _copy_notes(name: str, entry: Credential) -> list[str]:
    """Where destinations that keep a copy elsewhere have their notes, and the key that signs for a webhook."""
    kinds = [chosen.kind for chosen in entry.deliver_to]
    found = [f"{name}-delivery-{kind}-{n}" for n, kind in enumerate(kinds, start=1) if kind not in _NOTES_ELSEWHERE]
    return [*found, f"{name}-webhook-key"] if "webhook" in kinds else found


class Names:
    """What an environment's objects are called.

    Args:
        spec: resolved.
        compact: name secrets, users and services by the environment's prefix instead of one by one, because AWS
            stores no policy that is long enough.
    """

    def __init__(self, spec: Spec, *, compact: bool = False) -> None:
        self.spec = spec
        self._compact = compact

    @cached_property
    def aws(self) -> AwsTarget:
        """The account. Raises ConfigurationError when the spec names none."""
        if self.spec.aws is None:
            raise ConfigurationError(
                f"environment {self.spec.environment} names no AWS account, so no AWS rights can be written",
                remedy="add `aws: {account_id: …, region: …}` to the spec",
            )
        return self.spec.aws

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        """An ARN of this account."""
        where = self.aws.region if region is None else region
        return f"arn:aws:{service}:{where}:{self.aws.account_id}:{rest}"

    def iam(self, rest: str) -> str:
        """An ARN of IAM, which has no region."""
        return self.arn("iam", rest, region="")

    @property
    def prefix(self) -> str:
        """How the names of all roles, users and services of the environment begin."""
        return f"{self.spec.environment}-"

    def agents(self) -> Iterator[tuple[str, Agent]]:
        """ECS name and entry of each agent that runs on Fargate."""
        for name, agent in sorted(self.spec.agents.items()):
            if agent.runtime.kind == "ecs_fargate":
                yield cloud_name(self.spec.environment, name, limit=_DERIVED_NAMES), agent

    def credentials(self, kind: str) -> Iterator[tuple[str, Credential]]:
        """Credentials whose store is of a kind and that may be rotated."""
        for name, entry in sorted(self.spec.credentials.items()):
            store = self.spec.secret_stores.get(entry.store)
            if store is not None and store.kind == kind and entry.manage in (Manage.ROTATE, Manage.OWN):
                yield name, entry

    def shadows(self, kind: str) -> Iterator[tuple[str, Credential]]:
        """Names of the shadows with which rotation is rehearsed, in stores of a kind."""
        for name, entry in self.credentials(kind):
            if entry.kind in REHEARSED:
                yield f"{name}{SHADOW}", entry

    def main_store(self) -> str:
        """The store that keeps the tool's own values: `default`, else the first; empty when there is none."""
        names = sorted(self.spec.secret_stores)
        return "default" if "default" in names else (names[0] if names else "")

    def own_values(self, store: str) -> tuple[str, ...]:
        """Names of what the tool keeps for itself in a store, beside the credentials."""
        found = [FINGERPRINT_KEY] if store == self.main_store() else []
        for name, entry in sorted(self.spec.credentials.items()):
            if entry.store != store or entry.manage not in (Manage.ROTATE, Manage.OWN):
                continue
            if entry.kind in _KEPT:
                found.append(f"{name}-{_KEPT[entry.kind]}")
            found += [f"{name}-delivery-{place.service}" for place in self.delivered(entry)]
            found += _copy_notes(name, entry)
        return tuple(found)

    def logins(self, store: str) -> tuple[str, ...]:
        """Names of what a store holds for logging in to destinations; the tool reads it and never writes it."""
        return tuple(
            sorted(
                {
                    setting(chosen.settings, "login")
                    for entry in self.rotated()
                    for chosen in entry.deliver_to
                    if entry.store == store and setting(chosen.settings, "login")
                }
            )
        )

    def copies(self, *, made: bool = False) -> tuple[str, ...]:
        """ARN patterns of the declared copies in Secrets Manager; with `made`, of those that the tool may create."""
        chosen = (item.settings for entry in self.rotated() for item in entry.deliver_to if item.kind == _COPY)
        names = sorted({setting(one, "name") for one in chosen if setting(one, "create", False) or not made})
        return tuple(pattern for name in names for pattern in self._copy_patterns(name))

    def _copy_patterns(self, name: str) -> tuple[str, ...]:
        """An ARN may be written with the suffix that AWS appended, or without."""
        if name.startswith("arn:"):
            return name, f"{name}-??????"
        return (self.arn("secretsmanager", f"secret:{name}-??????"),)

    def rotated(self) -> tuple[Credential, ...]:
        """The credentials that the tool may rotate, by name."""
        entries = (entry for _, entry in sorted(self.spec.credentials.items()))
        return tuple(entry for entry in entries if entry.manage in (Manage.ROTATE, Manage.OWN))

    def delivered(self, entry: Credential) -> tuple[Place, ...]:
        """The ECS services that a credential is delivered to: agents that consume it, and declared ones."""
        found = []
        for consumer in entry.consumers:
            agent = self.spec.agents.get(consumer.agent or "")
            if agent is not None and agent.runtime.kind == "ecs_fargate":
                service = cloud_name(self.spec.environment, agent.name, limit=_DERIVED_NAMES)
                found.append(Place(cluster=setting(agent.runtime.settings, "cluster"), service=service))
        for chosen in entry.deliver_to:
            if chosen.kind == "ecs_service":
                cluster, service = setting(chosen.settings, "cluster"), setting(chosen.settings, "service")
                found.append(Place(cluster=cluster, service=service))
        return tuple(found)

    def service_arn(self, place: Place) -> str:
        """ARN of an ECS service; its cluster may be given as name or ARN."""
        return self.arn("ecs", f"service/{place.cluster.rpartition('/')[2]}/{self._named(place.service)}")

    def _named(self, name: str) -> str:
        return f"{self.prefix}*" if self._compact and name.startswith(self.prefix) else name

    def secret_arn(self, store: str, name: str) -> str:
        """ARN pattern of one secret: `??????` is the suffix that AWS appends, and nothing longer."""
        settings = self.spec.secret_stores[store].settings
        prefix = setting(settings, "prefix").strip("/")
        which = f"{prefix}/*" if self._compact and prefix else f"{secret_name(prefix, name)}-??????"
        return self.arn("secretsmanager", f"secret:{which}", region=setting(settings, "region") or None)

    def rotated_by_functions(self) -> tuple[str, ...]:
        """ARN patterns of the secrets that rotation functions work on."""
        named = (setting(entry.settings, "secret") for entry in self._with_functions())
        return tuple(
            sorted(
                one if one.startswith("arn:") else self.arn("secretsmanager", f"secret:{one}-??????") for one in named
            )
        )

    def functions(self) -> tuple[str, ...]:
        """ARNs of the rotation functions that may be started."""
        return tuple(sorted({setting(entry.settings, "function") for entry in self._with_functions()}))

    def _with_functions(self) -> Iterator[Credential]:
        for entry in self.spec.credentials.values():
            if entry.kind == "aws_rotation_function" and entry.manage in (Manage.ROTATE, Manage.OWN):
                yield entry

    def users(self) -> tuple[str, ...]:
        """ARNs of the IAM users whose access keys are rotated."""
        found = {
            setting(entry.settings, "user")
            or cloud_name(self.spec.environment, setting(entry.settings, "service_account"))
            for entry in self.spec.credentials.values()
            if entry.kind == "aws_iam_access_key" and entry.manage in (Manage.ROTATE, Manage.OWN)
        }
        return tuple(sorted({self.iam(f"user/{self._named(name)}") for name in found}))

    def verified(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Store and name of the credentials in stores of a kind that connectors log in with."""
        found = set()
        for connector in self.spec.connectors.values():
            entry = self.spec.credentials.get(connector.credential or "")
            store = self.spec.secret_stores.get(entry.store) if entry is not None else None
            if entry is not None and store is not None and store.kind == kind:
                found.add((entry.store, entry.name))
        return tuple(sorted(found))
