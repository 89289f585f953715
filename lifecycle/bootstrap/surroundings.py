"""What every builder needs to know: settings, paths, clock, who acts, and the endpoints of a running sandbox."""

from __future__ import annotations

import getpass
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from lifecycle.bootstrap.paths import Paths
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText

if TYPE_CHECKING:
    from lifecycle.clients.aws import AwsClients, AwsConnection
    from lifecycle.domain.spec import Spec
    from lifecycle.sandbox.bootstrap_file import SandboxBootstrap
    from lifecycle.settings import Settings

SANDBOX = "sandbox://"

Step = Callable[[str, str], None]


def utc_now() -> datetime:
    """The one real clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """A fresh random id."""
    return uuid.uuid4().hex


def read_settings(*, env: str, root: str) -> Settings:
    """The settings, with what the command line gave on top.

    Raises:
        ConfigurationError: a variable or `lifecycle.toml` is wrong; names each, shows no value.
    """
    from pydantic import ValidationError

    from lifecycle.settings import Settings

    given = {name: value for name, value in (("env", env), ("root", root)) if value}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic parses them
    except ValidationError as error:
        names = ", ".join(f"LIFECYCLE_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"settings are wrong: {names}", remedy="correct the variable, or its line in lifecycle.toml"
        ) from None


def owner_lives(owner: str) -> bool:
    """Whether the process that `Surroundings.owner` names still runs; of another host's nobody here can tell."""
    from lifecycle.terraform_cli.run_records import start_time

    host, _, process = owner.partition(":")
    pid, _, started = process.partition(":")
    if host != socket.gethostname() or not (pid.isdecimal() and started.isdecimal()):
        return True
    return start_time(int(pid)) == int(started)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSandbox:
    """A started sandbox: its instance id, where its servers listen, and its administrator values."""

    instance_id: str
    endpoints: Mapping[str, str]
    bootstrap: SandboxBootstrap = field(repr=False)


@dataclass(kw_only=True)
class Surroundings:
    """Built once per command; `sandbox` is set when the servers are up.

    Attributes:
        settings: of this installation.
        paths: of the environment.
        step, note: where progress goes.
    """

    settings: Settings
    paths: Paths
    step: Step
    note: Callable[[str], None]
    sandbox: RunningSandbox | None = None

    @cached_property
    def spec(self) -> Spec:
        """The resolved spec of the environment."""
        from lifecycle.bootstrap.kinds import registry
        from lifecycle.documents.builder import load_spec

        folder = self.paths.environment
        if not folder.is_dir():
            known = sorted(p.name for p in folder.parent.glob("[a-z]*") if p.is_dir())
            raise ConfigurationError(
                f"there is no environment {self.paths.env!r} in {folder.parent}",
                remedy=f"known are: {', '.join(known)}" if known else "run `lifecycle init` to make a repository",
            )
        return load_spec(folder, registry(), root=self.paths.root)

    @cached_property
    def actor(self) -> str:
        """Who acts, for audit log and receipts."""
        return self.settings.actor or f"{getpass.getuser()}@{socket.gethostname()}"

    @property
    def owner(self) -> str:
        """Who holds leases: this process on this host, and when it started, as pids come back."""
        from lifecycle.terraform_cli.run_records import start_time

        return f"{socket.gethostname()}:{os.getpid()}:{start_time(os.getpid())}"

    def resolve(self, url: str) -> str:
        """An endpoint of the spec as it is on this machine: `sandbox://NAME` becomes the running server's."""
        if not url.startswith(SANDBOX):
            return url
        name, _, path = url.removeprefix(SANDBOX).partition("/")
        endpoint = self.sandbox.endpoints.get(name, "") if self.sandbox else ""
        if not endpoint:
            raise ConfigurationError(
                f"{url} is used, but this environment's sandbox has no server {name!r}",
                remedy=f"add {name} to sandbox.servers in the spec",
            )
        return f"{endpoint}/{path}" if path else endpoint

    @cached_property
    def aws(self) -> AwsClients:
        """Clients of the environment's account; in a sandbox, of the emulator."""
        from lifecycle.clients.aws import AwsClients

        return AwsClients(self.aws_connection)

    @property
    def aws_connection(self) -> AwsConnection:
        """Where the environment's account is, and as whom it is used."""
        from lifecycle.clients.aws import AwsConnection

        target = self.spec.aws
        region = target.region if target else "us-east-1"
        if self.sandbox:
            admin = self.sandbox.bootstrap.aws
            return AwsConnection(
                region=region,
                endpoint=self.sandbox.endpoints["aws"],
                access_key_id=SecretText(admin.access_key_id),
                secret_access_key=admin.secret_access_key,
            )
        role = target.role or "" if target else ""
        endpoint = target.endpoint or "" if target else ""
        return AwsConnection(region=region, role=role, endpoint=endpoint)

    @property
    def aws_place(self) -> str:
        """Where the account is asked, for messages."""
        connection = self.aws_connection
        return connection.endpoint or f"AWS {connection.region}"

    @property
    def aws_login(self) -> str:
        """With what we log in to AWS, for messages; the id of an access key is no secret."""
        from lifecycle.settings import child_environment

        if self.sandbox:
            return f"access key {self.sandbox.bootstrap.aws.access_key_id}"
        given = child_environment(with_aws=True)
        named = (("access key", "AWS_ACCESS_KEY_ID"), ("profile", "AWS_PROFILE"))
        found = (f"{what} {given[name]}" for what, name in named if given.get(name))
        return next(found, "the AWS login of this machine")

    @property
    def aws_identity(self) -> str:
        """As whom the account is used, for messages."""
        role = self.aws_connection.role
        return f"role {role}, assumed with {self.aws_login}" if role else self.aws_login

    @property
    def aws_in_words(self) -> str:
        """Where and as whom, for messages."""
        return f"at {self.aws_place} as {self.aws_identity}"

    @cached_property
    def administrator_aws(self) -> AwsClients:
        """Clients as whoever is logged in, without the role of the spec, which bootstrapping comes before."""
        from lifecycle.clients.aws import AwsClients

        return AwsClients(replace(self.aws_connection, role=""))
