"""Finds the policies that people keep beside a spec in the language of their product, for the gate to judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ConfigurationError, LifecycleError
from lifecycle.domain.policy import GateInput, PolicyDocument
from lifecycle.domain.spec import Spec

_SUFFIXES = (".hcl", ".json")


def policy_documents(around: Surroundings) -> Mapping[str, tuple[PolicyDocument, ...]]:
    """Every Vault policy of the environment, by the token that holds it.

    Files in `environments/ENV/vault/` stand alone; those of a folder in it are held together by one token. A file of
    `policies/generated/ENV/vault/` is judged when it is not what the spec gives: then somebody wrote it.

    Raises:
        ConfigurationError: a file cannot be read, or leads elsewhere.
    """
    paths = around.paths
    written = _documents(paths.environment / "vault", paths.root)
    derived = _documents(paths.policies / "generated" / paths.env / "vault", paths.root)
    if derived:
        known = _generated(around)
        derived = tuple(item for item in derived if known.get(item.file) != item.text)
    return {"vault_acl": (*written, *derived)}


def with_documents(around: Surroundings) -> Callable[[Spec], GateInput]:
    """What the gate judges when there is no plan: the spec, and the policies beside it."""
    return lambda spec: GateInput(spec=spec, documents=policy_documents(around))


def _generated(around: Surroundings) -> Mapping[str, str]:
    from lifecycle.policy_engine.generate import generate_policies

    home = (around.paths.policies / "generated").relative_to(around.paths.root).as_posix()
    try:
        return {f"{home}/{name}": text for name, text in generate_policies(around.spec).items()}
    except LifecycleError:  # no policies can be generated from this spec: all that lie there are judged
        return {}


def _documents(folder: Path, root: Path) -> tuple[PolicyDocument, ...]:
    return tuple(_read(path, folder, root) for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix in _SUFFIXES and (path.is_file() or path.is_symlink()):
            yield path


def _read(path: Path, folder: Path, root: Path) -> PolicyDocument:
    name = path.relative_to(root).as_posix()
    inside = path.relative_to(folder)
    token = inside.parent.as_posix() if len(inside.parts) > 1 and "generated" not in folder.parts else name
    try:
        if path.is_symlink():
            raise ConfigurationError(f"{name} is a symbolic link", remedy="put the file itself there")
        return PolicyDocument(name=path.stem, text=path.read_text(encoding="utf-8"), file=name, token=token)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the policy {name} cannot be read: {type(error).__name__}", remedy="restore it as text"
        ) from None
