"""Destinations that keep a copy elsewhere: a place, and our notes about it in the secret store of the credential."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.cached_places import CachedPlaces
from lifecycle.bootstrap.issuers import Issuers
from lifecycle.bootstrap.stores import KeptValue, Stores
from lifecycle.bootstrap.surroundings import Surroundings, utc_now
from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.domain.kinds import Kind
from lifecycle.domain.naming import secret_name
from lifecycle.domain.secret import SecretRef, SecretText, SecretValue, VersionStage
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.clients.kubernetes import KubernetesClient
    from lifecycle.destinations.noted_copy import CopyTarget
    from lifecycle.domain.ports import CredentialDestination

Builder = Callable[[Credential, Any], "CopyTarget"]


def place_kinds() -> tuple[Kind, ...]:
    """Their kinds: one line each."""
    from lifecycle.bootstrap.cached_places import cached_kinds
    from lifecycle.destinations import (
        command,
        datarobot_credential,
        datarobot_oauth_provider,
        github_actions_secret,
        jenkins_credential,
        kubernetes_secret,
        secrets_manager_copy,
        webhook,
    )

    return (
        command.KIND,
        datarobot_credential.KIND,
        datarobot_oauth_provider.KIND,
        github_actions_secret.KIND,
        jenkins_credential.KIND,
        kubernetes_secret.KIND,
        secrets_manager_copy.KIND,
        webhook.KIND,
        *cached_kinds(),
    )


class Places:
    """Makes such destinations.

    Args:
        around: settings, spec, sandbox.
        stores: where the notes are.
    """

    def __init__(self, around: Surroundings, stores: Stores) -> None:
        self._around = around
        self._stores = stores
        self._builders: Mapping[str, Builder] = {
            "command": self._command,
            "datarobot_credential": self._datarobot_credential,
            "datarobot_oauth_provider": self._datarobot_oauth_provider,
            "github_actions_secret": self._github_actions_secret,
            "jenkins_credential": self._jenkins_credential,
            "kubernetes_secret": self._kubernetes_secret,
            "secrets_manager_copy": self._secrets_manager,
            "webhook": self._webhook,
            **self._cached().builders,
        }

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that this makes."""
        return frozenset(self._builders)

    def make(self, credential: Credential, kind: str, settings: Any, consumer: str) -> CredentialDestination:
        """The destination of one consumer."""
        from lifecycle.destinations.noted_copy import NotedCopy

        return NotedCopy(self._builders[kind](credential, settings), self._kept(credential, f"delivery-{consumer}"))

    def _command(self, _credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.command import CommandTarget

        return CommandTarget(
            settings.command,
            settings.withdraw,
            check=settings.check,
            environment=settings.environment,
            on_descriptor=settings.value_on == "descriptor",
            timeout=settings.timeout,
        )

    def _webhook(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.clients.web import WebClient
        from lifecycle.destinations.webhook import WebhookTarget

        store, ref = self._stores.named(credential.store), SecretRef(store=credential.store, path=credential.name)

        def version() -> str:
            current = store.describe(ref).current
            return current.version if current else ""

        return WebhookTarget(
            settings.url,
            credential=credential.name,
            key=lambda: self._signing_key(credential),
            version=version,
            clock=utc_now,
            web=WebClient(timeout=settings.timeout, ca_file=settings.ca_file),
        )

    def _signing_key(self, credential: Credential) -> SecretText:
        """Made at first use; the receiver reads it where it lies."""
        ref = SecretRef(store=credential.store, path=f"{credential.name}-webhook-key")
        fresh = {"key": SecretText(secrets.token_hex(32))}
        return self._stores.named(credential.store).keep_once(ref, fresh)["key"]

    def _datarobot_credential(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.datarobot_credential import DataRobotCredential

        return DataRobotCredential(
            Issuers(self._around, self._stores).datarobot_client(settings.datarobot),
            settings.name,
            data_store=settings.data_store,
            fields=settings.fields,
            former=lambda: self._former(credential),
        )

    def _datarobot_oauth_provider(self, _credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.datarobot_oauth_provider import DataRobotOAuthProvider

        return DataRobotOAuthProvider(
            Issuers(self._around, self._stores).datarobot_client(settings.datarobot),
            settings.id,
            field=settings.field,
            client_id_field=settings.client_id_field,
        )

    def _github_actions_secret(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.github_actions_secret import GitHubActionsSecret, github_client

        login = self._login(credential, settings.login)
        return GitHubActionsSecret(
            github_client(settings.url, lambda: login("token"), ca_file=settings.ca_file),
            settings.path(),
            settings.secrets,
            organization=bool(settings.organization),
        )

    def _jenkins_credential(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.clients.web import WebClient
        from lifecycle.destinations.jenkins_credential import JenkinsCredential, JenkinsLogin

        login = self._login(credential, settings.login)
        return JenkinsCredential(
            settings.url,
            settings.path(),
            settings.id,
            settings.fields,
            login=JenkinsLogin(username=lambda: login("username"), api_token=lambda: login("api_token")),
            web=WebClient(ca_file=settings.ca_file),
        )

    def _cached(self) -> CachedPlaces:
        stores = self._around.spec.secret_stores.items()
        aws = frozenset(name for name, chosen in stores if chosen.kind == "aws_secrets_manager")
        return CachedPlaces(self._stores, aws_stores=aws, client=self._cluster)

    def _cluster(self, credential: Credential, settings: Any) -> KubernetesClient:
        from lifecycle.clients.kubernetes import KubernetesClient
        from lifecycle.clients.web import WebClient

        login = self._login(credential, settings.login)
        token = (lambda: read_token(settings.token_path)) if settings.token_path else (lambda: login("token"))
        return KubernetesClient(settings.server, token, web=WebClient(ca_file=settings.ca_file))

    def _kubernetes_secret(self, credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.kubernetes_secret import KubernetesSecret

        return KubernetesSecret(
            self._cluster(credential, settings),
            settings.name,
            settings.namespace,
            self._stores.fingerprinter,
            keys=settings.keys,
            restart=settings.restart,
        )

    def _secrets_manager(self, _credential: Credential, settings: Any) -> CopyTarget:
        from lifecycle.destinations.secrets_manager_copy import SecretsManagerCopy

        self._refuse_own_secret(settings.name)
        return SecretsManagerCopy(
            self._around.aws,
            settings.name,
            self._stores.fingerprinter,
            create=settings.create,
            kms_key=settings.kms_key,
            budget=self._stores.write_budget,
        )

    def _refuse_own_secret(self, name: str) -> None:
        """A copy must not lie where a store keeps versions with labels of its own."""
        spec = self._around.spec
        for store, chosen in spec.secret_stores.items():
            if chosen.kind != "aws_secrets_manager":
                continue
            kept = {secret_name(chosen.settings.prefix, entry) for entry in spec.credentials}
            if name in kept or any(f":secret:{one}" in name for one in kept):
                raise ConfigurationError(
                    f"{name} is where secret_stores.{store} keeps a credential, so no copy may lie there",
                    remedy="name another secret for the copy",
                )

    def _former(self, credential: Credential) -> SecretValue | None:
        ref = SecretRef(store=credential.store, path=credential.name)
        try:
            return self._stores.named(credential.store).read(ref, VersionStage.PREVIOUS).value
        except NotFoundError:
            return None

    def _login(self, credential: Credential, path: str) -> Callable[[str], SecretText]:
        """Reads one field of the value with which we log in, anew each time: it may be rotated as well."""
        store, ref = self._stores.named(credential.store), SecretRef(store=credential.store, path=path)

        def field(name: str) -> SecretText:
            value = store.recall(ref)
            if name not in value:
                raise ConfigurationError(
                    f"{ref}, the login of a destination of {credential.name}, has no field {name}",
                    remedy="store it there, or name another path as `login`",
                )
            return value[name]

        return field

    def _kept(self, credential: Credential, what: str) -> KeptValue:
        ref = SecretRef(store=credential.store, path=f"{credential.name}-{what}")
        return KeptValue(store=self._stores.named(credential.store), ref=ref)


def read_token(path: str) -> SecretText:
    """A mounted token. Raises ConfigurationError."""
    try:
        return SecretText(Path(path).read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"{path} holds no token that could be read", remedy="mount the service account token, or correct token_path"
        ) from None
