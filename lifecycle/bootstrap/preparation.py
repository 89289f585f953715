"""Wires `lifecycle bootstrap`: which parts an environment needs, and as whom they are made.

As whom: AWS with the login of whoever runs it, without the role of the spec, which may not exist yet; Vault with
LIFECYCLE_VAULT_TOKEN where it is set, else with the login of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lifecycle.bootstrap.journals import vault_journal_store
from lifecycle.bootstrap.stores import FINGERPRINT_KEY, Stores
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import NotFoundError, UnsafePlanError
from lifecycle.domain.secret import SecretRef

if TYPE_CHECKING:
    from lifecycle.clients.aws import AwsClients
    from lifecycle.operations.bootstrap_environment import BootstrapOutcome, Part, Survey
    from lifecycle.secret_stores.vault_settings import VaultSettings


def bootstrap(around: Surroundings, *, confirm: Callable[[Survey], bool]) -> BootstrapOutcome:
    """Make what is missing of an environment; a sandbox brings everything itself.

    Raises:
        UnsafePlanError: the AWS login is of another account than the spec names.
    """
    from lifecycle.operations.bootstrap_environment import BootstrapOutcome, Survey, bootstrap_environment

    if around.spec.sandbox is not None:
        return BootstrapOutcome(survey=Survey(found=()), made=())
    parts = tuple(_parts(around))
    return bootstrap_environment(parts, confirm=confirm, observe=around.step)


def ci_trust(around: Surroundings, repository: str) -> str:
    """How CI jobs of a repository log in without a stored key, as text."""
    from lifecycle.renderers.ci_trust import render_ci_trust

    return render_ci_trust(around.spec, repository)


def _parts(around: Surroundings) -> Iterator[Part]:
    """In the order in which they are made: later ones live in earlier ones."""
    yield from _aws_parts(around)
    stores = Stores(around, administrator=True)
    for name in sorted(around.spec.secret_stores):
        if around.spec.secret_stores[name].kind == "vault":
            yield from _vault_parts(around, stores, name)
    if around.spec.secret_stores:
        yield FingerprintKey(stores)


def _aws_parts(around: Surroundings) -> Iterator[Part]:
    from lifecycle.journals.dynamodb_table import JournalTable
    from lifecycle.secret_stores.kms_alias import KmsAlias
    from lifecycle.terraform_cli.state_bucket import StateBucket

    spec = around.spec
    if spec.aws is None:
        return
    clients = around.administrator_aws
    _check_account(clients, spec.aws.account_id)
    stores = (store.settings for store in spec.secret_stores.values() if store.kind == "aws_secrets_manager")
    named = {entry.kms_key for entry in spec.credentials.values()} | {settings.kms_key for settings in stores}
    for alias in sorted(key for key in named if key and key.startswith("alias/")):
        yield KmsAlias(clients, alias=alias)
    if spec.backend.kind == "s3":
        settings = spec.backend.settings
        there = _in_region(clients, settings.region)
        key = settings.kms_key_id or ""
        yield StateBucket(there, bucket=settings.bucket, account_id=spec.aws.account_id, kms_key_id=key)
    if spec.journal is not None and spec.journal.kind == "dynamodb":
        yield JournalTable(clients, table=spec.journal.settings.table)


def _vault_parts(around: Surroundings, stores: Stores, name: str) -> Iterator[Part]:
    from lifecycle.policy_engine.generate import generate_policies
    from lifecycle.secret_stores.vault_setup import VaultMount, VaultPolicies

    settings: VaultSettings = around.spec.secret_stores[name].settings
    client, home = stores.vault_client(settings), around.spec.environment
    yield VaultMount(client, mount=settings.mount)
    journal = around.spec.journal
    if journal is not None and journal.kind == "vault":
        vault_journal_store(around, journal.settings.store)
    folder = f"{home}/vault/{name}/"
    files = {path: text for path, text in generate_policies(around.spec).items() if path.startswith(folder)}
    policies = {
        f"lifecycle-{home}-{name}-{path.removeprefix(folder).removesuffix('.hcl')}": text
        for path, text in files.items()
    }
    yield VaultPolicies(client, policies)


def _check_account(clients: AwsClients, expected: str) -> None:
    from lifecycle.clients.aws import aws_errors

    with aws_errors("asking AWS who we are"):
        account = str(clients.reader("sts").get_caller_identity()["Account"])
    if account != expected:
        raise UnsafePlanError(
            f"this AWS login is of account {account}, the spec names {expected}",
            remedy="log in to the account of the environment, or correct aws.account_id",
        )


def _in_region(clients: AwsClients, region: str) -> AwsClients:
    from lifecycle.clients.aws import AwsClients

    return clients if clients.connection.region == region else AwsClients(replace(clients.connection, region=region))


class FingerprintKey:
    """The key under which values are named without revealing them, kept in the main store.

    Args:
        stores: as an administrator.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    @property
    def title(self) -> str:
        """What it is."""
        return f"fingerprint key in secret store {self._stores.main}"

    def missing(self) -> tuple[str, ...]:
        """The key."""
        try:
            self._stores.named(self._stores.main).recall(SecretRef(store=self._stores.main, path=FINGERPRINT_KEY))
        except NotFoundError:
            return ("key",)
        return ()

    def make(self) -> None:
        """Make it once; of two runs, the first one's key stays."""
        self._stores.make_fingerprint_key()
