"""`lifecycle doctor` after `apply`: all is well; then one fault after another, each named. One sandbox."""

from __future__ import annotations

import json
from typing import Any

import httpx

from lifecycle.sandbox.datarobot_api import DEPLOYMENT_ID
from tests.end_to_end.checkout import Checkout

_API = "/api/v2"


def test_doctor_finds_nothing_after_apply_and_names_each_fault(checkout: Checkout) -> None:
    checkout.run("apply", ok=True)
    server = checkout.servers()["datarobot"]["url"]
    secret = json.loads((checkout.state / "bootstrap.json").read_text())
    headers = {"X-Control-Token": secret["control_token"]}
    data = checkout.base / "customers.csv"
    data.write_text("tenure,plan,since\n12,basic,2024-01-31\n")

    def doctor(*args: str, **fault: Any) -> Any:
        with httpx.Client(trust_env=False, headers=headers) as http:
            http.delete(f"{server}/__control__/faults").raise_for_status()
            if fault:
                http.post(f"{server}/__control__/faults", json={"times": None, **fault}).raise_for_status()
        told = checkout.run("doctor", "--deployment", DEPLOYMENT_ID, "--output", "json", *args)
        return told.document | {"code": told.code}

    def cause(found: Any) -> tuple[str, int]:
        assert found["exit_code"] == found["code"] and found["cause"]["remedy"], found
        return found["cause"]["check"], found["code"]

    well = doctor("--data", str(data))
    assert (well["cause"], well["code"]) == (None, 0), well
    outcomes = {item["check"]: item["outcome"] for item in well["checks"]}
    assert {name for name, outcome in outcomes.items() if outcome != "ok"} == {
        "TLS",
        "entitlements",
        "agents' environments",
        "spools",
        "refresh tokens",
        "feature references",
    }
    told = checkout.run("doctor", "--deployment", DEPLOYMENT_ID, ok=True)
    assert "no known cause holds" in told.out and "the tool's own key is of admin@sandbox.example" in told.out

    one = f"{_API}/deployments/{DEPLOYMENT_ID}/"
    assert cause(doctor(path=f"{_API}/*", status=503)) == ("service", 4)
    assert cause(doctor(path=f"{_API}/*", status=401, body={"message": "Invalid API token"})) == ("API key", 3)
    old = {"major": 2, "minor": 40, "versionString": "2.40.0"}
    assert cause(doctor(path=f"{_API}/version/", status=200, body=old)) == ("API version", 5)
    assert cause(doctor(path=one, status=404, body={"message": "Not Found"})) == ("deployment", 5)
    off = {"targetDrift": {"enabled": False}, "featureDrift": {"enabled": True}}
    assert cause(doctor(path=f"{one}settings/", status=200, body=off)) == ("drift tracking", 5)
    data.write_text("tenure,plan,since\n12,platinum,2024-01-31\n")
    assert cause(doctor("--data", str(data))) == ("unseen categories", 5)
    assert checkout.run("doctor", "--data", str(data)).code == 2  # of which deployment?

    admin = secret["datarobot"]["admin_key"]
    assert not [result for result in checkout.said if admin in result.text]
