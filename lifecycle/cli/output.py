"""The only place that prints. Results go to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from lifecycle.domain.errors import ConfigurationError, LifecycleError

if TYPE_CHECKING:
    from rich.console import Console

Update = Callable[[str], None]


class Output:
    """Renders results, progress and errors for a person or a program.

    Args:
        form: `text` or `json`.
        quiet: no progress at all.
        color: whether escape sequences may be written; callers switch it off for pipes and NO_COLOR.
        stdout: where results go.
        stderr: where progress and errors go.
    """

    def __init__(
        self,
        *,
        form: str = "text",
        quiet: bool = False,
        color: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.form = form
        self.quiet = quiet
        self.color = color
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._console: Console | None = None

    @property
    def interactive(self) -> bool:
        """Whether a person sits at both ends, so that a question may be asked."""
        return sys.stdin is not None and sys.stdin.isatty() and self._stderr.isatty()

    def result(self, document: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print what a command found: the document as JSON, or the lines."""
        if self.form == "json":
            print(json.dumps(document, indent=2, sort_keys=True, default=str), file=self._stdout)
            return
        for line in lines:
            print(line, file=self._stdout)

    def raw(self, text: str) -> None:
        """Print a rendered file or schema as it is, in either form."""
        print(text, file=self._stdout, end="" if text.endswith("\n") else "\n")

    def step(self, name: str, text: str) -> None:
        """One line of progress: which step, what came of it."""
        if self.quiet:
            return
        label = f"\x1b[1m{name:<9}\x1b[0m" if self.color else f"{name:<9}"
        self._say(f"{label} {text}")

    def note(self, text: str) -> None:
        """A line that belongs to the step above it."""
        if not self.quiet:
            self._say(f"{'':<9} {text}")

    def _say(self, line: str) -> None:
        """A whole line, above the one that changes in place when there is one."""
        if self._console is None:
            print(line, file=self._stderr, flush=True)
            return
        from rich.text import Text

        self._console.print(Text.from_ansi(line), soft_wrap=True)

    @contextmanager
    def live(self, name: str) -> Iterator[Update]:
        """A line that changes in place while something runs; nothing when standard error is not a terminal."""
        if self.quiet or not self._stderr.isatty() or not self.color or self._console is not None:
            yield lambda _text: None
            return
        from rich.console import Console

        console = Console(file=self._stderr, highlight=False, markup=False)
        self._console = console
        try:
            with console.status(f"{name:<9}") as status:
                yield lambda text: status.update(f"{name:<9} {text}"[: max(20, console.width - 4)])
        finally:
            self._console = None

    @contextmanager
    def picture(self) -> Iterator[Callable[[Any], None] | None]:
        """Something of rich that is drawn again in place, and wiped at the end; None where there is no terminal."""
        if self.quiet or not self._stderr.isatty() or not self.color or self._console is not None:
            yield None
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stderr, highlight=False, markup=False)
        self._console = console
        try:
            with Live(console=console, transient=True, refresh_per_second=8) as live:
                yield live.update
        finally:
            self._console = None

    def ask(self, question: str) -> bool:
        """Ask a yes on the terminal. Callers check `interactive` first: without a terminal nothing asks."""
        print(f"{question} [yes/no] ", file=self._stderr, end="", flush=True)
        return sys.stdin.readline().strip().lower() == "yes"

    def error(self, error: LifecycleError) -> None:
        """Print what happened to which object and what to do next, every place on its own line."""
        problems = error.problems if isinstance(error, ConfigurationError) else ()
        if self.form == "json":
            document = {
                "error": type(error).__name__,
                "message": error.message,
                "remedy": error.remedy,
                "exit_code": int(error.exit_code),
                "problems": [
                    {"place": str(p.place), "key_path": p.key_path, "message": p.message, "remedy": p.remedy}
                    for p in problems
                ],
            }
            print(json.dumps(document, indent=2, sort_keys=True), file=self._stdout)
        label = "\x1b[31merror\x1b[0m" if self.color else "error"
        for problem in problems:
            print(str(problem), file=self._stderr)
        print(f"{label}: {error.message}", file=self._stderr)
        if error.remedy:
            print(f"  next: {error.remedy}", file=self._stderr, flush=True)
