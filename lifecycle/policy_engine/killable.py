"""Evaluates expressions in a process of its own, which is killed when it makes no progress.

The engine of the expressions bounds nothing and cannot be interrupted. So one process is forked for an evaluation, when
its first expression rule is due: it finds spec and plan in its memory, nothing is sent to it. It answers rule by rule
on a pipe, and counts on a shared page each object that it begins; when that count stands still for longer than the
patience, it is killed, and every rule that has no answer is an error, which is "not passed". It ends with its parent.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import mmap
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import orjson

Tick = Callable[[], None]
Judge = Callable[[str, Tick], list[Any]]
PATIENCE = timedelta(seconds=5)
_PR_SET_PDEATHSIG = 1
_LOOK = 0.05  # seconds between two looks at the count; an answer is noticed at once
_COUNT = 8  # bytes of the shared count


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one rule gave: what it saw, or why it has no answer.

    Attributes:
        seen: the JSON documents that the judge returned.
        error: empty when the rule ran to its end.
    """

    seen: tuple[Any, ...] = ()
    error: str = ""


class KillableRules:
    """Judges some rules in a forked process.

    Args:
        rules: ids, in the order in which they are judged.
        judge: called in that process with an id and what to call before each object; returns JSON documents.
        patience: for one object.
    """

    def __init__(self, rules: Sequence[str], judge: Judge, *, patience: timedelta = PATIENCE) -> None:
        self._rules = tuple(rules)
        self._patience = patience.total_seconds()
        self._answers: dict[str, Answer] = {}
        self._count = mmap.mmap(-1, _COUNT)
        self._pipe, writing = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            _work(self._rules, judge, writing, self._count)
        os.close(writing)

    def answer(self, rule: str) -> Answer:
        """The answer of one rule; waits for all of them at the first call."""
        if self._pid:
            self._collect()
        return self._answers.get(rule, Answer(error="was not evaluated"))

    def close(self) -> None:
        """Kill the process if it still runs. A second call does nothing."""
        if self._pid:
            self._end(signal.SIGKILL)

    def _collect(self) -> None:
        received, stuck = self._receive()
        status = self._end(signal.SIGKILL if stuck else 0)
        for line in received.splitlines():
            with contextlib.suppress(orjson.JSONDecodeError):  # the last line of a killed process may be cut
                rule, seen, error = orjson.loads(line)
                self._answers[rule] = Answer(seen=tuple(seen), error=error)
        why = f"the process that evaluates expressions ended early (status {status})"
        for rule in self._rules:
            if rule not in self._answers:
                self._answers[rule] = Answer(error=stuck or why)
                stuck = stuck and "not reached, because an earlier rule was stopped"

    def _receive(self) -> tuple[bytes, str]:
        """Everything it said; and, when it stood still, that it had to be stopped."""
        received = bytearray()
        before, since = -1, time.monotonic()
        while True:
            ready, _, _ = select.select([self._pipe], [], [], min(_LOOK, self._patience))
            if ready:
                piece = os.read(self._pipe, 1 << 16)
                if not piece:
                    return bytes(received), ""
                received += piece
            now = int.from_bytes(self._count[:_COUNT], "little")
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > self._patience:
                return bytes(received), f"took longer than {self._patience:g} s over one object and was stopped"

    def _end(self, by: int) -> int:
        if by:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, by)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pipe)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)


def _work(
    rules: Sequence[str], judge: Judge, pipe: int, count: mmap.mmap
) -> NoReturn:  # pragma: no cover - in the fork
    """The forked process. Whatever happens, it never returns into the program that it is a copy of."""
    try:
        gc.disable()  # a collection would copy every page that it shares with its parent
        with contextlib.suppress(OSError, AttributeError):  # not on Linux: the parent still kills it
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for line in _answers(rules, judge, count):
            sent = 0
            while sent < len(line):
                sent += os.write(pipe, line[sent:])
    finally:
        os._exit(0)


def _answers(rules: Sequence[str], judge: Judge, count: mmap.mmap) -> Iterator[bytes]:  # pragma: no cover - in the fork
    begun = 0

    def tick() -> None:
        nonlocal begun
        begun += 1
        count[:_COUNT] = begun.to_bytes(_COUNT, "little")

    for rule in rules:
        tick()
        try:
            answer = [rule, judge(rule, tick), ""]
        except Exception as error:  # whatever a rule raises, the gate does not pass
            answer = [rule, [], f"{type(error).__name__}: {error}"]
        yield orjson.dumps(answer) + b"\n"
