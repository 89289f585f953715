import pytest

from lifecycle.domain.diagnosis import Seen
from lifecycle.domain.errors import ExitCode
from lifecycle.domain.verification import Reason
from lifecycle.operations import diagnose_access as access
from tests.unit.operations.diagnosis import (
    DAY,
    HOST,
    NOW,
    Table,
    cause,
    fine,
    not_asked,
    ok,
    refused,
    rows,
    unknown,
    unmet,
)

_USERS = "/organizations/o1/users/"
_ACCOUNT = ok(uid="u1", email="svc@acme.example", orgId="o1")


def _version(seen: Seen) -> Table:
    return Table({"/version/": seen})


_GOOD = _version(ok(major=2, minor=49))


def test_name_that_is_not_resolved() -> None:
    found = cause(access.name_not_resolved(_version(unmet(Reason.NAME_NOT_RESOLVED)), HOST))
    assert HOST in found.message and found.exit_code is ExitCode.CONNECT


def test_name_that_is_resolved() -> None:
    assert fine(access.name_not_resolved(_GOOD, HOST)) == HOST


@pytest.mark.parametrize(
    "seen", [unmet(Reason.PROXY_REFUSED), refused(407), refused(403, native=False), refused(401, native=False)]
)
def test_proxy_that_refuses(seen: Seen) -> None:
    assert "proxy" in cause(access.proxy_refuses(_version(seen), HOST)).message


@pytest.mark.parametrize("seen", [ok(major=2), refused(403), unmet(Reason.CONNECTION_REFUSED)])
def test_proxy_that_refuses_nothing(seen: Seen) -> None:
    fine(access.proxy_refuses(_version(seen), HOST))


@pytest.mark.parametrize("reason", [Reason.CONNECTION_REFUSED, Reason.TIMEOUT_CONNECT, Reason.AMBIGUOUS])
def test_connection_that_nobody_takes(reason: Reason) -> None:
    assert cause(access.connection_fails(_version(unmet(reason)), HOST)).evidence == str(reason)


def test_connection_that_is_taken() -> None:
    fine(access.connection_fails(_GOOD, HOST))


@pytest.mark.parametrize(
    "reason", [Reason.TLS_EXPIRED, Reason.TLS_UNKNOWN_ISSUER, Reason.TLS_NAME_MISMATCH, Reason.CLOCK_SKEW]
)
def test_tls_that_fails(reason: Reason) -> None:
    assert cause(access.tls_fails(_version(unmet(reason)), HOST, spoken=True)).exit_code is ExitCode.CONNECT


def test_tls_that_holds_is_not_spoken_or_not_reached() -> None:
    assert fine(access.tls_fails(_GOOD, HOST, spoken=True)) == "verified"
    not_asked(access.tls_fails(_GOOD, HOST, spoken=False))
    unknown(access.tls_fails(_version(unmet(Reason.TIMEOUT_READ)), HOST, spoken=True))


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (unmet(Reason.TIMEOUT_READ), ExitCode.REMOTE),
        (refused(503), ExitCode.REMOTE),
        (refused(429), ExitCode.REMOTE),
        (refused(404), ExitCode.REFUSED),
        (Seen(reason=Reason.WORKS, status=200, native=False), ExitCode.REFUSED),
    ],
)
def test_service_that_does_not_serve(seen: Seen, code: ExitCode) -> None:
    assert cause(access.service_fails(_version(seen))).exit_code is code


@pytest.mark.parametrize("seen", [ok(major=2), refused(401), refused(403)])
def test_service_that_serves(seen: Seen) -> None:
    assert fine(access.service_fails(_version(seen))).startswith("answered in")


@pytest.mark.parametrize("shown", [(2, 48), (3, 0), (1, 99), (None, None)])
def test_version_other_than_pinned(shown: tuple[int | None, int | None]) -> None:
    view = _version(ok(major=shown[0], minor=shown[1]))
    assert "pinned 2.49" in cause(access.version_differs(view, (2, 49))).evidence


def test_version_as_pinned_or_newer() -> None:
    assert fine(access.version_differs(_GOOD, (2, 40))) == "server 2.49, pinned 2.40"
    told = Seen(reason=Reason.WORKS, status=200, document={"major": 2, "minor": 49}, deprecated=True)
    assert "deprecation" in fine(access.version_differs(_version(told), (2, 49)))
    not_asked(access.version_differs(_version(refused(401)), (2, 49)))


@pytest.mark.parametrize("status", [401, 403])
def test_key_that_is_refused(status: int) -> None:
    found = cause(access.key_refused(Table({"/account/info/": refused(status)}), "the key of k"))
    assert (found.message, found.exit_code) == ("the key of k is refused", ExitCode.CONNECT)


def test_key_that_is_live_or_not_judged() -> None:
    assert fine(access.key_refused(Table({"/account/info/": _ACCOUNT}), "it")) == "it is of svc@acme.example"
    unknown(access.key_refused(Table({"/account/info/": refused(502)}), "it"))
    unknown(access.key_refused(Table({"/account/info/": ok()}), "it"))


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"activated": False}, "is deactivated"),
        ({"scheduledForDeletion": True}, "is scheduled for deletion"),
        ({"expirationDate": (NOW + 3 * DAY).isoformat()}, "expires on 2026-11-27"),
        ({"expirationDate": (NOW - DAY).isoformat()}, "expired on 2026-11-23"),
    ],
)
def test_user_that_ends(user: dict[str, object], told: str) -> None:
    view = Table({"/account/info/": _ACCOUNT, _USERS: rows({"username": "Agent@acme.example", **user})})
    assert told in cause(access.user_ends(view, ("agent@acme.example",), NOW)).message


def test_user_that_stays() -> None:
    far = {"username": "svc@acme.example", "activated": True, "expirationDate": (NOW + 60 * DAY).isoformat()}
    stranger = {"username": "other@acme.example", "activated": False}
    view = Table({"/account/info/": _ACCOUNT, _USERS: rows(far, stranger)})
    assert fine(access.user_ends(view, (), NOW)) == "1 users are active"
    not_asked(access.user_ends(Table({"/account/info/": _ACCOUNT, _USERS: refused(403)}), (), NOW))
    unknown(access.user_ends(Table({"/account/info/": _ACCOUNT, _USERS: refused(500)}), (), NOW))


def test_entitlement_that_is_missing() -> None:
    held = ok(entitlements=[{"name": "A", "value": True}, {"name": "B", "value": False}])
    view = Table({"/entitlements/evaluate/": held})
    assert cause(access.entitlement_missing(view, ("A", "B", "C"))).evidence == "B, C"
    assert view.asked[0] == {"entitlements": [{"name": "A"}, {"name": "B"}, {"name": "C"}]}


def test_entitlements_that_are_held_or_not_asked_for() -> None:
    view = Table({"/entitlements/evaluate/": ok(entitlements=[{"name": "A", "value": True}])})
    assert fine(access.entitlement_missing(view, ("A",))) == "1 held"
    not_asked(access.entitlement_missing(view, ()))
    unknown(access.entitlement_missing(Table({"/entitlements/evaluate/": refused(500)}), ("A",)))
