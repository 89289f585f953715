import json

import pytest
from pydantic import ValidationError

from lifecycle.connectors.feature_store import FeatureStoreSettings, FeatureStoreVerifier, typed
from lifecycle.domain.secret import secret_value
from lifecycle.domain.verification import Reason, VerificationStatus
from tests.contract.connector_contract import LONG, NOW, ConnectorBench, ConnectorContract
from tests.contract.odd_servers import page, raw_server
from tests.servers.feast_server import PROJECT, FeastServer

_TYPES = {"customer_stats:orders": "INT64", "customer_stats:rating": "FLOAT", "customer_stats:tier": "STRING"}
_SHOWN = tuple(typed(*item) for item in _TYPES.items())
_TEN_YEARS = 10 * 365 * 86400  # before the verifier's clock, wherever that stands
_SERVES = "serves customer_stats"


def _target(**settings: object) -> FeatureStoreSettings:
    fixed = {"url": "https://feast.example", "features": _TYPES, "entities": {"customer_id": 1001}}
    return FeatureStoreSettings.model_validate(fixed | settings)


class TestWithRegistry(ConnectorContract):
    """Against a real feature server and a real registry; both servers stand in for an odd one together."""

    @pytest.fixture
    def bench(self, feast_server: FeastServer) -> ConnectorBench:
        def make(url: str) -> FeatureStoreVerifier:
            registry = feast_server.registry if url == feast_server.url else url
            return FeatureStoreVerifier(url, registry=registry, clock=lambda: NOW)

        return ConnectorBench(
            make=make,
            url=feast_server.url,
            target=_target(registry=feast_server.registry, project=PROJECT),
            valid=secret_value({"token": feast_server.token()}),
            invalid=secret_value({"token": feast_server.token(seconds=-_TEN_YEARS)}),
            proves=(*_SHOWN, _SERVES),
        )

    def test_invalid(self, bench: ConnectorBench) -> None:
        result = bench.verify(bench.invalid)
        assert (result.status, result.reason) == (VerificationStatus.INVALID, Reason.EXPIRED)
        assert result.remedy
        assert bench.invalid["token"].get_secret_value() not in repr(result)

    def test_refusal_of_a_token_that_has_not_expired_judges_nothing(self, bench: ConnectorBench) -> None:
        # Feast says the same of a wrong token and of one that it could not check.
        assert bench.verify(secret_value({"token": "a.b.c"})).reason is Reason.AMBIGUOUS

    def test_other_type_is_told(self, bench: ConnectorBench) -> None:
        target = bench.target.model_copy(update={"features": {**_TYPES, "customer_stats:rating": "DOUBLE"}})
        result = bench.verify(target=target)
        assert (result.reason, result.detail) == (Reason.NOT_CONFIGURED, "customer_stats:rating is FLOAT")
        assert result.not_proved == ("customer_stats:rating is DOUBLE",)

    def test_feature_that_is_gone_is_named(self, bench: ConnectorBench) -> None:
        target = bench.target.model_copy(update={"features": {**_TYPES, "customer_stats:gone": "INT64"}})
        result = bench.verify(target=target)
        assert (result.reason, result.detail) == (
            Reason.NOT_CONFIGURED,
            "customer_stats:gone is not in the registry",
        )
        assert result.proved == _SHOWN

    def test_other_project_is_told(self, bench: ConnectorBench) -> None:
        result = bench.verify(target=bench.target.model_copy(update={"project": "other"}))
        assert (result.reason, result.proved) == (Reason.NOT_CONFIGURED, (_SERVES,))


class TestFeatureServerAlone:
    """Without a registry, types are judged by what is served."""

    @pytest.mark.parametrize(
        ("settings", "reason", "not_proved"),
        [
            ({}, Reason.WORKS, ()),
            (
                {"features": {**_TYPES, "customer_stats:tier": "INT64"}},
                Reason.NOT_CONFIGURED,
                ("customer_stats:tier is INT64", _SERVES),
            ),
            ({"features": {"customer_stats:gone": "INT64"}}, Reason.NOT_CONFIGURED, ("customer_stats:gone is INT64",)),
            ({"features": {"gone:orders": "INT64"}}, Reason.NOT_CONFIGURED, ("gone:orders is INT64", "serves gone")),
            ({"entities": {"other_id": 1001}}, Reason.NOT_CONFIGURED, (*_SHOWN, _SERVES)),
            ({"entities": {"customer_id": 5}}, Reason.NOT_CONFIGURED, (*_SHOWN, _SERVES)),
        ],
        ids=["all there", "other form", "no such feature", "no such view", "no such join key", "no such customer"],
    )
    def test_references(
        self, feast_server: FeastServer, settings: dict[str, object], reason: Reason, not_proved: tuple[str, ...]
    ) -> None:
        verifier = FeatureStoreVerifier(feast_server.url, clock=lambda: NOW)
        value = secret_value({"token": feast_server.token()})
        result = verifier.verify(_target(**settings), value, deadline=LONG, via=None)
        assert result.reason is reason, result
        assert set(not_proved) <= set(result.not_proved)

    def test_without_token_nothing_is_judged(self, feast_server: FeastServer) -> None:
        verifier = FeatureStoreVerifier(feast_server.url, clock=lambda: NOW)
        assert verifier.verify(_target(), {}, deadline=LONG, via=None).reason is Reason.NOT_CONFIGURED


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        ("401 Unauthorized", {"detail": "Missing authentication token"}, Reason.NOT_CONFIGURED),
        ("401 Unauthorized", {"detail": "Invalid or expired access token"}, Reason.AMBIGUOUS),
        ("401 Unauthorized", {}, Reason.AMBIGUOUS),
        ("403 Forbidden", "Permission error", Reason.NO_PERMISSION),
        ("404 Not Found", {"detail": "Not Found"}, Reason.AMBIGUOUS),
        ("500 Internal Server Error", "database is locked", Reason.SERVICE_FAULT),
        ("500 Internal Server Error", {"detail": "Invalid or expired access token"}, Reason.SERVICE_FAULT),
        ("504 Gateway Timeout", {}, Reason.TIMEOUT_READ),
    ],
)
def test_codes(status: str, body: object, reason: Reason) -> None:
    with raw_server(page(status, json.dumps(body), "application/json")) as url:
        verifier = FeatureStoreVerifier(url, clock=lambda: NOW)
        result = verifier.verify(_target(), secret_value({"token": "t"}), deadline=LONG, via=None)
    assert result.reason is reason


def test_registry_needs_a_project() -> None:
    with pytest.raises(ValidationError, match="registry needs"):
        _target(registry="https://registry.example/api/v1")
