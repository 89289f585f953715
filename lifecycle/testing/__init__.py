"""The conformance kit: what every adapter must do, as pytest suites that you run over an adapter of your own.

Subclass a contract and give it a `bench`; CONTRIBUTING.md shows it in ten lines. The issuer suites also put the real
rotation driver over your issuer, its store and journal simulated, and cut the run at every boundary.

| Adapter | Suite | Bench |
|---|---|---|
| issuer whose server makes the value | `IssuerContract` | `IssuerBench` |
| issuer that sets a value we make | `SettingContract` | `SettingBench` |
| secret store | `StoreContract` | `StoreBench` |
| destination | `DestinationContract` | `DestinationBench` |
"""

from __future__ import annotations

from lifecycle.domain.errors import ConfigurationError

try:
    import pytest
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        "The conformance kit runs under pytest, which is not installed.", remedy='pip install "lifecycle[testing]"'
    ) from missing

_SUITES = ("issuer_contract", "setting_contract", "store_contract", "destination_contract", "driven", "boundaries")
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in _SUITES))

from lifecycle.testing.destination_contract import DestinationBench, DestinationContract  # noqa: E402 - see above
from lifecycle.testing.driven import Driven  # noqa: E402 - as above
from lifecycle.testing.issuer_contract import IssuerBench, IssuerContract  # noqa: E402 - as above
from lifecycle.testing.setting_contract import SettingBench, SettingContract  # noqa: E402 - as above
from lifecycle.testing.store_contract import StoreBench, StoreContract  # noqa: E402 - as above

__all__ = [
    "DestinationBench",
    "DestinationContract",
    "Driven",
    "IssuerBench",
    "IssuerContract",
    "SettingBench",
    "SettingContract",
    "StoreBench",
    "StoreContract",
]
