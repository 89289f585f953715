"""The digest of a spec: what plans, manifests and reviews name it by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lifecycle.documents.builder import base_folder
from lifecycle.documents.findings import Findings
from lifecycle.documents.inheritance import find_extended
from lifecycle.documents.loader import Folder, merge, read_folder
from lifecycle.documents.positions import Positions

_FORMAT = b"lifecycle spec 1\n"


def spec_digest(folder: Path, *, root: Path) -> str:
    """SHA-256 over the text of every file the spec is read from, those it extends included, as `sha256:...`.

    Files, not the resolved form: a reviewer approves what is written, comments with the reasons included, and the
    digest can be told without knowing any kind. Names count relative to their folder, so that the same content has
    the same digest in every checkout.

    Args:
        folder: `environments/NAME`.
        root: the checkout.

    Raises:
        ConfigurationError: when a file cannot be read or is not YAML.
    """
    findings = Findings(Positions())
    own = read_folder(folder, root, findings)
    telling = Folder(
        name=own.name,
        sources=tuple(source for source in own.sources if "extends" in source.text),
        complete=own.complete,
    )
    # Only the files that may hold `extends:` are parsed.
    tree = merge(telling, findings, {})
    base = find_extended(tree, lambda written, node: base_folder(folder, written, node, root, findings), findings)
    findings.raise_if_any(own.name)
    digest = hashlib.sha256(_FORMAT)
    for label, part in (("own", own), ("base", base)):
        for source in part.sources if part else ():
            name, text = Path(source.name).name.encode(), source.text.encode()
            digest.update(b"%s %d %d\n%s%s" % (label.encode(), len(name), len(text), name, text))
    return f"sha256:{digest.hexdigest()}"
