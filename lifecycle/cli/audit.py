"""`lifecycle audit …`: who did what, offline."""

from __future__ import annotations

import argparse

from lifecycle.cli.arguments import folder
from lifecycle.domain.exit_codes import ExitCode

TYPE_CHECKING = False  # importing `typing` for it would slow `--help` down
if TYPE_CHECKING:
    from lifecycle.bootstrap import House
    from lifecycle.cli.commands import Commands
    from lifecycle.cli.output import Output
    from lifecycle.operations.select_events import EventFilter

_RESULTS = ("intent", "done", "failed", "refused", "unknown")


def add(commands: Commands, shared: argparse.ArgumentParser) -> None:
    """Register the commands."""
    verbs = commands.add_parser("audit").add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", parents=[shared], help="events, oldest first")
    _add_filters(show)
    show.set_defaults(run=_show)
    verify = verbs.add_parser("verify", parents=[shared], help="has the trail been altered")
    verify.add_argument("--expect-head", default="", metavar="DIGEST", help="an earlier head that must be an ancestor")
    verify.add_argument("--file", type=folder, metavar="FILE", help="a copy, e.g. audit.jsonl of an evidence pack")
    verify.add_argument("--kept", action="store_true", help="also ask the write-once storage (needs the network)")
    verify.set_defaults(run=_verify)
    sign = verbs.add_parser("sign", parents=[shared], help="sign the newest line as somebody who does not write it")
    sign.add_argument("--key", type=folder, metavar="FILE", help="SSH key (default: the key that the spec names)")
    sign.add_argument("--show-key", action="store_true", help="print what policies/signers must hold; sign nothing")
    sign.set_defaults(run=_sign)
    export = verbs.add_parser("export", parents=[shared], help="for SIEM and auditors")
    export.add_argument("--format", choices=("jsonl", "cef", "oscal"), default="jsonl", help="default: jsonl")
    _add_filters(export)
    export.set_defaults(run=_export)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    for name, example in (("actor", "ann@*"), ("action", "credential.*"), ("object", "credentials.*")):
        parser.add_argument(f"--{name}", default="", metavar="PATTERN", help=f"e.g. '{example}'")
    parser.add_argument("--result", action="append", choices=_RESULTS, default=[], help="may be given several times")
    parser.add_argument("--from", dest="since", metavar="DATE", default="", help="first day")
    parser.add_argument("--to", dest="until", metavar="DATE", default="", help="last day, UTC")


def _filter(args: argparse.Namespace) -> EventFilter:
    from lifecycle.cli.period import period
    from lifecycle.domain.audit import Result
    from lifecycle.operations.select_events import EventFilter

    since, until = period(args.since, args.until)
    return EventFilter(
        actor=args.actor,
        action=args.action,
        object=args.object,
        results=tuple(Result(text) for text in args.result),
        since=since,
        until=until,
    )


def _show(args: argparse.Namespace, house: House, out: Output) -> int:
    events = house.audit.events(_filter(args))
    lines = [f"{e.at:%Y-%m-%d %H:%M:%S} {e.actor} {e.action} {e.object} {e.result}" for _, e in events]
    out.result({"events": [event.model_dump(mode="json") for _, event in events]}, lines)
    return ExitCode.DONE


def _verify(args: argparse.Namespace, house: House, out: Output) -> int:
    found = house.audit.verify(expect_head=args.expect_head, file=args.file, kept=args.kept)
    count = found.head.sequence
    lines = [f"{count} events, unaltered, head {found.head.digest}"]
    if found.signed:
        open_lines = count - found.last_signed
        lines.append(
            f"{found.signed} signed heads by {', '.join(found.signers)} hold, the newest up to line {found.last_signed}"
            + (f", {open_lines} after it are covered by none" if open_lines else "")
        )
    elif count:
        lines.append("no signed head: whoever can write the file could have written all of it (`lifecycle audit sign`)")
    document = {
        "head": found.head.digest,
        "events": count,
        "signed_heads": found.signed,
        "last_signed": found.last_signed,
        "signers": list(found.signers),
    }
    out.result(document, lines)
    return ExitCode.DONE


def _sign(args: argparse.Namespace, house: House, out: Output) -> int:
    if args.show_key:
        key = house.audit.signer(args.key).public_key()
        out.result({"public_key": key}, [key.rstrip("\n")])
        return ExitCode.DONE
    if args.key is None:
        house.start()
    statement, signer = house.audit.sign(args.key)
    document = {"signer": signer, **statement.model_dump(mode="json")}
    out.result(document, [f"{signer} signed line {statement.sequence}, head {statement.digest}"])
    return ExitCode.DONE


def _export(args: argparse.Namespace, house: House, out: Output) -> int:
    out.raw("\n".join(house.audit.export(args.format, _filter(args))))
    return ExitCode.DONE
