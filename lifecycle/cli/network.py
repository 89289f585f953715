"""`lifecycle allowlist …`, `agent …`: what is rendered for proxies, firewalls and agents."""

from __future__ import annotations

import argparse

from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    allowlist = commands.add_parser("allowlist").add_subparsers(metavar="VERB", required=True)
    render = allowlist.add_parser("render", parents=[shared], help="the configuration of one target")
    render.add_argument("name", metavar="NAME")
    render.add_argument("--target", required=True, help="a target of the list, e.g. squid")
    render.set_defaults(run=_render_allowlist)
    agent = commands.add_parser("agent").add_subparsers(metavar="VERB", required=True)
    config = agent.add_parser("render", parents=[shared], help="the agent's configuration; its token stays a reference")
    config.add_argument("name", metavar="NAME")
    config.set_defaults(run=_render_agent)


def _render_allowlist(args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw(house.documents.render_allowlist(args.name, args.target))
    return ExitCode.DONE


def _render_agent(args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw(house.documents.render_agent(args.name))
    return ExitCode.DONE
