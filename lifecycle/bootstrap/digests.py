"""The digest of the provider binaries that Terraform installed."""

from __future__ import annotations

import json
from pathlib import Path

from lifecycle.domain.audit import canonical, digest_bytes


def provider_digest(data_dir: Path, *, cache: Path) -> str:
    """One digest over every installed provider binary.

    A provider weighs hundreds of megabytes and is asked for several times per run, so a file that has not changed
    (device, inode, size, and the change time that the kernel keeps) is hashed once. The cache lies in the private
    state directory.

    Args:
        data_dir: Terraform's data directory.
        cache: where digests are remembered.
    """
    from lifecycle.foundation.atomic_file import replace_file
    from lifecycle.foundation.tree_digest import file_digest

    known = json.loads(cache.read_bytes()) if cache.is_file() else {}
    found: dict[str, str] = {}
    fresh: dict[str, str] = {}
    providers = data_dir / "providers"
    for folder in sorted(providers.glob("*/*/*/*/*")) if providers.is_dir() else ():
        for binary in sorted(folder.resolve().glob("terraform-provider-*")):
            stat = binary.stat()
            key = f"{stat.st_dev}:{stat.st_ino}:{stat.st_size}:{stat.st_ctime_ns}"
            fresh[key] = known.get(key) or file_digest(binary)
            found[f"{folder.relative_to(providers)}/{binary.name}"] = fresh[key]
    if fresh != known:
        replace_file(cache, json.dumps(fresh, sort_keys=True).encode())
    return digest_bytes(canonical(found))
