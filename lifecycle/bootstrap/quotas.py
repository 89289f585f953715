"""Providers' quotas: what one rotation takes from each, and the buckets and breakers that all threads share.

Sources: Secrets Manager quotas; Microsoft Graph throttling limits. Where a provider publishes no number the rate is a
cautious guess, told as such by its name in `rotate plan` and set with `rates` in lifecycle.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.rotation_forecast import QuotaUse
from lifecycle.domain.spec import Credential

if TYPE_CHECKING:
    from lifecycle.foundation.breaker import Breaker
    from lifecycle.foundation.rate_budget import RateBudget

SECRETS_MANAGER_WRITES = 50.0  # per second and region, fixed
_STORE_CALLS = 7  # put, two moves of a label, promotion with its label, seal, tidying
_GRAPH = 20.0  # 3,000 directory writes in 150 s
_GUESS = 5.0
# Kind of credential -> provider, its quota and writes of one rotation.
_ISSUERS: dict[str, tuple[str, float, int]] = {
    "aws_iam_access_key": ("aws-iam", _GUESS, 3),
    "aws_rotation_function": ("secrets-manager-rotations", 50.0, 1),  # RotateSecret and CancelRotateSecret together
    "azure_storage_account_key": ("azure-resource-manager", _GUESS, 2),
    "databricks_service_principal_secret": ("databricks", _GUESS, 2),
    "datarobot_api_key": ("datarobot", _GUESS, 2),
    "entra_application_certificate": ("microsoft-graph", _GRAPH, 2),
    "entra_application_password": ("microsoft-graph", _GRAPH, 2),
    "okta_client_secret": ("okta", _GUESS, 3),
    "snowflake_key_pair": ("snowflake", _GUESS, 2),
    "snowflake_named_key_pair": ("snowflake", _GUESS, 3),
}
_PLACES = (
    "issuer",
    "org",
    "account",
    "account_id",
    "endpoint",
    "host",
    "tenant_id",
    "server",
    "datarobot",
)  # settings that tell installations


class Quotas:
    """The buckets and breakers of one command.

    Args:
        around: settings, spec.
    """

    def __init__(self, around: Surroundings) -> None:
        from lifecycle.foundation.breaker import Breakers

        self._around = around
        self._budgets: dict[str, RateBudget] = {}
        self._breakers = Breakers()

    def uses(self, credential: Credential) -> tuple[QuotaUse, ...]:
        """What one rotation of this credential takes."""
        use = self._issuer(credential)
        store = self._around.spec.secret_stores.get(credential.store)
        if store is None or store.kind != "aws_secrets_manager":
            return (use,)
        rate = SECRETS_MANAGER_WRITES
        return (use, QuotaUse(quota="secrets-manager-writes", calls=_STORE_CALLS, per_second=rate))

    def budget(self, credential: Credential) -> RateBudget:
        """The bucket of its issuer's quota, shared by every credential of the same one."""
        from lifecycle.foundation.rate_budget import RateBudget

        use = self._issuer(credential)
        if use.quota not in self._budgets:
            self._budgets[use.quota] = RateBudget(use.per_second, burst=max(1, int(use.per_second)))
        return self._budgets[use.quota]

    def breaker(self, credential: Credential) -> Breaker:
        """The breaker of the provider's installation."""
        return self._breakers(self._installation(credential))

    def _issuer(self, credential: Credential) -> QuotaUse:
        name, rate, calls = _ISSUERS.get(credential.kind, (self._installation(credential), _GUESS, 2))
        return QuotaUse(quota=name, calls=calls, per_second=self._around.settings.rates.get(name, rate))

    def _installation(self, credential: Credential) -> str:
        """One provider at one place, e.g. `postgres_role_password db.acme.example`."""
        found = (getattr(credential.settings, name, None) for name in _PLACES)
        return " ".join([credential.kind, *(str(place) for place in found if place)])
