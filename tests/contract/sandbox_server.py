"""Runs one double of the sandbox for a test module, as its own process."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from lifecycle.clients.aws import AwsClients, AwsConnection
from lifecycle.domain.secret import SecretText
from lifecycle.sandbox.bootstrap_file import SandboxBootstrap, create_bootstrap
from lifecycle.sandbox.private_file import read_json
from tests.servers.environment import minimal_environment
from tests.servers.process import start_process, wait_until

_ROOT = Path(__file__).resolve().parents[2]
_MODULES = {"aws": "moto_server", "oauth": "oauth_server", "datarobot": "datarobot_api"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Double:
    """A running double: its address and the values it started with."""

    url: str
    bootstrap: SandboxBootstrap

    def aws(self, access_key_id: SecretText | None = None, secret_access_key: SecretText | None = None) -> AwsClients:
        """boto3 clients for it, as the administrator unless a key is given."""
        admin = self.bootstrap.aws
        return AwsClients(
            AwsConnection(
                region=admin.region,
                endpoint=self.url,
                access_key_id=access_key_id or SecretText(admin.access_key_id),
                secret_access_key=secret_access_key or admin.secret_access_key,
            )
        )

    def fault(self, **fault: object) -> None:
        """Inject a fault, in the words of `lifecycle.sandbox.control`."""
        self._faults("POST", fault)

    def clear_faults(self) -> None:
        """Remove them all."""
        self._faults("DELETE", None)

    def _faults(self, method: str, fault: object) -> None:
        headers = {"X-Control-Token": self.bootstrap.control_token.get_secret_value()}
        with httpx.Client(trust_env=False) as client:
            client.request(method, f"{self.url}/__control__/faults", json=fault, headers=headers).raise_for_status()


@contextmanager
def running_double(name: str, state: Path) -> Iterator[Double]:
    """Start the double, wait until it is ready, end it."""
    bootstrap = create_bootstrap(state, "test")
    env = minimal_environment(state, PYTHONPATH=str(_ROOT), AWS_EC2_METADATA_DISABLED="true")
    argv = [sys.executable, "-m", f"lifecycle.sandbox.{_MODULES[name]}", "--state", str(state)]
    process = start_process(argv, log=state / f"{name}.log", env=env)
    ready = state / "servers" / name / "ready.json"
    try:
        wait_until(lambda: read_json(ready) is not None, process=process, what=name)
        yield Double(url=str((read_json(ready) or {})["url"]), bootstrap=bootstrap)
    finally:
        process.stop()
