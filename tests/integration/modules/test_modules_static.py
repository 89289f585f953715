"""Each module by itself: formatted, valid, documented, and its own `terraform test` cases."""

import re
from pathlib import Path

import pytest

from tests.integration.modules.workspace import MODULE_NAMES, MODULES, Workspace, copy_modules

_BLOCK = re.compile(r'^(variable|output) "(\w+)"', re.MULTILINE)


def test_modules_are_formatted(terraform_binary: Path, terraform_environment: dict[str, str]) -> None:
    workspace = Workspace(terraform=terraform_binary, folder=MODULES, environment=terraform_environment)
    workspace.run("fmt", "-check", "-recursive", "-diff")


def test_roots_of_the_tests_are_formatted(terraform_binary: Path, terraform_environment: dict[str, str]) -> None:
    folder = Path(__file__).parent / "roots"
    workspace = Workspace(terraform=terraform_binary, folder=folder, environment=terraform_environment)
    workspace.run("fmt", "-check", "-recursive", "-diff")


def _validate_and_test(workspace: Workspace) -> None:
    workspace.init()
    workspace.run("validate", "-no-color")
    outcome = workspace.run("test", "-no-color")
    assert re.search(r"^Success! [1-9][0-9]* passed, 0 failed", outcome, re.MULTILINE), outcome


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_module_is_valid_and_passes_its_own_tests(
    module: str,
    tmp_path: Path,
    terraform_binary: Path,
    terraform_environment: dict[str, str],
    aws_provider_reattach: dict[str, str],
) -> None:
    folder = copy_modules(tmp_path) / module
    environment = {**terraform_environment, **aws_provider_reattach}
    _validate_and_test(Workspace(terraform=terraform_binary, folder=folder, environment=environment))


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_opentofu_agrees(module: str, tmp_path: Path, tofu_binary: Path, terraform_environment: dict[str, str]) -> None:
    # Without the shared provider: its short name is another provider to OpenTofu.
    folder = copy_modules(tmp_path) / module
    _validate_and_test(Workspace(terraform=tofu_binary, folder=folder, environment=terraform_environment))


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_readme_names_every_variable_and_output(module: str) -> None:
    readme = (MODULES / module / "README.md").read_text()
    declared = [
        match[2]
        for file in ("variables.tf", "outputs.tf")
        for match in _BLOCK.finditer((MODULES / module / file).read_text())
    ]
    assert [name for name in declared if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("module", MODULE_NAMES)
def test_module_has_no_provider_backend_or_value(module: str) -> None:
    text = "\n".join(file.read_text() for file in (MODULES / module).glob("*.tf"))
    assert not re.search(r'^\s*(provider "|backend "|provisioner ")', text, re.MULTILINE)
    assert not re.search(r'^resource "aws_(iam_access_key|secretsmanager_secret_version)"', text, re.MULTILINE)
