"""What both kinds of login of an Entra application share: one application in Microsoft Graph.

An application is named by its client id (`appId`). Its object is read with `$select`, the only way in which Graph shows
public keys; there are no pages. Graph answers reads from replicas that lag behind its writes.

Sources: Microsoft Graph v1.0, "application" resource, addPassword, removePassword, Update application; errors and
throttling limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from lifecycle.clients.rest import RestClient
from lifecycle.clients.web import Answer
from lifecycle.domain.errors import ConfigurationError, LifecycleError, RemoteServiceError, SlotOccupiedError
from lifecycle.domain.kinds import KindSettings
from lifecycle.domain.spec import Duration

LONGEST_NAME = 90  # characters of a credential's display name; Graph cuts longer ones without a word
_FULL = ("Directory_QuotaExceeded", "Directory_ResourceSizeExceeded")
_POLICY = ("CredentialInvalidLifetimeAsPerAppPolicy", "CredentialTypeNotAllowedAsPerAppPolicy")
_RACE = ("Directory_ConcurrencyViolation", "ConcurrencyViolation")


class EntraApplicationSettings(KindSettings):
    """What both kinds of credential of an Entra application say.

    Attributes:
        tenant_id: the directory.
        client_id: the application (`appId`).
        lifetime: after which a credential ends by itself; must outlast rotation_period and grace.
        admin: the credential of this spec (of an Entra application) that owns this one; empty = this machine's Azure
            identity.
        graph: base URL of Microsoft Graph.
        authority: of Entra; empty = the public cloud's.
        ca_file: trust only this authority for TLS; empty = the system's.
    """

    tenant_id: str
    client_id: str
    lifetime: Duration
    admin: str | None = None
    graph: str = "https://graph.microsoft.com/v1.0"
    authority: str = ""
    ca_file: str = ""


class EntraApplication:
    """Reads and changes the credentials of applications.

    Args:
        client: an identity that owns the applications.
    """

    def __init__(self, client: RestClient) -> None:
        self._client = client

    def entries(self, app_id: str, collection: str) -> list[Mapping[str, Any]]:
        """Every entry of `passwordCredentials` or `keyCredentials`.

        Raises:
            RemoteServiceError: Graph answered without the collection, so it cannot be told what exists.
        """
        what = f"listing the {collection} of application {app_id}"
        found = self._client.read(f"{path_of(app_id)}?$select={collection}", what=what).get(collection)
        if not isinstance(found, list):
            raise RemoteServiceError(f"{what}: the answer does not show them", remedy="check `graph` in the spec")
        return [item for item in found if isinstance(item, Mapping)]

    def change(self, method: str, path: str, body: Mapping[str, Any], *, what: str) -> Answer:
        """Send one change; a 400 is returned, other refusals are raised as ours."""
        answer = self._client.write(method, path, body, what=what, judged=(400, 403, 409, 412))
        if answer.status < 300:
            return answer
        raised = self._told(answer, what)
        if raised is not None:
            raise raised
        return answer

    def refusal(self, answer: Answer, what: str) -> LifecycleError:
        """A refusal as an error."""
        return self._client.refusal(answer, what, writes=True)

    def _told(self, answer: Answer, what: str) -> LifecycleError | None:
        code = self._client.service.code_of(answer)
        if code in _FULL:
            return SlotOccupiedError(
                f"{what}: the application or its directory is full ({code})",
                remedy="remove credentials that ended: az ad app credential list --id APP",
            )
        if code in _POLICY:
            return ConfigurationError(
                f"{what}: a policy of the tenant forbids it ({code})",
                remedy="shorten `lifetime`, or use the kind of login that the tenant allows",
            )
        if code in _RACE or answer.status in (409, 412):
            return RemoteServiceError(f"{what}: somebody else changed it just now", remedy="run again", retryable=True)
        return None if answer.status == 400 else self.refusal(answer, what)


def path_of(app_id: str) -> str:
    """Where Graph has an application, by its client id."""
    return f"/applications(appId='{quote(app_id, safe='-')}')"
