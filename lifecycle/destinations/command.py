"""A command of yours that carries the value to its consumer: `command`, `check` and `withdraw`, three argument lists.

They run without a shell, in an environment of PATH, LANG and what is declared, with a deadline after which they and all
they started are killed. The value is JSON on standard input, or on the descriptor that LIFECYCLE_VALUE_FD names; never
an argument or a variable. What they write is never shown; look at their own log.

| | Reads | Variables | Says |
|---|---|---|---|
| `command` | the value | LIFECYCLE_CONSUMER, _OPERATION, _FENCE, _FINGERPRINT | 0: it is there; twice does no harm |
| `check` | nothing | LIFECYCLE_CONSUMER | on standard output: the fingerprint that came with the value in use |
| `withdraw` | nothing | LIFECYCLE_CONSUMER, _OPERATION, _FENCE | 0: the consumer has no copy any more |

Without `check` the 0 of `command` is the acknowledgement. A fingerprint is keyed: it tells nothing about the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lifecycle.destinations.noted_copy import CopyTarget, Marks, Parcel, Placed, Seen, Sight
from lifecycle.domain.errors import RemoteServiceError
from lifecycle.domain.kinds import Family, Kind, KindSettings
from lifecycle.domain.secret import Fingerprint, OperationId, canonical_json
from lifecycle.domain.spec import Duration
from lifecycle.foundation.bounded_command import run_bounded

_Arguments = Annotated[tuple[str, ...], Field(min_length=1)]
_OURS = "LIFECYCLE_"


class CommandSettings(KindSettings):
    """`deliver_to: [{command: {…}}]`.

    Attributes:
        command: puts the value; program and arguments.
        withdraw: takes it away when the credential is retired.
        check: prints the fingerprint of what is used now; empty = the success of `command` counts.
        environment: variables that they get beside PATH and LANG; no secrets.
        value_on: where `command` reads the value.
        timeout: of each run.
    """

    command: _Arguments
    withdraw: _Arguments
    check: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    value_on: Literal["stdin", "descriptor"] = "stdin"
    timeout: Duration = timedelta(seconds=30)

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        if any(name.startswith(_OURS) for name in self.environment):
            raise ValueError(f"sets a variable that begins with {_OURS}, which is ours: choose another name")
        return self


class CommandTarget:
    """One consumer behind commands.

    Args:
        command, withdraw, check: as in the settings.
        environment: variables beside PATH and LANG.
        on_descriptor: the value is not on standard input, but on a descriptor of its own.
        timeout: of each run.
    """

    def __init__(
        self,
        command: Sequence[str],
        withdraw: Sequence[str],
        *,
        check: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        on_descriptor: bool = False,
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        self._command = command
        self._withdraw = withdraw
        self._check = check
        self._environment = environment or {}
        self._on_descriptor = on_descriptor
        self._timeout = timeout

    @property
    def place(self) -> str:
        """Names it in messages."""
        return f"the command {self._command[0]}"

    def put(self, parcel: Parcel) -> Placed:
        """Run `command` with the value."""
        content = canonical_json(parcel.value) + b"\n"
        variables = {
            **_about(parcel.consumer, parcel.operation, parcel.fence),
            f"{_OURS}FINGERPRINT": str(parcel.fingerprint),
        }
        ended = run_bounded(
            self._command,
            environment={**self._environment, **variables},
            timeout=self._timeout,
            stdin=None if self._on_descriptor else content,
            on_descriptor=content if self._on_descriptor else None,
        )
        _judge(ended.trouble, self._command, f"that delivers to {parcel.consumer}")
        return Placed(marks={"consumer": parcel.consumer})

    def look(self, marks: Marks, fingerprint: Fingerprint) -> Sight:
        """Ask `check`."""
        if not self._check:
            return Sight(seen=Seen.HELD)
        consumer = marks.get("consumer", "")
        ended = run_bounded(
            self._check,
            environment={**self._environment, f"{_OURS}CONSUMER": consumer},
            timeout=self._timeout,
            keep_output=True,
        )
        _judge(ended.trouble, self._check, f"that checks {consumer}")
        return Sight(seen=Seen.HELD if ended.output.strip() == fingerprint.encode() else Seen.SETTLING)

    def take_away(self, consumer: str, operation: OperationId, fence: int) -> None:
        """Run `withdraw`."""
        ended = run_bounded(
            self._withdraw,
            environment={**self._environment, **_about(consumer, operation, fence)},
            timeout=self._timeout,
        )
        _judge(ended.trouble, self._withdraw, f"that withdraws from {consumer}")


def _about(consumer: str, operation: OperationId, fence: int) -> dict[str, str]:
    return {f"{_OURS}CONSUMER": consumer, f"{_OURS}OPERATION": operation, f"{_OURS}FENCE": str(fence)}


def _judge(trouble: str, command: Sequence[str], purpose: str) -> None:
    if trouble:
        raise RemoteServiceError(
            f"the command {command[0]} {purpose} {trouble}",
            remedy="look at its own log: what it wrote is not shown, as it may hold the value",
            retryable=True,
        )


_: type[CopyTarget] = CommandTarget

KIND = Kind(
    name="command",
    family=Family.DESTINATION,
    settings=CommandSettings,
    summary="A command that carries the value: no shell, declared environment, deadline, the value on standard input.",
)
