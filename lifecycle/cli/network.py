"""`lifecycle allowlist …`, `agent …`: what is rendered for proxies, firewalls and agents."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lifecycle.domain.errors import ExitCode

if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.output import Output


def add(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    allowlist = commands.add_parser("allowlist", help="hosts that may be reached").add_subparsers(
        metavar="VERB", required=True
    )
    render = allowlist.add_parser("render", parents=[shared], help="the configuration of one target")
    render.add_argument("name", metavar="NAME")
    render.add_argument("--target", required=True, help="a target of the list, e.g. squid")
    render.set_defaults(run=_render_allowlist)
    agent = commands.add_parser("agent", help="monitoring agents").add_subparsers(metavar="VERB", required=True)
    config = agent.add_parser("render", parents=[shared], help="the agent's configuration; its token stays a reference")
    config.add_argument("name", metavar="NAME")
    config.set_defaults(run=_render_agent)


def _render_allowlist(args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw(house.render_allowlist(args.name, args.target))
    return ExitCode.DONE


def _render_agent(args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw(house.render_agent(args.name))
    return ExitCode.DONE
