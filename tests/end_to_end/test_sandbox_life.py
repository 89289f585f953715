"""After `sandbox down`, a killed server, or a reboot, the next `apply` starts a new instance and works."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.checkout import Checkout
from tests.end_to_end.conftest import NewCheckout
from tests.end_to_end.outside import Outside


def _works_on_a_new_instance(checkout: Checkout, former: str) -> str:
    done = checkout.run("apply", ok=True)
    assert "new instance" in done.err and "4 valid, 0 invalid, 0 indeterminate" in done.out, done.text
    instance = json.loads((checkout.state / "instance.json").read_text())["instance_id"]
    assert instance != former
    assert checkout.strangers() == {} and checkout.litter() == []
    return str(instance)


@pytest.mark.timeout(1200)
def test_each_end_of_a_sandbox_leads_to_a_new_instance(checkout: Checkout) -> None:
    instance = _works_on_a_new_instance(checkout, "")

    down = checkout.run("sandbox", "down", ok=True)
    assert "aws" in down.out and "stopped" in down.out and checkout.processes() == {}
    assert "NOT healthy" in checkout.run("sandbox", "status", ok=True).out
    instance = _works_on_a_new_instance(checkout, instance)

    os.kill(checkout.servers()["aws"]["pid"], signal.SIGKILL)
    instance = _works_on_a_new_instance(checkout, instance)

    record = checkout.state / "instance.json"
    document = json.loads(record.read_text())
    document["boot_id"] = "00000000-0000-0000-0000-000000000000"
    for server in document["servers"]:
        os.kill(server["pid"], signal.SIGKILL)
        server["boot_id"] = document["boot_id"]
    record.write_text(json.dumps(document))
    _works_on_a_new_instance(checkout, instance)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _taken(port: int | None) -> Iterator[None]:
    """Somebody else listens there, as soon as the killed server has let go of it."""
    assert port
    ends = time.monotonic() + 10
    while _listens(port) and time.monotonic() < ends:
        time.sleep(0.05)
    with socket.create_server(("127.0.0.1", port)):
        yield


@pytest.mark.timeout(1200)
def test_a_killed_vault_keeps_its_values_though_its_port_is_taken(new_checkout: NewCheckout) -> None:
    checkout = new_checkout("sandbox-vault")
    checkout.run("apply", ok=True)
    before = Outside.of(checkout).current("pipeline-oauth")
    killed = checkout.servers()["vault"]
    os.kill(killed["pid"], signal.SIGKILL)
    with _taken(urlsplit(killed["url"]).port):
        done = checkout.run("apply", ok=True)
    assert "new instance" not in done.err and "nothing due" in done.err, done.text
    assert Outside.of(checkout).current("pipeline-oauth") == before


def test_a_plan_of_another_sandbox_instance_is_refused(checkout: Checkout) -> None:
    folder = checkout.base / "reviewed"
    checkout.run("plan", "--out", str(folder), ok=True)
    checkout.run("sandbox", "down", ok=True)
    refused = checkout.run("apply", "--plan", str(folder))
    assert refused.code == 5 and "target sandbox_instance" in refused.err, refused.text
