"""The evidence pack as files: a self-contained report, CSV and JSON of each table, and how to verify. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from lifecycle.domain.evidence import EvidencePack, EvidenceTable
from lifecycle.renderers.evidence_html import report_html


def evidence_files(pack: EvidencePack, *, originals: Sequence[str] = (), group: str = "") -> dict[str, str]:
    """Every rendered file of a pack: relative path -> text.

    Args:
        pack: as its audience may see it.
        originals: names of the copies that go with it; they decide what VERIFY.md can say.
        group: whose signatures count as approvals.
    """
    files = {"report.html": report_html(pack), "VERIFY.md": verify_md(pack, originals, group)}
    for table in (table for section in pack.sections for table in section.tables):
        files[f"tables/{table.name}.csv"] = _csv(table)
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        files[f"tables/{table.name}.json"] = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    return files


def _csv(table: EvidenceTable) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows([_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def _cell(text: str) -> str:
    """A spreadsheet must show a cell, never calculate it."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


_CHAIN = """python3 - <<'END'
import hashlib, json
previous, count = "sha256:" + "0" * 64, 0
for line in open("audit.jsonl", "rb").read().splitlines():
    count += 1
    entry = json.loads(line)
    assert (entry["previous"], entry["sequence"]) == (previous, count), f"altered at line {count}"
    previous = "sha256:" + hashlib.sha256(line).hexdigest()
print(count, "lines, head", previous)
EXPECTED
END"""


def verify_md(pack: EvidencePack, originals: Sequence[str], group: str) -> str:
    """How to check the pack with nothing but sha256sum, python3, ssh-keygen and openssl.

    Each `sh` block runs as it stands, in the folder of the pack; what the pack does not hold has no block.
    """
    parts = ["# Verify this pack", "", "Run each block in this folder. None needs the network, nor this tool."]
    parts += _block("Nothing in the pack was changed since it was made", "sha256sum --quiet -c SHA256SUMS")
    if "ORIGINALS.sha256" in originals:
        parts += [
            "",
            "Receipts, audit log and approvals stay with their owner. `ORIGINALS.sha256` names them by digest: in the",
            "owner's own pack, `sha256sum -c` of that file shows that these tables came from those originals.",
        ]
    if "audit.jsonl" in originals:
        check = (
            f'assert previous == "{pack.audit_head}", "not the head that report.html names"' if pack.audit_head else ""
        )
        parts += _block(
            "The trail is one chain, up to the head that the report names", _CHAIN.replace("EXPECTED", check)
        )
    parts += _head_blocks(originals)
    if group and any(name.startswith("approvals/") and name.endswith(".sig") for name in originals):
        loop = (
            "(set -e; for s in approvals/*/*/review.json.sig; do\n"
            f'  p=$(ssh-keygen -Y find-principals -s "$s" -f signers/{group} | head -n 1)\n'
            f'  ssh-keygen -Y verify -f signers/{group} -I "$p" -n lifecycle-review -s "$s" < "${{s%.sig}}"\n'
            "done)"
        )
        parts += _block("Approvals were signed by somebody who may, about exactly this effect", loop)
        parts += ["", "Compare `signers/` with the policy bundle that you trust: it is a copy made with this pack."]
    expected = f" --expect-head {pack.audit_head}" if pack.audit_head else ""
    parts += [
        "",
        "## With the tool, in a checkout of the repository",
        "",
        f"    lifecycle audit verify --env {pack.environment} --file PACK/audit.jsonl{expected}"
        if "audit.jsonl" in originals
        else f"    lifecycle audit verify --env {pack.environment}{expected}",
        f"    lifecycle policy check --env {pack.environment}",
        "    lifecycle policy test",
    ]
    return "\n".join(parts) + "\n"


def _head_blocks(originals: Sequence[str]) -> list[str]:
    heads = [name for name in originals if name.startswith("audit.jsonl.heads/") and name.endswith(".json")]
    parts = []
    if any(name.endswith("-ssh.json") for name in heads) and "signers/audit" in originals:
        loop = (
            "(set -e; for s in audit.jsonl.heads/*-ssh.json.sig; do\n"
            '  p=$(ssh-keygen -Y find-principals -s "$s" -f signers/audit | head -n 1)\n'
            '  ssh-keygen -Y verify -f signers/audit -I "$p" -n lifecycle-audit -s "$s" < "${s%.sig}"\n'
            "done)"
        )
        parts += _block("Heads of the trail were signed by somebody who does not write it", loop)
    if any(name.endswith(("-kms.json", "-transit.json")) for name in heads):
        loop = (
            "(set -e; for s in $(ls audit.jsonl.heads/*.json.sig | grep -v -- -ssh); do\n"
            "  for k in signers/audit-keys/*.pem; do\n"
            '    openssl dgst -sha256 -verify "$k" -signature "$s" "${s%.sig}" && continue 2\n'
            "  done\n  exit 1\ndone)"
        )
        parts += _block("Heads signed in Vault or KMS", loop)
    if heads:
        loop = (
            "(set -e; for h in audit.jsonl.heads/*.json; do\n"
            '  n=$(sed \'s/.*"sequence":\\([0-9]*\\).*/\\1/\' "$h")\n'
            '  d=$(sed \'s/.*"digest":"sha256:\\([0-9a-f]*\\)".*/\\1/\' "$h")\n'
            '  test "$(sed -n "${n}p" audit.jsonl | tr -d \'\\n\' | sha256sum | cut -d \' \' -f 1)" = "$d"\n'
            "done)"
        )
        parts += _block("Each signed head is a line of the trail", loop)
    return parts


def _block(title: str, command: str) -> list[str]:
    return ["", f"## {title}", "", "```sh", command, "```"]
