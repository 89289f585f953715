"""Where and as whom Terraform runs, and the environment that its process gets: chosen, never inherited."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.secret import SecretText
from lifecycle.terraform_cli.cli_config import ProviderMirror

_VARIABLE_LIMIT = 128 * 1024 - 1  # Linux: one string of the environment, with name and terminator
_REFUSED = re.compile(r"TF_LOG.*|TF_CLI_ARGS.*|TF_WORKSPACE|TF_VAR_.*")
_SECRET_NAMES = re.compile(r"(SECRET|TOKEN|PASSWORD|PRIVATE|_KEY$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Deadlines of the long commands, and how long an orderly stop may take before it is killed."""

    init: timedelta = timedelta(minutes=15)
    plan: timedelta = timedelta(minutes=30)
    apply: timedelta = timedelta(hours=2)
    grace: timedelta = timedelta(minutes=2)
    lock_wait: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where and as whom Terraform runs.

    Attributes:
        folder: the generated root.
        environment_name: for messages.
        state: where the state is, for messages: `backend_identity`.
        binary: path or name of terraform or tofu.
        environment: the whole environment of the child, chosen by the caller; never our own.
        variables: root variables, passed as `TF_VAR_*`; values only in the child's environment.
        plan_variables: root variables that hold nothing secret, read anew for each plan; a saved plan keeps them.
        data_dir: where Terraform keeps its working files (`TF_DATA_DIR`); inside `folder` when None.
        mirror: where providers are; None downloads them.
        platforms: those the lock file must cover.
        parallelism: concurrent operations.
    """

    folder: Path
    environment_name: str
    state: str = ""
    binary: str = "terraform"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, SecretText] = field(default_factory=dict, repr=False)
    plan_variables: Callable[[], Mapping[str, str]] = dict
    data_dir: Path | None = None
    mirror: ProviderMirror | None = None
    platforms: tuple[str, ...] = ()
    parallelism: int = 10

    def child_environment(self) -> dict[str, str]:
        """The whole environment of a command, but for the CLI configuration.

        Raises:
            ConfigurationError: it holds a variable that makes Terraform log secrets or take other arguments.
        """
        refused = ", ".join(
            sorted(name for name, value in self.environment.items() if value and _REFUSED.fullmatch(name))
        )
        if refused:
            raise ConfigurationError(
                f"environment variable {refused} is set: Terraform would log secrets or take other arguments",
                remedy=f"Unset {refused} and run again.",
            )
        child = {**self.environment, "TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
        if self.data_dir is not None:
            child["TF_DATA_DIR"] = str(self.data_dir)
        return child | dict(_variables(self.variables))

    def added_to(self, command: str) -> dict[str, str]:
        """What this command gets beside that. An apply gets nothing: the plan says what was reviewed."""
        if command != "plan":
            return {}
        return dict(_variables({name: SecretText(text) for name, text in self.plan_variables().items()}))

    def secrets(self) -> tuple[SecretText, ...]:
        """Every value the child is given that may not appear in a message."""
        logins = (SecretText(value) for name, value in self.environment.items() if _SECRET_NAMES.search(name))
        return (*self.variables.values(), *logins)


def _variables(variables: Mapping[str, SecretText]) -> Iterator[tuple[str, str]]:
    for name, text in variables.items():
        pair = f"TF_VAR_{name}", text.get_secret_value()
        if len(pair[0]) + len(pair[1].encode()) + 1 > _VARIABLE_LIMIT:
            raise ConfigurationError(
                f"variable {name} is longer than the {_VARIABLE_LIMIT} bytes an environment variable may have",
                remedy="Split it into several variables.",
            )
        yield pair
