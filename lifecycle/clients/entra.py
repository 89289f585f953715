"""Access tokens of Microsoft Entra through azure-identity: of a stored login, or of this machine.

Sources: azure-identity documentation; Microsoft Entra, reference-error-codes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lifecycle.clients.endpoints import is_loopback
from lifecycle.clients.rest import Service
from lifecycle.clients.transport import transport_reason
from lifecycle.clients.web import exchange_error
from lifecycle.domain.errors import AuthenticationError, ConfigurationError
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Reason

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

# azure-identity warns with the raw answers of the token endpoint; what we raise says what of them may be shown.
# So does MSAL below it, of those that are no JSON.
for _library in ("azure.identity", "msal"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)
_NUMBER = re.compile(r"AADSTS\d{5,7}")
_EARLY = 300  # seconds before its end from which a token is no longer used
_CERTIFICATE = frozenset({"tenant_id", "client_id", "certificate", "private_key"})
_SECRET = frozenset({"tenant_id", "client_id", "client_secret"})

GRAPH = Service(
    name="Microsoft Graph",
    request_id="request-id",
    code=("error", "code"),
    login="check the admin identity, and that its token is for this Graph",
    rights="make the admin identity an owner of the application and grant it Application.ReadWrite.OwnedBy",
)
RESOURCE_MANAGER = Service(
    name="Azure Resource Manager",
    request_id="x-ms-request-id",
    code=("error", "code"),
    login="check the admin identity and its tenant",
    rights="grant listkeys/action and regeneratekey/action on the storage account, e.g. Storage Account Key Operator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraPlace:
    """Where Entra is.

    Attributes:
        authority: https URL; empty = the public cloud's.
        ca_file: trust only this authority for TLS; empty = the system's.
        timeout: seconds, of connecting and of each read.
        proxy: an http proxy URL; empty = the environment's.
        heard: called with each answer, as azure-core has it.
    """

    authority: str = ""
    ca_file: str = ""
    timeout: float = 20.0
    proxy: str = ""
    heard: Callable[[Any], None] | None = field(default=None, repr=False)

    def options(self) -> dict[str, Any]:
        """What every credential of azure-identity takes."""
        options: dict[str, Any] = {
            "connection_timeout": min(6.0, self.timeout),
            "read_timeout": self.timeout,
            "retry_total": 0,
            "permit_redirects": False,
            "connection_verify": self.ca_file or True,
        }
        if self.heard is not None:
            options["raw_response_hook"] = self.heard
        if self.authority:
            # A private authority is none that Microsoft could vouch for.
            options |= {"authority": self.authority, "disable_instance_discovery": True}
        if self.proxy:
            options["proxies"] = {"http": self.proxy, "https": self.proxy}
        elif is_loopback(self.authority):
            options["use_env_settings"] = False  # no proxy of the environment for this machine
        return options


def stored_credential(value: SecretValue, place: EntraPlace) -> TokenCredential:
    """The login in a stored value: a certificate with its key, or a client secret.

    Raises:
        ConfigurationError: it is neither.
    """
    from azure.identity import CertificateCredential, ClientSecretCredential

    if value.keys() >= _CERTIFICATE:
        tenant, client = (value[name].get_secret_value() for name in ("tenant_id", "client_id"))
        pem = f"{value['certificate'].get_secret_value()}\n{value['private_key'].get_secret_value()}".encode()
        try:
            return CertificateCredential(tenant, client, certificate_data=pem, **place.options())
        except ValueError:
            raise ConfigurationError(
                f"the certificate of application {client} cannot be read",
                remedy="store certificate and private key as PEM",
            ) from None
    if value.keys() >= _SECRET:
        tenant, client = (value[name].get_secret_value() for name in ("tenant_id", "client_id"))
        secret = value["client_secret"].get_secret_value()
        return ClientSecretCredential(tenant, client, secret, **place.options())
    raise ConfigurationError(
        "the stored value is no login of Entra",
        remedy="store tenant_id and client_id with client_secret, or with certificate and private_key",
    )


def refused_with(text: str) -> str:
    """The AADSTS code that caused a refusal (the last one named), or words that say there is none."""
    found = _NUMBER.findall(text)
    return found[-1] if found else "no AADSTS code"


def unanswered(error: Exception) -> bool:
    """Whether azure-identity reports a lost exchange in the words of a refusal, as it does for most of them."""
    return not _NUMBER.search(str(error)) and transport_reason(error) is not Reason.AMBIGUOUS


@dataclass(kw_only=True)
class EntraLogin:
    """Gives the `Authorization` header of one identity; tokens are kept in memory until shortly before their end.

    Attributes:
        scope: of the API that is called, e.g. https://graph.microsoft.com/.default.
        read: reads the stored login; None = this machine's: environment, workload or managed identity, Azure CLI.
        place: where Entra is.
    """

    scope: str
    read: Callable[[], SecretValue] | None = None
    place: EntraPlace = field(default_factory=EntraPlace)
    _token: AccessToken | None = field(default=None, repr=False)
    _of: SecretValue | None = field(default=None, repr=False)

    def authorization(self) -> SecretText:
        """The header's value.

        Raises:
            AuthenticationError: Entra refused the login; names its code.
            UnreachableError: Entra could not be reached.
        """
        value = self.read() if self.read is not None else None
        token = self._token
        if token is None or value != self._of or token.expires_on - _EARLY < time.time():
            token = self._fetch(value)
            self._token, self._of = token, value
        return SecretText(f"Bearer {token.token}")

    def _fetch(self, value: SecretValue | None) -> AccessToken:
        from azure.core.exceptions import ClientAuthenticationError

        who = value["client_id"].get_secret_value() if value and "client_id" in value else "this machine's identity"
        credential = _machine(self.place) if value is None else stored_credential(value, self.place)
        try:
            return credential.get_token(self.scope)
        except Exception as error:
            if isinstance(error, ClientAuthenticationError) and not unanswered(error):
                raise AuthenticationError(
                    f"Entra refused {who}: {refused_with(str(error))}",
                    remedy="check this login; its secret may have ended, or the scheduler has no Azure identity",
                ) from None
            raise exchange_error(error, what=f"logging in to Entra as {who}", writes=False) from None
        finally:
            getattr(credential, "close", lambda: None)()


def _machine(place: EntraPlace) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    # No `retry_total` here: the service that gives managed identities refuses the first calls after a start.
    options = {name: item for name, item in place.options().items() if name != "retry_total"}
    return DefaultAzureCredential(exclude_interactive_browser_credential=True, **options)


def default_scope(endpoint: str) -> str:
    """The scope that stands for everything granted at an API, from the API's address."""
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/.default"
