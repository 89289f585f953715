"""Vault (or OpenBao) as a connector: reachable, unsealed, our login lives, and the tool may read what it must rotate.

No value is read: `sys/capabilities-self` tells rights.

Sources of the codes: Vault API documentation (sys/health, auth/token/lookup-self); OpenBao `path_login.go` (a wrong
secret id is 400); Vault issues 2159 and 25953 ("permission denied" alone says nothing about the token).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lifecycle.clients.vault import VaultClient
from lifecycle.connectors.probing import Probe, capped, reason_of_status
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.naming import secret_name
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult

LOGIN = "login"
_WRONG_LOGIN = ("invalid role or secret id", "invalid secret id", "invalid role id", "invalid token")
_REFUSALS = frozenset({"InvalidRequest", "Forbidden", "Unauthorized"})  # never a fault or a full quota
_CODES = {
    "VaultDown": Reason.SERVICE_FAULT,  # sealed
    "VaultNotInitialized": Reason.SERVICE_FAULT,
    "InternalServerError": Reason.SERVICE_FAULT,
    "BadGateway": Reason.SERVICE_FAULT,
    "RateLimitExceeded": Reason.THROTTLED,
    "PreconditionFailed": Reason.AMBIGUOUS,  # a replica that is behind
    "InvalidPath": Reason.NOT_CONFIGURED,
}


class VaultCheckSettings(KindSettings):
    """A connector of kind `vault`; also the target that is verified.

    Attributes:
        can_read: credentials whose paths the tool must be allowed to read.
        store: which of the spec's stores.
    """

    can_read: tuple[str, ...] = ()
    store: str = "default"


class VaultVerifier:
    """Verifies the tool's own way to one store.

    Args:
        client: address and login.
        mount: path of the KV version 2 mount.
        prefix: path in front of every secret's name.
        clock: the time.
    """

    def __init__(self, client: VaultClient, *, mount: str, prefix: str, clock: Clock) -> None:
        self._client = client
        self._mount = mount
        self._prefix = prefix
        self._clock = clock

    def verify(
        self, target: VaultCheckSettings, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in, look the token up, ask for the capabilities."""
        del value
        probe = Probe.begin((LOGIN, *target.can_read), clock=self._clock, deadline=deadline, via=via)
        client = self._client.with_limits(timeout=deadline, proxy=probe.proxy)
        logged_in: list[bool] = []

        def look(session: Any) -> None:
            logged_in.append(True)
            self._look(probe, session, target)

        try:
            client.exchange(look)
        except Exception as error:
            return _failure(probe, error, looking_up=bool(logged_in))
        missing = len([name for name in target.can_read if name not in probe.proved])
        return probe.result(Reason.NO_PERMISSION, f"no right to read {missing} paths") if missing else probe.works()

    def _look(self, probe: Probe, client: Any, target: VaultCheckSettings) -> None:
        client.auth.token.lookup_self()
        probe.show(LOGIN)
        for name in target.can_read:
            path = f"{self._mount}/data/{secret_name(self._prefix, name)}"
            answer = client.sys.get_capabilities(paths=[path])
            if {"read", "root", "sudo"} & set(answer["data"]["capabilities"]):
                probe.show(name)


def _failure(probe: Probe, error: Exception, *, looking_up: bool) -> VerificationResult:
    import hvac.exceptions

    if not isinstance(error, hvac.exceptions.VaultError):
        return probe.failed_exchange(error)
    name, texts = type(error).__name__, " ".join(str(item) for item in error.errors or ()).lower()
    if any(text in texts for text in _WRONG_LOGIN) and name in _REFUSALS:
        return probe.result(Reason.WRONG_VALUE, name)
    if name in ("Forbidden", "Unauthorized"):
        if not texts:
            return probe.result(Reason.PROXY_REFUSED, f"{name}, not Vault's form")
        # Refused at lookup-self, which every live token may call: it is the token. At a login before it, a rule of the
        # role may refuse us (where we call from); later, it is the right to ask.
        return probe.result(Reason.WRONG_VALUE if looking_up and LOGIN not in probe.proved else Reason.AMBIGUOUS, name)
    status = int(getattr(error, "status_code", 0) or 0)
    return probe.result(capped(_CODES.get(name, reason_of_status(status)), status), name)


_: type[ConnectorVerifier] = VaultVerifier

KIND = Kind(
    name="vault",
    family=Family.CONNECTOR,
    settings=VaultCheckSettings,
    summary="Vault or OpenBao: unsealed, our login lives, and the named paths may be read.",
    references={"can_read": "credentials", "store": "secret_stores"},
)
