"""Every command, its family and what it is for. `--help` reads this and imports no family; see `Commands`."""

from __future__ import annotations

from lifecycle.cli.arguments import Parser

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

# Family (a module beside this one) -> command -> what it is for; the order is that of `--help`.
FAMILIES = {
    "setup": {
        "init": "a working repository: modules, policies, an environment",
        "bootstrap": "state bucket, journal, keys and mounts that an environment needs",
    },
    "documents": {
        "check": "spec and policy files, offline",
        "spec": "the resolved spec",
        "schema": "JSON Schema of the spec, for editors",
    },
    "infrastructure": {
        "plan": "what an apply would do, in words",
        "apply": "apply exactly what was reviewed, then issue and verify",
        "drift": "what changed outside; exit code 5 when something did",
        "destroy": "destroy an environment; sandboxes only without --yes",
        "unlock": "release a state lock by its id",
    },
    "review": {
        "approve": "sign the review of a plan",
        "report": "the last receipt on one screen",
        "status": "what lapses next, what is open, what needs a person",
    },
    "rotate": {
        "rotate": "credentials: plan, rotate, resume, retire",
        "whose": "a leaked value on standard input: which credential is it",
    },
    "verify": {"verify": "do the connectors work, and if not, whose fault is it"},
    "doctor": {"doctor": "why does DataRobot fail: the known causes in order"},
    "network": {"allowlist": "hosts that may be reached", "agent": "monitoring agents"},
    "policy": {"policy": "the rules of the gate"},
    "audit": {"audit": "who did what"},
    "sandbox": {"sandbox": "the local servers"},
}


class Named:
    """Stands for the parser of a command that is only listed, since making real ones takes a tenth of `--help`."""


def parser_or_name(*, listed_only: bool = False, **given: Any) -> Parser | Named:
    """The `parser_class` of the whole command line's sub-parsers."""
    return Named() if listed_only else Parser(**given)


class Commands:
    """Registers the commands of a family; takes what each is for from the table, so that it stands in one place.

    Args:
        action: the sub-parsers of the whole command line.
        texts: of this family: command -> what it is for.
    """

    def __init__(self, action: Any, texts: dict[str, str]) -> None:
        self._action = action
        self._texts = texts

    def add_parser(self, name: str, **given: Any) -> argparse.ArgumentParser:
        """As argparse has it.

        Raises:
            KeyError: the command is missing in `FAMILIES`.
        """
        parser: argparse.ArgumentParser = self._action.add_parser(name, help=self._texts[name], **given)
        return parser


def add_families(action: Any, shared: argparse.ArgumentParser, argv: Sequence[str] | None) -> None:
    """Register every command: whole where its family may be called for, else by name only.

    Args:
        action: the sub-parsers of the whole command line.
        shared: the global options.
        argv: a family is whole when one of its commands is among these words; None = all are.
    """
    for family, texts in FAMILIES.items():
        commands = Commands(action, texts)
        if argv is None or not texts.keys().isdisjoint(argv):
            _module(family).add(commands, shared)
        else:
            for name in texts:
                commands.add_parser(name, listed_only=True)


def _module(family: str) -> Any:
    from importlib import import_module

    return import_module(f"lifecycle.cli.{family}")
