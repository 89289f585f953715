"""A double of Microsoft Graph's applications and of the token endpoint where their credentials log in.

It refuses what Graph and Entra refuse: a token that the real authority does not know, an identity that owns nothing,
removal of an unknown password, a changed or re-added entry of keyCredentials, more entries than fit. Reads may lag
behind writes, and a fresh secret may be refused for a while. The administrator's login is not its own: it asks
`admitted` about each token.
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import Certificate, load_der_x509_certificate

from tests.contract.http_doubles import Reply, Request

TENANT = str(uuid4())
_POLICY_DAYS = 730
_ROOM = 120
_UPDATABLE = ("keyId", "type", "usage", "displayName", "customKeyIdentifier", "startDateTime", "endDateTime")


@dataclass(kw_only=True)
class Application:
    """One application; `secrets_by_key` is what only the token endpoint knows."""

    passwords: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, Any]] = field(default_factory=list)
    secrets_by_key: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class GraphDouble:
    """State and behaviour; `answer` serves both APIs.

    Attributes:
        admitted: who may administer: judges the token of a request. "" = no, else "owner" or "stranger".
        lagging: how many further reads still show what was before the last write.
        immature: how many logins a fresh secret is still refused.
    """

    admitted: Callable[[str], str]
    url: str = ""
    lagging: int = 0
    immature: int = 0
    applications: dict[str, Application] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)

    def register(self) -> str:
        """Make an application; returns its client id."""
        app_id = str(uuid4())
        self.applications[app_id] = Application()
        return app_id

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        parts = urlsplit(request.path)
        if parts.path.startswith("/v1.0/"):
            return self._graph(request, parts.path.removeprefix("/v1.0"))
        if parts.path.endswith("/.well-known/openid-configuration"):
            return _json(200, self._metadata())
        if parts.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token({name: items[0] for name, items in parse_qs(request.body.decode()).items()})
        return Reply(status=404)

    # -- Graph

    def _graph(self, request: Request, path: str) -> Reply:
        rights = self.admitted((request.headers.get("Authorization") or "").removeprefix("Bearer "))
        if not rights:
            return _refused(401, "InvalidAuthenticationToken")
        app_id, _, action = path.removeprefix("/applications(appId='").partition("')")
        application = self.applications.get(app_id)
        if application is None:
            return _refused(404, "Request_ResourceNotFound")
        if request.method == "GET":
            return self._shown(app_id)
        if rights != "owner":
            return _refused(403, "Authorization_RequestDenied")
        self._before[app_id] = self._state(app_id)
        body = json.loads(request.body)
        if action == "/addPassword":
            return self._add(application, body["passwordCredential"])
        if action == "/removePassword":
            return _remove(application, body["keyId"])
        return _replace_keys(application, body["keyCredentials"]) if request.method == "PATCH" else Reply(status=405)

    def _shown(self, app_id: str) -> Reply:
        if self.lagging and app_id in self._before:
            self.lagging -= 1
            return Reply(body=self._before[app_id].encode(), headers=_HEADERS)
        return Reply(body=self._state(app_id).encode(), headers=_HEADERS)

    def _state(self, app_id: str) -> str:
        application = self.applications[app_id]
        return json.dumps({"passwordCredentials": application.passwords, "keyCredentials": application.keys})

    def _add(self, application: Application, wanted: dict[str, Any]) -> Reply:
        ends = datetime.fromisoformat(wanted["endDateTime"].replace("Z", "+00:00"))
        if (ends - datetime.now(UTC)).days > _POLICY_DAYS:
            return _refused(403, "CredentialInvalidLifetimeAsPerAppPolicy")
        if len(application.passwords) + len(application.keys) >= _ROOM:
            return _refused(403, "Directory_QuotaExceeded")
        text = secrets.token_urlsafe(30)
        made = {
            "keyId": str(uuid4()),
            "displayName": wanted["displayName"][:90],
            "startDateTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}1Z",
            "endDateTime": wanted["endDateTime"],
            "hint": text[:3],
            "secretText": None,
        }
        application.passwords.append(made)
        application.secrets_by_key[made["keyId"]] = text
        return _json(200, made | {"secretText": text})

    # -- Entra

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": f"{self.url}/{TENANT}/v2.0",
            "authorization_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/authorize",
            "token_endpoint": f"{self.url}/{TENANT}/oauth2/v2.0/token",
        }

    def _token(self, form: dict[str, str]) -> Reply:
        application = self.applications.get(form["client_id"])
        if application is None:
            return _aadsts(400, "unauthorized_client", 700016)
        if "client_assertion" in form:
            refused = self._assertion(application, form)
        else:
            refused = self._secret(application, form.get("client_secret", ""))
        return refused or _json(200, {"token_type": "Bearer", "expires_in": 3599, "access_token": uuid4().hex})

    def _secret(self, application: Application, presented: str) -> Reply | None:
        known = {item["keyId"]: item for item in application.passwords}
        found = next((known.get(key) for key, text in application.secrets_by_key.items() if text == presented), None)
        if found is not None and self.immature:
            self.immature -= 1
            found = None
        if found is None:
            return _aadsts(401, "invalid_client", 7000215)
        ended = datetime.fromisoformat(found["endDateTime"].replace("Z", "+00:00")) < datetime.now(UTC)
        return _aadsts(401, "invalid_client", 7000222) if ended else None

    def _assertion(self, application: Application, form: dict[str, str]) -> Reply | None:
        head = jwt.get_unverified_header(form["client_assertion"])
        for entry in application.keys:
            certificate = load_der_x509_certificate(base64.b64decode(entry["key"]))
            if not _names(head, certificate):
                continue
            try:
                jwt.decode(
                    form["client_assertion"],
                    certificate.public_key(),  # type: ignore[arg-type]  # an RSA key: the only kind that is added
                    algorithms=[head["alg"]],
                    audience=f"{self.url}/{TENANT}/oauth2/v2.0/token",
                )
            except jwt.InvalidTokenError:
                continue
            return None
        return _aadsts(401, "invalid_client", 700027)


_HEADERS = {"Content-Type": "application/json", "request-id": "11111111-2222-3333-4444-555555555555"}


def _names(head: dict[str, Any], certificate: Certificate) -> bool:
    """Whether the head of an assertion names this certificate, by either thumbprint."""
    wanted = {"x5t": SHA1(), "x5t#S256": SHA256()}
    shown = {
        name: base64.urlsafe_b64encode(certificate.fingerprint(kind)).rstrip(b"=").decode()
        for name, kind in wanted.items()
    }
    return any(str(head.get(name)).rstrip("=") == text for name, text in shown.items())


def _json(status: int, document: dict[str, Any]) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode(), headers=_HEADERS)


def _refused(status: int, code: str) -> Reply:
    return _json(status, {"error": {"code": code, "message": f"told by Graph: {code}"}})


def _aadsts(status: int, error: str, number: int) -> Reply:
    return _json(
        status, {"error": error, "error_codes": [number], "error_description": f"AADSTS{number}: refused. Trace ID: x"}
    )


def _remove(application: Application, key_id: str) -> Reply:
    left = [item for item in application.passwords if item["keyId"] != key_id]
    if len(left) == len(application.passwords):
        return _refused(400, "Request_BadRequest")
    application.passwords = left
    application.secrets_by_key.pop(key_id)
    return Reply(status=204, headers=_HEADERS)


def _replace_keys(application: Application, wanted: list[dict[str, Any]]) -> Reply:
    """The whole collection: entries that stay are named by keyId and unchanged, new ones bring a key."""
    known = {item["keyId"]: item for item in application.keys}
    after: list[dict[str, Any]] = []
    for entry in wanted:
        held = known.get(entry.get("keyId", ""))
        if held is not None:
            if entry.get("key") is not None or any(entry.get(name) != held.get(name) for name in _UPDATABLE):
                return _refused(400, "Request_BadRequest")  # "Update to existing credential is not allowed"
            after.append(held)
        elif not entry.get("key") or "keyId" in entry:
            return _refused(400, "Request_BadRequest")
        else:
            thumbprint = load_der_x509_certificate(base64.b64decode(entry["key"])).fingerprint(SHA256())
            after.append({**entry, "keyId": str(uuid4()), "customKeyIdentifier": base64.b64encode(thumbprint).decode()})
    if len(after) + len(application.passwords) > _ROOM:
        return _refused(403, "Directory_QuotaExceeded")
    application.keys = after
    return Reply(status=204, headers=_HEADERS)
