"""API keys, users and the audit log of the DataRobot double, and how a request is authenticated.

An organisation administrator may name another user of the organisation (`userId` in the body of a creation or in the
query of a listing). DataRobot documents no such field: it stands for the step in which an administrator signs in as the
service account and makes its first key.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from lifecycle.sandbox.datarobot_state import (
    ROOT,
    Caller,
    DataRobotState,
    Record,
    body_of,
    forbidden,
    invalid,
    new_id,
    not_found,
    page,
    parse_time,
    text_of,
)
from lifecycle.sandbox.wsgi import Reply, ReplyError, Route, routes

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

KEYS = f"{ROOT}/account/apiKeys/"
_SHOWN = ("id", "name", "createdAt", "expireAt", "userId", "isScoped", "lastUsedAt")


def key_digest(token: str) -> str:
    """Under which digest a key is remembered."""
    return hashlib.sha256(token.encode()).hexdigest()


def authenticate(request: Request, state: DataRobotState) -> Caller:
    """Who sends this request, by `Authorization: Token KEY` or `Bearer KEY`.

    Raises:
        ReplyError: 401; the key is unknown, deleted or expired, or its user is deactivated or expired.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    digest, now = key_digest(token.strip()), state.clock()
    key = next((key for key in state.table("keys").values() if key["digest"] == digest), None)
    if scheme.lower() not in {"token", "bearer"} or key is None or _is_past(key["expireAt"], now):
        raise ReplyError(401, {"message": "Invalid or missing API token."})
    user = state.table("users")[key["userId"]]
    if not user["activated"] or _is_past(user["expirationDate"], now):
        raise ReplyError(401, {"message": "The user account is deactivated or has expired."})
    key["lastUsedAt"] = state.now()
    return Caller(user=user, key=key)


def add_key(state: DataRobotState, user: Record, name: str, *, token: str, expire_at: Any = None) -> Record:
    """Remember a key; the audit log gets its event."""
    if expire_at is not None and parse_time(expire_at, "expireAt") <= state.clock():
        raise invalid("expireAt must be in the future")
    key = {
        "id": new_id(),
        "name": name,
        "digest": key_digest(token),
        "userId": user["id"],
        "createdAt": state.now(),
        "expireAt": expire_at,
        "isScoped": False,
        "lastUsedAt": None,
    }
    state.table("keys")[key["id"]] = key
    state.log_event("API Key Created", user, {"apiKeyId": key["id"], "name": name})
    return key


class Account:
    """`/account/`, `/organizations/ID/users/`, `/entitlements/evaluate/` and `/eventLogs/`."""

    def __init__(self, state: DataRobotState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Their paths."""
        one, users = f"{KEYS}<key_id>/", f"{ROOT}/organizations/<org_id>/users/"
        return routes(
            ("GET", f"{ROOT}/account/info/", self.info),
            ("GET", KEYS, self.list_keys),
            ("POST", KEYS, self.create_key),
            ("GET", one, self.get_key),
            ("PATCH", one, self.update_key),
            ("DELETE", one, self.delete_key),
            ("GET", users, self.list_users),
            ("PATCH", f"{users}<user_id>/", self.update_user),
            ("POST", f"{ROOT}/entitlements/evaluate/", self.evaluate),
            ("GET", f"{ROOT}/eventLogs/", self.events),
        )

    def info(self, _: Request, caller: Caller) -> Reply:
        """Whose key is this?"""
        user = caller.user
        body = {"uid": user["id"], "email": user["username"], "permissions": {}}
        shared = {name: user[name] for name in ("firstName", "lastName", "orgId", "tenantId")}
        return Reply(body=body | shared)

    def list_keys(self, request: Request, caller: Caller) -> Reply:
        """The user's keys, without key material."""
        user = self._subject(caller, request.args.get("userId"))
        keys = [key for key in self._state.table("keys").values() if key["userId"] == user["id"]]
        return page(request, [_shown(key) for key in keys])

    def create_key(self, request: Request, caller: Caller) -> Reply:
        """A new key; its value is shown this once. Equal names are allowed, as in the product."""
        body = body_of(request)
        user = self._subject(caller, body.get("userId"))
        token = secrets.token_urlsafe(45)
        key = add_key(self._state, user, text_of(body, "name"), token=token, expire_at=body.get("expireAt"))
        self._state.save()
        return Reply(status=201, body=_shown(key) | {"key": token})

    def get_key(self, _: Request, caller: Caller, key_id: str) -> Reply:
        """One key, without key material."""
        return Reply(body=_shown(self._key(caller, key_id)))

    def update_key(self, request: Request, caller: Caller, key_id: str) -> Reply:
        """Rename."""
        key = self._key(caller, key_id)
        key["name"] = text_of(body_of(request), "name")
        self._state.log_event("API Key Updated", caller.user, {"apiKeyId": key_id, "name": key["name"]})
        self._state.save()
        return Reply(body=_shown(key))

    def delete_key(self, _: Request, caller: Caller, key_id: str) -> Reply:
        """Delete; refused from the next request on. The one used for this request may go too."""
        key = self._key(caller, key_id)
        del self._state.table("keys")[key_id]
        self._state.log_event("API Key Deleted", caller.user, {"apiKeyId": key_id, "name": key["name"]})
        self._state.save()
        return Reply(status=204)

    def list_users(self, request: Request, caller: Caller, org_id: str) -> Reply:
        """The organisation's users; administrators only."""
        self._check_admin(caller, org_id)
        return page(request, self._state.table("users").values())

    def update_user(self, request: Request, caller: Caller, org_id: str, user_id: str) -> Reply:
        """Activate, deactivate, set an expiration date; administrators only."""
        self._check_admin(caller, org_id)
        user = self._state.find("users", user_id)
        body = body_of(request)
        if body.get("expirationDate") is not None:
            parse_time(body["expirationDate"], "expirationDate")
        user |= {name: body[name] for name in ("activated", "expirationDate") if name in body}
        self._state.save()
        return Reply(body=user)

    def evaluate(self, request: Request, _: Caller) -> Reply:
        """Effective feature flags: everything is licensed."""
        wanted = body_of(request).get("entitlements")
        if not isinstance(wanted, list):
            raise invalid("entitlements is required")
        return Reply(body={"entitlements": [{"name": text_of(item, "name"), "value": True} for item in wanted]})

    def events(self, request: Request, caller: Caller) -> Reply:
        """The audit log, newest first; administrators only."""
        if not caller.is_admin:
            raise forbidden()
        events = list(self._state.table("eventLogs").values())
        for argument, name in (("event", "event"), ("userId", "userId")):
            wanted = request.args.get(argument)
            events = [event for event in events if wanted in (None, event[name])]
        ordered = events if request.args.get("order") == "asc" else events[::-1]
        return page(request, ordered)

    def _subject(self, caller: Caller, user_id: Any) -> Record:
        if user_id in (None, caller.user["id"]):
            return caller.user
        if not caller.is_admin:
            raise forbidden()
        return self._state.find("users", str(user_id))

    def _key(self, caller: Caller, key_id: str) -> Record:
        key = self._state.find("keys", key_id)
        if key["userId"] != caller.user["id"] and not caller.is_admin:
            raise not_found()
        return key

    def _check_admin(self, caller: Caller, org_id: str) -> None:
        if not caller.is_admin or org_id != caller.user["orgId"]:
            raise forbidden()


def _shown(key: Record) -> Record:
    return {name: key[name] for name in _SHOWN}


def _is_past(moment: Any, now: float) -> bool:
    return moment is not None and parse_time(moment, "date") <= now
