"""Faults strike where and as often as they are told, and only with the control token."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.sandbox.conftest import Double

Start = Callable[[], Double]
KEYS = "/api/v2/account/apiKeys/"


def admin(double: Double) -> dict[str, str]:
    return {"Authorization": f"Bearer {double.bootstrap.datarobot.admin_key.get_secret_value()}"}


def keys(double: Double) -> int:
    return len(double.client.get(KEYS, headers=admin(double)).get_json()["data"])


def create(double: Double) -> Any:
    return double.client.post(KEYS, json={"name": "k"}, headers=admin(double))


def test_health_is_open_and_names_the_instance(start_datarobot: Start) -> None:
    answer = start_datarobot().client.get("/__control__/health")
    assert answer.get_json() == {"server": "datarobot", "instance": "instance-1"}


@pytest.mark.parametrize("headers", [{}, {"X-Control-Token": "guess"}])
def test_faults_need_the_control_token(start_datarobot: Start, headers: dict[str, str]) -> None:
    double = start_datarobot()
    assert double.client.post("/__control__/faults", json={"status": 500}, headers=headers).status_code == 403
    assert create(double).status_code == 201


def test_fault_before_has_no_effect_and_strikes_once(start_datarobot: Start) -> None:
    double = start_datarobot()
    fault = {"method": "POST", "path": KEYS, "status": 429, "retry_after": 7}
    assert double.control("POST", "faults", fault).status_code == 200
    answer = create(double)
    assert (answer.status_code, answer.headers["Retry-After"], keys(double)) == (429, "7", 1)
    assert (create(double).status_code, keys(double)) == (201, 2)


def test_fault_after_lets_the_effect_happen_and_loses_the_answer(start_datarobot: Start) -> None:
    double = start_datarobot()
    double.control("POST", "faults", {"method": "POST", "path": KEYS, "status": 504, "when": "after"})
    assert (create(double).status_code, keys(double)) == (504, 2)


def test_fault_skips_and_repeats_as_told_until_removed(start_datarobot: Start) -> None:
    double = start_datarobot()
    double.control("POST", "faults", {"method": "POST", "status": 503, "skip": 1, "times": None})
    assert [create(double).status_code for _ in range(3)] == [201, 503, 503]
    assert double.control("GET", "faults").get_json()["faults"][0]["struck"] == 2
    double.control("DELETE", "faults")
    assert create(double).status_code == 201


def test_unknown_fault_field_is_refused(start_datarobot: Start) -> None:
    assert start_datarobot().control("POST", "faults", {"colour": "red"}).status_code == 422


def test_unknown_control_is_404(start_datarobot: Start) -> None:
    assert start_datarobot().control("GET", "anything").status_code == 404
