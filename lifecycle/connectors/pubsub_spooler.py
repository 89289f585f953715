"""A Google Pub/Sub spooler: the service account's key gets a token, and has the right to publish and to receive.

`testIamPermissions` tells rights without a message being sent, received or touched. It answers an empty list for a
missing right and for an absent topic alike. The token is fetched once more before a refusal of it is believed.

Sources of the codes: Google, OAuth 2.0 for server to server; error_reason.proto (ErrorInfo); Pub/Sub error codes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from lifecycle.clients.endpoints import checked_endpoint
from lifecycle.clients.web import Answer, WebClient, retry_after
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretText, SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult, VerificationStatus

LOGIN = "login"
_SCOPE = "https://www.googleapis.com/auth/pubsub"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = timedelta(minutes=10)
_FIELDS = frozenset({"client_email", "private_key"})
# Of the token endpoint: error, part of its description in lower case, reason; the first that matches counts.
_TOKEN_TEXTS = (
    ("invalid_grant", "short-lived token", Reason.CLOCK_SKEW),
    ("invalid_grant", "jwt signature", Reason.WRONG_VALUE),
    ("invalid_grant", "account not found", Reason.WRONG_VALUE),
    ("invalid_grant", "", Reason.AMBIGUOUS),
    ("deleted_client", "", Reason.REVOKED),
    ("invalid_client", "", Reason.WRONG_VALUE),
    ("disabled_client", "", Reason.LOCKED),
    ("unauthorized_client", "", Reason.NO_PERMISSION),
    ("access_denied", "", Reason.NO_PERMISSION),
    ("invalid_scope", "", Reason.NOT_CONFIGURED),
    ("invalid_request", "", Reason.NOT_CONFIGURED),
)
_CODES = {
    # ErrorInfo.reason, which counts before the status
    "ACCESS_TOKEN_EXPIRED": Reason.EXPIRED,
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": Reason.NOT_CONFIGURED,
    "CREDENTIALS_MISSING": Reason.NOT_CONFIGURED,
    "USER_PROJECT_DENIED": Reason.NO_PERMISSION,
    "IAM_PERMISSION_DENIED": Reason.NO_PERMISSION,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": Reason.NO_PERMISSION,
    "SERVICE_DISABLED": Reason.NOT_CONFIGURED,
    "BILLING_DISABLED": Reason.NOT_CONFIGURED,
    "CONSUMER_INVALID": Reason.WRONG_TENANT,
    "CONSUMER_SUSPENDED": Reason.LOCKED,
    "API_KEY_IP_ADDRESS_BLOCKED": Reason.NETWORK_POLICY,
    "SECURITY_POLICY_VIOLATED": Reason.NETWORK_POLICY,
    "RATE_LIMIT_EXCEEDED": Reason.THROTTLED,
    "RESOURCE_QUOTA_EXCEEDED": Reason.THROTTLED,
    # status
    "UNAUTHENTICATED": Reason.WRONG_VALUE,
    "PERMISSION_DENIED": Reason.NO_PERMISSION,
    "NOT_FOUND": Reason.NOT_CONFIGURED,
    "INVALID_ARGUMENT": Reason.NOT_CONFIGURED,
    "FAILED_PRECONDITION": Reason.NOT_CONFIGURED,
    "RESOURCE_EXHAUSTED": Reason.THROTTLED,
    "UNAVAILABLE": Reason.SERVICE_FAULT,
    "INTERNAL": Reason.SERVICE_FAULT,
    "DEADLINE_EXCEEDED": Reason.TIMEOUT_READ,
}


class PubSubSpoolerSettings(KindSettings):
    """A connector of kind `pubsub_spooler`; also the target that is verified.

    Attributes:
        project: its id.
        topic: where agents publish; empty = they do not.
        subscription: what they receive from; empty = they do not.
        url: of the REST API.
        token_url: of Google's token endpoint.
        ca_file: trust only this authority; empty = the system's.
    """

    project: str = Field(pattern=r"^[a-z0-9.:-]+$")
    topic: str = Field(default="", pattern=r"^[A-Za-z0-9._~+%-]*$")
    subscription: str = Field(default="", pattern=r"^[A-Za-z0-9._~+%-]*$")
    url: str = "https://pubsub.googleapis.com"
    token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    ca_file: str = ""

    @model_validator(mode="after")
    def _something_asked(self) -> Self:
        if not self.topic and not self.subscription:
            raise ValueError("name a topic, a subscription, or both")
        return self

    def rights(self) -> Iterator[tuple[str, str]]:
        """Each right that is asked about, and the resource that it is on."""
        if self.topic:
            yield "pubsub.topics.publish", f"projects/{self.project}/topics/{self.topic}"
        if self.subscription:
            yield "pubsub.subscriptions.consume", f"projects/{self.project}/subscriptions/{self.subscription}"


class PubSubSpoolerVerifier:
    """Verifies keys of service accounts.

    Args:
        url, token_url: of the API and of the token endpoint.
        clock: the time.
    """

    def __init__(self, url: str, *, token_url: str, clock: Clock) -> None:
        self._url = checked_endpoint(url, what="the address of Pub/Sub")
        self._token_url = checked_endpoint(token_url, what="Google's token endpoint")
        self._clock = clock

    def verify(
        self, target: PubSubSpoolerSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Get a token with the key; ask which rights it has."""
        asked = (LOGIN, *(right for right, _resource in target.rights()))
        probe = Probe.begin(asked, clock=self._clock, deadline=deadline, via=via)
        if not value.keys() >= _FIELDS:
            return probe.result(Reason.NOT_CONFIGURED, "the value has no client_email and private_key")
        web = WebClient(proxy=probe.proxy, ca_file=target.ca_file)
        try:
            for last in (False, True):
                result = self._judge(probe, web, target, value)
                if last or result.status is not VerificationStatus.INVALID or LOGIN not in probe.proved:
                    break  # else a token that was issued just now was refused: once more with a fresh one
            return result
        except ConfigurationError as error:
            return probe.result(Reason.NOT_CONFIGURED, error.message)
        except Exception as error:
            return probe.failed_exchange(error)

    def _judge(
        self, probe: Probe, web: WebClient, target: PubSubSpoolerSettings, value: SecretValue
    ) -> VerificationResult:
        answer = self._token(probe, web, value)
        token = SecretText(answer.text_field("access_token"))
        if answer.status != 200 or not token.get_secret_value():
            return _no_token(probe, answer)
        probe.show(LOGIN)
        for right, resource in target.rights():
            answer = self._ask(probe, web, token, right, resource)
            document = answer.document()
            if answer.status != 200 or not isinstance(document, dict) or document.keys() - {"permissions"}:
                return _refusal(probe, answer)
            if right not in document.get("permissions", ()):
                return probe.result(Reason.NO_PERMISSION, f"{right} on {resource}, or it is absent")
            probe.show(right)
        return probe.works()

    def _token(self, probe: Probe, web: WebClient, value: SecretValue) -> Answer:
        from lifecycle.foundation.signed_jwt import load_key, signed_jwt

        now = int(self._clock().timestamp())
        email = value["client_email"].get_secret_value()
        claims = {
            "iss": email,
            "scope": _SCOPE,
            "aud": self._token_url,
            "iat": now,
            "exp": now + int(_LIFETIME.total_seconds()),
        }
        kid = value["private_key_id"].get_secret_value() if "private_key_id" in value else ""
        assertion = signed_jwt(claims, load_key(value["private_key"], of=email), kid=kid)
        form = urlencode({"grant_type": _GRANT, "assertion": assertion.get_secret_value()}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return web.exchange("POST", self._token_url, headers=headers, content=form, deadline=probe.deadline)

    def _ask(self, probe: Probe, web: WebClient, token: SecretText, right: str, resource: str) -> Answer:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Content-Type": "application/json"}
        content = json.dumps({"permissions": [right]}).encode()
        url = f"{self._url}/v1/{resource}:testIamPermissions"
        return web.exchange("POST", url, headers=headers, content=content, deadline=probe.deadline)


def _no_token(probe: Probe, answer: Answer) -> VerificationResult:
    code, words = answer.text_field("error"), answer.text_field("error_description").lower()
    found = next((reason for of, part, reason in _TOKEN_TEXTS if of == code and part in words), None)
    told = f"token: HTTP {answer.status} {code if found else ''}".rstrip()
    reason = found or (reason_of_status(answer.status) if code else Reason.AMBIGUOUS)
    return probe.result(capped(reason, answer.status), told, retry_after=retry_after(answer.headers))


def _refusal(probe: Probe, answer: Answer) -> VerificationResult:
    code = next((code for code in _codes(answer.document()) if code in _CODES), "")
    told = f"HTTP {answer.status} {code}".rstrip()
    if not code or answer.status < 400:
        return probe.result(capped(Reason.AMBIGUOUS, answer.status), f"{told}, not Google's form")
    return probe.result(capped(_CODES[code], answer.status), told, retry_after=retry_after(answer.headers))


def _codes(document: Any) -> Iterator[str]:
    """Google's codes in an error: the reasons of its details before its status."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return
    for detail in error.get("details") or ():
        if isinstance(detail, dict):
            yield str(detail.get("reason", ""))
    yield str(error.get("status", ""))


_: type[ConnectorVerifier] = PubSubSpoolerVerifier

KIND = Kind(
    name="pubsub_spooler",
    family=Family.CONNECTOR,
    settings=PubSubSpoolerSettings,
    summary="A Google Pub/Sub spooler: the key gets a token, and has the right to publish and to receive.",
)
