"""Refuses configuration that would run or fetch foreign code, before `init` runs any.

Planning a stranger's pull request must not run his program. Allowed is a list, not the contrary: the pinned provider,
modules of this tree, known backends, known blocks. A file that cannot be read with certainty is refused too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lifecycle.domain.errors import Place
from lifecycle.domain.policy import Finding, Severity
from lifecycle.terraform_cli.backends import KINDS as BACKEND_KINDS
from lifecycle.terraform_cli.configuration_blocks import LABELS, Block, UnreadableError, json_blocks
from lifecycle.terraform_cli.hcl_blocks import hcl_blocks

PROVIDER_SOURCE = "registry.terraform.io/hashicorp/aws"
_PREFIXES = ("aws_", "terraform_data")
# What the generated root sets; others can run a program (a profile's `credential_process`) or lead elsewhere.
_PROVIDER_SETTINGS = frozenset({"region", "allowed_account_ids", "max_retries", "assume_role", "alias"})
# Reading it calls a function of the account's: code that runs at plan time.
_CALLS = frozenset({"aws_lambda_invocation"})
_BACKENDS = {kind.name: frozenset(kind.settings.model_fields) for kind in BACKEND_KINDS}
_SUFFIXES = (".tf", ".tf.json", ".tofu", ".tofu.json")
_PROVIDER_FUNCTION = re.compile(r"\bprovider\s*::")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    shown: str
    text: str
    in_root: bool


def static_check(root: Path, modules: Path) -> tuple[Finding, ...]:
    """Look at the generated root and the module tree.

    Args:
        root: the generated root.
        modules: the folder of the modules; the root may call its direct children, and nothing else.

    Returns:
        What is refused, by file and line; empty when nothing is.
    """
    shown_from = modules.resolve().parent.parent
    found: list[Finding] = []
    for path, in_root in [
        *((p, True) for p in _files(root, deep=False)),
        *((p, False) for p in _files(modules, deep=True)),
    ]:
        shown = os.path.relpath(path.absolute(), shown_from)
        found += _check_file(path, shown, in_root=in_root, modules=modules)
    return tuple(sorted(found, key=lambda finding: (str(finding.place), finding.rule, finding.message)))


def _files(folder: Path, *, deep: bool) -> list[Path]:
    """What Terraform reads: configuration, and variable files that it loads by itself."""
    paths = sorted(folder.rglob("*") if deep else folder.iterdir()) if folder.is_dir() else []
    wanted = (path for path in paths if ".terraform" not in path.relative_to(folder).parts)
    return [path for path in wanted if path.name.endswith(_SUFFIXES) or _loaded_variables(path)]


def _loaded_variables(path: Path) -> bool:
    return path.name in {"terraform.tfvars", "terraform.tfvars.json"} or ".auto.tfvars" in path.name


def _check_file(path: Path, shown: str, *, in_root: bool, modules: Path) -> Iterator[Finding]:
    if path.is_symlink():
        yield _finding("LC-SRC-001", shown, 1, "it is a symbolic link", "Put the file itself there.")
        return
    if _loaded_variables(path):
        yield _finding("LC-SRC-002", shown, 1, "it would set variables unseen", "Remove it; values come from the spec.")
        return
    if path.name.startswith("override.") or "_override." in path.name:
        yield _finding("LC-SRC-003", shown, 1, "it would override other files", "Write the change where it belongs.")
        return
    try:
        text = path.read_text(encoding="utf-8")
        blocks = json_blocks(text) if path.name.endswith(".json") else hcl_blocks(text)
    except UnreadableError as error:
        remedy = "Write it in the plain form that terraform fmt gives."
        yield _finding("LC-SRC-004", shown, error.line, f"cannot be read with certainty: {error.reason}", remedy)
        return
    except (OSError, UnicodeDecodeError):
        yield _finding("LC-SRC-004", shown, 1, "cannot be read as UTF-8 text", "Save it as UTF-8.")
        return
    file = _File(path, shown, text, in_root)
    for number, line in enumerate(text.splitlines(), 1):
        if _PROVIDER_FUNCTION.search(line):
            yield _finding("LC-SRC-005", shown, number, "it calls a function of a provider", "Use built-in functions.")
    for block in blocks:
        yield from _check_block(file, block, modules)


def _check_block(file: _File, block: Block, modules: Path) -> Iterator[Finding]:
    if block.type not in LABELS:
        message = f"block {block.type!r} is not one that is known here"
        yield _finding("LC-SRC-006", file.shown, block.line, message, "Remove it, or update lifecycle.")
        return
    for inner in block.walk():
        yield from _check_anywhere(file, inner)
    special = _SPECIAL.get(block.type)
    if special is not None:
        yield from special(file, block, modules)


def _check_anywhere(file: _File, block: Block) -> Iterator[Finding]:
    """What is refused at any depth. In JSON an attribute can be a block, so names count in both roles."""
    for name in ("provisioner", "connection"):
        if block.type == name or (name in block.attributes and block.type in {"resource", "removed"}):
            message = f"a {name} would run a program"
            yield _finding("LC-SRC-007", file.shown, block.line, message, "Remove it; modules only declare resources.")
    nested = [(block.type, block.labels[0], block.line)] if block.labels else []
    if block.type == "check" and (data := block.attributes.get("data")) is not None and data.entries is not None:
        nested += [("data", kind, data.line) for kind in data.entries]
    for kind, label, line in nested:
        if kind not in {"resource", "data", "ephemeral"}:
            continue
        if not label.startswith(_PREFIXES):
            message = f"{kind} {label!r} is not of the pinned provider hashicorp/aws"
            yield _finding("LC-SRC-008", file.shown, line, message, "Use resources and data sources of AWS only.")
        elif kind != "resource" and label in _CALLS:
            message = f"{kind} {label!r} runs a function while planning"
            yield _finding("LC-SRC-008", file.shown, line, message, "Remove it.")


def _terraform(file: _File, block: Block, modules: Path) -> Iterator[Finding]:
    del modules
    for line, entries in _required_providers(block):
        for name, source in entries:
            if name != "aws" or source != PROVIDER_SOURCE:
                message = f"provider {name!r} from {source or 'the default registry'} is not pinned here"
                yield _finding("LC-SRC-009", file.shown, line, message, f"Only aws from {PROVIDER_SOURCE} is.")
    for name, inner_line, settings in _backends(block):
        if not file.in_root or name not in _BACKENDS:
            message = f"backend {name!r} is not allowed here"
            yield _finding(
                "LC-SRC-010", file.shown, inner_line, message, f"The root uses one of {', '.join(_BACKENDS)}."
            )
        for setting in sorted(settings - _BACKENDS.get(name, settings)):
            message = f"setting {setting!r} of backend {name} is not one that a spec can make"
            yield _finding("LC-SRC-010", file.shown, inner_line, message, "Choose the backend in the spec.")
    names = {inner.type for inner in block.blocks} | set(block.attributes)
    for name in sorted(names & {"cloud", "provider_meta", "encryption"}):
        message = f"terraform.{name} is not allowed here"
        yield _finding("LC-SRC-010", file.shown, block.line, message, "Choose a backend in the spec instead.")


def _required_providers(block: Block) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    tables = [(inner.line, inner.attributes) for inner in block.blocks if inner.type == "required_providers"]
    value = block.attributes.get("required_providers")
    if value is not None:
        tables.append((value.line, value.entries or {"?": value}))
    for line, table in tables:
        sources = []
        for name, entry in table.items():
            source = (entry.entries or {}).get("source")
            sources.append((name, (source.text or "") if source is not None else ""))
        yield line, sources


def _backends(block: Block) -> Iterator[tuple[str, int, frozenset[str]]]:
    for inner in block.blocks:
        if inner.type == "backend":
            names = frozenset(inner.attributes) | {deeper.type for deeper in inner.blocks}
            yield (inner.labels[:1] or ("",))[0], inner.line, names
    value = block.attributes.get("backend")
    for name, settings in ((value.entries if value is not None else None) or {}).items():
        yield name, settings.line, frozenset(settings.entries or {})


def _provider(file: _File, block: Block, modules: Path) -> Iterator[Finding]:
    del modules
    name = (block.labels[:1] or ("",))[0]
    if not file.in_root or name != "aws":
        message = f"provider {name!r} is configured here" if not file.in_root else f"provider {name!r} is not pinned"
        yield _finding("LC-SRC-011", file.shown, block.line, message, "Only the generated root configures aws.")
    settings = set(block.attributes) | {inner.type for inner in block.blocks}
    for setting in sorted(settings - _PROVIDER_SETTINGS):
        message = f"provider setting {setting!r} can lead to another endpoint or run a program"
        yield _finding("LC-SRC-011", file.shown, block.line, message, "Leave it out; the generated root has none.")


def _module(file: _File, block: Block, modules: Path) -> Iterator[Finding]:
    source = block.attributes.get("source")
    text = source.text if source is not None else None
    if text is not None and text.startswith(("./", "../")) and "${" not in text:
        target = (file.path.parent / text).resolve()
        inside = target.is_relative_to(modules.resolve())
        if target.is_dir() and (target.parent == modules.resolve() if file.in_root else inside):
            return
    message = f"module {' '.join(block.labels)!r} comes from {text!r}, not from the module tree"
    yield _finding("LC-SRC-012", file.shown, block.line, message, "Use a module of terraform/modules by relative path.")


_SPECIAL: dict[str, Callable[[_File, Block, Path], Iterator[Finding]]] = {
    "terraform": _terraform,
    "provider": _provider,
    "module": _module,
}


def _finding(rule: str, file: str, line: int, message: str, remedy: str) -> Finding:
    place = Place(file=file, line=line, column=1)
    return Finding(rule=rule, severity=Severity.ERROR, message=f"{file}: {message}", remedy=remedy, place=place)
