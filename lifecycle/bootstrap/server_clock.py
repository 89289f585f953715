"""What another machine says it is: the `Date` of the account's answers, or the health page of Vault."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from lifecycle.bootstrap.stores import Stores, vault_server
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import LifecycleError

if TYPE_CHECKING:
    import hvac


def server_time(around: Surroundings, stores: Stores) -> datetime | None:
    """The time of whoever keeps the values; None when it cannot be asked, which the rotation itself will tell."""
    name = stores.main
    try:
        if around.spec.secret_stores[name].kind == "vault":
            return _vault(around, stores, name)
        return _aws(around)
    except LifecycleError:
        return None


def _aws(around: Surroundings) -> datetime | None:
    from lifecycle.clients.aws import aws_errors

    with aws_errors("asking AWS for the time"):
        answer = around.aws.reader("sts").get_caller_identity()
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    return parsedate_to_datetime(told) if told else None


def _vault(around: Surroundings, stores: Stores, name: str) -> datetime | None:
    def health(client: hvac.Client) -> Any:
        return client.sys.read_health_status(method="GET")

    told = stores.vault_client(vault_server(around.spec, name)).read(health, what="asking Vault for the time")
    seconds = told.get("server_time_utc") if isinstance(told, dict) else None
    return datetime.fromtimestamp(seconds, tz=UTC) if seconds else None
