"""Vendors' libraries at servers that take a connection and never say a word: the run ends, and so does the process.

The run is a process of its own, as its end is what is shown: whoever joined a hung worker would wait for an hour.
"""

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.contract.odd_servers import raw_server
from tests.servers.provisioned import provisioned

_ROOT = Path(__file__).parents[2]
_SECONDS = 3
_GUARD = 120  # not a measure: what hangs would hang for an hour
_RUN = """
import ctypes, json, sys
from datetime import UTC, datetime, timedelta

from lifecycle.connectors.azure_blob import AzureBlobSettings, AzureBlobVerifier
from lifecycle.connectors.kafka_spooler import KafkaSpoolerSettings, KafkaSpoolerVerifier
from lifecycle.connectors.postgres import PostgresSettings, PostgresVerifier
from lifecycle.connectors.snowflake import SnowflakeSettings, SnowflakeVerifier
from lifecycle.domain.secret import secret_value
from lifecycle.foundation.breaker import Breakers
from lifecycle.operations.verify_connectors import ConnectorProbe, exit_code, verify_connectors

url, host, port, python, seconds = *sys.argv[1:5], float(sys.argv[5])
clock = lambda: datetime.now(UTC)


class Native:
    def verify(self, target, value, *, deadline, via):
        ctypes.CDLL(None).sleep(3600)  # in C, where no exception reaches it


login = {"username": "svc", "password": "canary"}
place = {"bootstrap": [f"{host}:{port}"], "topic": "t", "tls": False}
blobs = AzureBlobSettings(account="acme", container="c", url=url)
cases = {
    "azure": (AzureBlobVerifier(url, clock=clock), blobs, {"account_key": "a2V5"}),
    "kafka": (KafkaSpoolerVerifier(clock=clock), KafkaSpoolerSettings.model_validate(place), login),
    "native": (Native(), None, {}),
    "postgres": (PostgresVerifier(clock=clock), PostgresSettings(host=host, port=int(port)), login),
    "snowflake": (
        SnowflakeVerifier(clock=clock, python=python),
        SnowflakeSettings(endpoint=url),
        {"account": "acme", "user": "svc", "password": "canary"},
    ),
}
probes = [
    ConnectorProbe(
        name=name,
        target=target,
        verifier=verifier,
        value=lambda value=value: secret_value(value),
        deadline=timedelta(seconds=seconds),
    )
    for name, (verifier, target, value) in cases.items()
]
results = verify_connectors(probes, clock=clock, breaker=Breakers())
print(json.dumps({item.name: [item.result.reason, item.result.detail] for item in results}))
sys.exit(exit_code(results))
"""


def test_run_ends_at_its_deadline_and_the_process_with_it() -> None:
    with raw_server(None) as silent:
        place = urlsplit(silent)
        arguments = [silent, str(place.hostname), str(place.port), str(provisioned("snowflake")), str(_SECONDS)]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments], cwd=_ROOT, capture_output=True, timeout=_GUARD, check=False
        )
    found = json.loads(done.stdout or b"{}")
    assert sorted(found) == ["azure", "kafka", "native", "postgres", "snowflake"], done.stderr.decode()
    assert {reason for reason, _ in found.values()} <= {"time-out: total", "time-out: read", "time-out: connect"}, found
    assert "probes left behind in this run: " in found["native"][1]
    assert done.returncode == 4
    assert b"canary" not in done.stdout + done.stderr
