"""The CLI configuration of a run: no call home, providers from a mirror on this machine or by direct download."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

REGISTRY = "registry.terraform.io"
_NEEDED = Path(REGISTRY, "hashicorp", "aws")
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMirror:
    """A filesystem mirror of providers.

    Attributes:
        folder: holds `registry.terraform.io/...`.
        only: nothing may be downloaded: the mirror was configured, not just found.
    """

    folder: Path
    only: bool = False


def this_platform() -> str:
    """The platform in Terraform's words, e.g. `linux_amd64`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"


def find_mirror(roots: Iterable[Path], *, version: str) -> ProviderMirror | None:
    """Look for a mirror that holds the AWS provider in the needed version for this platform.

    Args:
        roots: folders to look into, the best first, a few levels deep.
        version: of the provider.
    """
    for root in roots:
        for depth in range(_DEPTH + 1):
            for registry in sorted(root.glob("*/" * depth + REGISTRY)):
                if _holds(registry.parent, version):
                    return ProviderMirror(folder=registry.parent)
    return None


def _holds(folder: Path, version: str) -> bool:
    provider = folder / _NEEDED
    packed = provider / f"terraform-provider-aws_{version}_{this_platform()}.zip"
    return packed.is_file() or (provider / version / this_platform()).is_dir()


def cli_config(mirror: ProviderMirror | None) -> bytes:
    """The text of the configuration file.

    Args:
        mirror: where providers are; None downloads them from their registries.
    """
    lines = ["disable_checkpoint = true"]
    if mirror is not None:
        held = _held(mirror.folder)
        pattern = json.dumps([f"{REGISTRY}/*/*"] if mirror.only else held)
        lines += [
            "provider_installation {",
            "  filesystem_mirror {",
            f"    path    = {json.dumps(str(mirror.folder))}",
            f"    include = {pattern}",
            "  }",
            *([] if mirror.only else ["  direct {", f"    exclude = {pattern}", "  }"]),
            "}",
        ]
    return ("\n".join(lines) + "\n").encode()


def _held(folder: Path) -> list[str]:
    return sorted(f"{REGISTRY}/{p.parent.name}/{p.name}" for p in (folder / REGISTRY).glob("*/*") if p.is_dir())
