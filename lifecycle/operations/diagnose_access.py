"""Causes on the way to DataRobot: name, proxy, connection, TLS, service, version, key, its user, entitlements.

Sources: DataRobot REST API reference (version, account, users, entitlements); RFC 9110 (407); `clients/transport`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from lifecycle.domain.diagnosis import Cause, Finding, Fine, NotAsked, Unknown, moment, plain
from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason
from lifecycle.operations.diagnose import Installation

EXPIRES_WITHIN = timedelta(days=14)
_PROXY_AUTHENTICATION = 407
_TLS = {
    Reason.TLS_EXPIRED: "have the certificate of the endpoint renewed",
    Reason.TLS_UNKNOWN_ISSUER: "trust the issuer on this machine (SSL_CERT_FILE), or exempt the host from inspection",
    Reason.TLS_NAME_MISMATCH: "use the host name that the certificate is for, in datarobot.*.endpoint",
    Reason.TLS_NOT_SPOKEN: "correct scheme or port in datarobot.*.endpoint",
    Reason.VERSION_NOT_SUPPORTED: "allow TLS 1.2 or newer between here and the endpoint",
    Reason.CLOCK_SKEW: "set the clock of this machine: the certificate is not valid yet by it",
    Reason.NOT_CONFIGURED: "the server asks for a client certificate: exempt this machine, or use another route",
}
_CONNECTION = {
    Reason.CONNECTION_REFUSED: "check address and port; the service may be down",
    Reason.TIMEOUT_CONNECT: "a firewall drops the packets: open TCP to the endpoint from this position",
    Reason.AMBIGUOUS: "the connection broke off: look for a filter between here and the endpoint",
}


def name_not_resolved(view: Installation, host: str) -> Finding:
    """The endpoint's name is unknown here."""
    if view.ask("/version/").reason is not Reason.NAME_NOT_RESOLVED:
        return Fine(evidence=host)
    remedy = "correct datarobot.*.endpoint, or let the resolver of this machine know the name"
    return _unreached(f"the name {host} is not resolved", str(Reason.NAME_NOT_RESOLVED), remedy)


def proxy_refuses(view: Installation, host: str) -> Finding:
    """A proxy stands in between and refuses, or answers in DataRobot's place."""
    seen = view.ask("/version/")
    in_its_place = seen.status in (401, 403) and not seen.native
    if seen.reason is Reason.PROXY_REFUSED or seen.status == _PROXY_AUTHENTICATION or in_its_place:
        remedy = f"have the proxy admit {host}:443 (HTTPS_PROXY, NO_PROXY); see lifecycle allowlist render"
        return _unreached(f"a proxy does not let through to {host}", seen.in_words(), remedy)
    return Fine(evidence="nothing refuses on the way" if seen.reason is Reason.WORKS else "no proxy refused")


def connection_fails(view: Installation, host: str) -> Finding:
    """Nobody takes the connection."""
    reason = view.ask("/version/").reason
    if reason in _CONNECTION:
        return _unreached(f"no connection to {host}", str(reason), _CONNECTION[reason])
    return Fine(evidence="connected")


def tls_fails(view: Installation, host: str, *, spoken: bool) -> Finding:
    """The connection is not secured as it must be.

    Args:
        view: the installation.
        host: its name.
        spoken: whether the endpoint is https; plain http is for this machine only.
    """
    if not spoken:
        return NotAsked(why="plain http on this machine")
    reason = view.ask("/version/").reason
    if reason in _TLS:
        return _unreached(f"TLS with {host} fails", str(reason), _TLS[reason])
    return Fine(evidence="verified") if reason is Reason.WORKS else Unknown(why=str(reason))


def service_fails(view: Installation) -> Finding:
    """What answers is not well, or is not DataRobot's API."""
    seen = view.ask("/version/")
    if seen.reason is not Reason.WORKS or seen.status >= 500 or seen.status == 429:
        remedy = "look at the installation's status page, and run again"
        return Cause(
            message="the API does not serve", evidence=seen.in_words(), remedy=remedy, exit_code=ExitCode.REMOTE
        )
    if not seen.native or seen.status not in (200, 401, 403):
        remedy = "correct datarobot.*.endpoint: it ends in /api/v2"
        return Cause(message="what answers is not DataRobot's API", evidence=seen.in_words(), remedy=remedy)
    return Fine(evidence=f"answered in {_milliseconds(seen.took)}")


def version_differs(view: Installation, pinned: tuple[int, int]) -> Finding:
    """The server is of another major version than pinned, or older."""
    seen = view.ask("/version/")
    if not seen.good:
        return NotAsked(why="the version is shown to a live key only")
    major, minor = seen.document.get("major"), seen.document.get("minor")
    wanted = f"pinned {pinned[0]}.{pinned[1]}"
    if isinstance(major, int) and isinstance(minor, int) and major == pinned[0] and minor >= pinned[1]:
        deprecation = "; the server announces a deprecation" if seen.deprecated else ""
        return Fine(evidence=f"server {major}.{minor}, {wanted}{deprecation}")
    remedy = "pin in datarobot.*.api_version what the server has, after reading its changelog"
    told = f"server {plain(major)}.{plain(minor)}, {wanted}"
    return Cause(message="the API version is not the pinned one", evidence=told, remedy=remedy)


def key_refused(view: Installation, login: str) -> Finding:
    """The key is not live, or nothing shows whose it is."""
    seen = view.ask("/account/info/")
    if seen.good and seen.document.get("email"):
        return Fine(evidence=f"{login} is of {plain(seen.document['email'])}")
    if seen.status in (401, 403):
        remedy = "the key was revoked, has expired, or its user has: lifecycle rotate status, then rotate it"
        message = f"{login} is refused"
        return Cause(message=message, evidence=seen.in_words(), remedy=remedy, exit_code=ExitCode.CONNECT)
    return Unknown(why=f"{login}: {seen.in_words()}")


def user_ends(view: Installation, principals: Collection[str], now: datetime) -> Finding:
    """A user whose key is used is deactivated, expired, or expires soon. Only administrators see it."""
    account = view.ask("/account/info/")
    wanted = {name.lower() for name in (*principals, str(account.document.get("email", "")))}
    seen = view.ask_all(f"/organizations/{quote(str(account.document.get('orgId', '')), safe='')}/users/")
    if seen.status in (403, 404):
        return NotAsked(why="only an administrator of the organisation sees the users")
    if not seen.good:
        return Unknown(why=seen.in_words())
    found = [user for user in seen.items() if str(user.get("username", "")).lower() in wanted]
    ends = [(plain(user.get("username")), told) for user in found for told in _end(user, now)]
    if not ends:
        return Fine(evidence=f"{len(found)} users are active")
    remedy = "have an administrator of the organisation activate the user, or move the expiration date"
    return Cause(message=f"user {ends[0][0]} {ends[0][1]}", evidence=f"{len(ends)} of {len(found)}", remedy=remedy)


def _end(user: Mapping[str, Any], now: datetime) -> Sequence[str]:
    if user.get("activated") is False:
        return ("is deactivated",)
    if user.get("scheduledForDeletion"):
        return ("is scheduled for deletion",)
    expires = moment(user.get("expirationDate"))
    if expires is None or expires - now > EXPIRES_WITHIN:
        return ()
    return (f"{'expired' if expires <= now else 'expires'} on {expires:%Y-%m-%d %H:%M}Z",)


def entitlement_missing(view: Installation, wanted: Sequence[str]) -> Finding:
    """A feature that the environment needs is not licensed for this user."""
    if not wanted:
        return NotAsked(why="the spec names none (datarobot.*.entitlements)")
    body = {"entitlements": [{"name": name} for name in wanted]}
    seen = view.evaluate("/entitlements/evaluate/", body)
    if not seen.good:
        return Unknown(why=seen.in_words())
    held = {str(item.get("name")) for item in seen.items("entitlements") if item.get("value") is True}
    missing = [name for name in wanted if name not in held]
    if not missing:
        return Fine(evidence=f"{len(wanted)} held")
    remedy = "have DataRobot or the administrator enable it, or take it out of datarobot.*.entitlements"
    return Cause(message="an entitlement is missing", evidence=", ".join(missing), remedy=remedy)


def _unreached(message: str, evidence: str, remedy: str) -> Cause:
    return Cause(message=message, evidence=evidence, remedy=remedy, exit_code=ExitCode.CONNECT)


def _milliseconds(took: timedelta) -> str:
    return f"{took.total_seconds() * 1000:.0f} ms"
