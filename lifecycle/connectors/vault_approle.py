"""A Vault (or OpenBao) AppRole: role id and secret id log in, and the token that they give lives.

A secret id with a limited number of uses loses one by each probe. Codes: `lifecycle.connectors.vault`.
"""

from __future__ import annotations

from datetime import timedelta

from lifecycle.clients.vault import AppRoleLogin, VaultClient
from lifecycle.connectors.probing import Probe
from lifecycle.connectors.vault import LOGIN, VaultCheckSettings, VaultVerifier
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.ports import Clock, ConnectorVerifier
from lifecycle.domain.secret import SecretValue
from lifecycle.domain.verification import Egress, Reason, VerificationResult


class VaultAppRoleCheck(KindSettings):
    """A connector of kind `vault_approle`; also the target that is verified.

    Attributes:
        mount: where the auth method is mounted.
        server: the Vault secret store of this spec whose server is asked.
    """

    mount: str = "approle"
    server: str = "default"


class VaultAppRoleVerifier:
    """Verifies secret ids at one server.

    Args:
        address: base URL.
        namespace: enterprise or OpenBao namespace.
        ca_file: trust only this authority.
        clock: the time.
    """

    def __init__(self, address: str, *, namespace: str = "", ca_file: str = "", clock: Clock) -> None:
        self._address = address
        self._namespace = namespace
        self._ca_file = ca_file
        self._clock = clock

    def verify(
        self, target: VaultAppRoleCheck, value: SecretValue, *, deadline: timedelta, via: Egress | None
    ) -> VerificationResult:
        """Log in with the value and look the token up."""
        if not {"role_id", "secret_id"} <= value.keys():
            probe = Probe.begin((LOGIN,), clock=self._clock, deadline=deadline, via=via)
            return probe.result(Reason.NOT_CONFIGURED, "the value has no role_id and secret_id")
        login = AppRoleLogin(
            role_id=value["role_id"].get_secret_value(), secret_id=value["secret_id"], mount=target.mount
        )
        client = VaultClient(self._address, login, namespace=self._namespace, ca_file=self._ca_file)
        verifier = VaultVerifier(client, mount="", prefix="", clock=self._clock)
        return verifier.verify(VaultCheckSettings(), {}, deadline=deadline, via=via)


_: type[ConnectorVerifier] = VaultAppRoleVerifier

KIND = Kind(
    name="vault_approle",
    family=Family.CONNECTOR,
    settings=VaultAppRoleCheck,
    summary="A Vault AppRole: role id and secret id log in.",
    references={"server": "secret_stores"},
)
