"""Parser, global flags, errors to remedies and exit codes. Alone opens the house, and only when a command runs."""

from __future__ import annotations

import argparse
import os
import sys

from lifecycle import __version__
from lifecycle.cli.arguments import Parser, shared_options
from lifecycle.cli.commands import add_families, parser_or_name

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from lifecycle.cli.output import Output
    from lifecycle.domain.errors import LifecycleError

_EPILOG = """exit codes: 0 done, 1 internal failure, 2 usage or configuration, 3 cannot connect or authenticate,
4 remote fault or indeterminate, 5 a check said no, 6 work pending (with --detailed-exitcode),
7 quarantined: a person is needed, 130 interrupted"""


def build_parser(argv: Sequence[str] | None = None) -> Parser:
    """The command line; builds no command's collaborators.

    Args:
        argv: what will be parsed: only commands among these words get their options. None = all do.
    """
    shared = shared_options()
    parser = Parser(
        prog="lifecycle",
        description="Infrastructure and secrets lifecycle around DataRobot: declare, apply, rotate, verify, prove.",
        epilog=_EPILOG,
        parents=[shared],
    )
    parser.add_argument("--version", action="version", version=f"lifecycle {__version__}")
    making: Any = parser_or_name  # a function will do, as argparse only calls it; its stubs ask for a class
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=making)
    add_families(commands, shared, argv)
    return parser


def run(argv: Sequence[str]) -> int:
    """Parse, run one command, and say how it ended.

    Args:
        argv: arguments without the program name.

    Returns:
        the process's exit code.
    """
    args = build_parser(argv).parse_args(argv)  # prints help or version, and ends there

    import signal

    from lifecycle.domain.errors import ExitCode, InterruptedRunError, LifecycleError

    out = _output(args)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = int(args.run(args, _open_house(args, out), out))
        sys.stdout.flush()  # here, where a closed pipe can still be answered
        return code
    except LifecycleError as error:
        out.error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        out.error(InterruptedRunError("interrupted", remedy="run the same command again: it finishes what is open"))
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # What is left in the buffer is written when the interpreter ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except Exception as error:  # the last fence: a traceback could print a value, its frames' names cannot
        out.error(_internal(error))
        return int(ExitCode.INTERNAL)


def _interrupt(_signum: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt


def _internal(error: Exception) -> LifecycleError:
    from lifecycle.domain.errors import LifecycleError

    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/lifecycle/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    where = " < ".join(reversed(frames[-4:]))
    return LifecycleError(
        f"internal failure: {type(error).__name__} at {where}",
        remedy="report this line; it holds no values. Running the same command again is safe",
    )


def _output(args: argparse.Namespace) -> Output:
    from lifecycle.bootstrap import color_wanted
    from lifecycle.cli.output import Output

    color = sys.stderr.isatty() and color_wanted()
    return Output(form=getattr(args, "output", "text"), quiet=getattr(args, "quiet", False), color=color)


def _open_house(args: argparse.Namespace, out: Output) -> Any:
    from lifecycle.bootstrap import open_house
    from lifecycle.domain.errors import ConfigurationError

    env = getattr(args, "env", "")
    house = open_house(env=env, root=getattr(args, "root", ""), step=out.step, note=out.note, live=out.live)
    if getattr(args, "needs_env", True) and not house.env:
        raise ConfigurationError(
            "no environment is named", remedy="add --env NAME or set LIFECYCLE_ENV; folders of environments/ are names"
        )
    return house
