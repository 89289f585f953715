"""Terraform itself reads escaped text back as it was written."""

import itertools
import json
import subprocess
from pathlib import Path

from lifecycle.terraform_cli.expressions import literal


def test_terraform_reads_every_mix_of_template_characters_as_text(
    terraform_binary: Path, terraform_environment: dict[str, str], tmp_path: Path
) -> None:
    texts = ["".join(mix) for length in range(1, 6) for mix in itertools.product("${%a", repeat=length)]
    outputs = {f"text{number}": {"value": literal(text)} for number, text in enumerate(texts)}
    (tmp_path / "main.tf.json").write_text(json.dumps({"output": outputs}))

    def terraform(*arguments: str) -> bytes:
        argv = [str(terraform_binary), *arguments]
        return subprocess.run(argv, cwd=tmp_path, env=terraform_environment, check=True, capture_output=True).stdout

    terraform("init", "-input=false")
    terraform("apply", "-input=false", "-auto-approve")
    read = json.loads(terraform("output", "-json"))
    assert [read[f"text{number}"]["value"] for number in range(len(texts))] == texts
