"""What would run or fetch foreign code is refused in both syntaxes, and so is what cannot be read with certainty."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.terraform_cli.configuration_blocks import UnreadableError
from lifecycle.terraform_cli.hcl_blocks import hcl_blocks
from lifecycle.terraform_cli.render import render
from lifecycle.terraform_cli.static_check import static_check
from tests.unit.terraform_cli.specs import renderings, spec

_REPOSITORY = Path(__file__).parents[3]
_AWS = {"aws": {"source": "registry.terraform.io/hashicorp/aws", "version": "5.100.0"}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one clean module and an empty root."""
    (tmp_path / "terraform/environments/prod").mkdir(parents=True)
    module = tmp_path / "terraform/modules/agent"
    module.mkdir(parents=True)
    (module / "main.tf").write_text('resource "aws_sqs_queue" "this" {\n  name = var.name\n}\n')
    return tmp_path


def _check(tree: Path) -> list[tuple[str, str]]:
    found = static_check(tree / "terraform/environments/prod", tree / "terraform/modules")
    return [(finding.rule, str(finding.place)) for finding in found]


def _rules(tree: Path) -> set[str]:
    return {rule for rule, _ in _check(tree)}


def _root(tree: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2)
    (tree / "terraform/environments/prod/main.tf.json").write_text(text)


def _module(tree: Path, text: str) -> None:
    (tree / "terraform/modules/agent/main.tf").write_text(text)


def test_our_own_modules_and_generated_root_pass(tmp_path: Path) -> None:
    modules = _REPOSITORY / "terraform" / "modules"
    root = tmp_path / "root"
    root.mkdir()
    given = spec(service_accounts=[], allowlists=[], agents=[], credentials=[])
    (root / "main.tf.json").write_bytes(
        render(given, modules_path="../../modules", renderings=renderings())["main.tf.json"]
    )
    assert static_check(root, modules) == ()


def test_the_root_of_a_whole_spec_passes(tree: Path) -> None:
    for name in ("service_account", "mlops_agent", "proxy_allowlist", "credential_shell"):
        (tree / "terraform/modules" / name).mkdir()
    content = render(spec(), modules_path="../../modules", renderings=renderings())["main.tf.json"]
    (tree / "terraform/environments/prod/main.tf.json").write_bytes(content)
    assert _check(tree) == []


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({"data": {"external": {"x": {"program": ["sh"]}}}}, "LC-SRC-008"),
        ({"data": [{"external": [{"x": [{"program": ["sh"]}]}]}]}, "LC-SRC-008"),
        ({"data": {"http": {"x": {"url": "https://elsewhere.example"}}}}, "LC-SRC-008"),
        ({"data": {"terraform_remote_state": {"x": {"backend": "s3"}}}}, "LC-SRC-008"),
        ({"data": {"aws_lambda_invocation": {"x": {"function_name": "f"}}}}, "LC-SRC-008"),
        ({"ephemeral": {"random_password": {"x": {}}}}, "LC-SRC-008"),
        ({"resource": {"null_resource": {"x": {}}}}, "LC-SRC-008"),
        ({"check": {"c": {"data": {"http": {"x": {"url": "u"}}}}}}, "LC-SRC-008"),
        ({"resource": {"aws_sqs_queue": {"x": {"provisioner": {"local-exec": {"command": "sh"}}}}}}, "LC-SRC-007"),
        ({"resource": {"aws_sqs_queue": {"x": {"provisioner": [{"local-exec": {"command": "s"}}]}}}}, "LC-SRC-007"),
        ({"resource": {"aws_sqs_queue": {"x": [{"connection": {"host": "h"}}]}}}, "LC-SRC-007"),
        ({"removed": {"from": "a.b", "provisioner": {"local-exec": {"command": "s"}}}}, "LC-SRC-007"),
        ({"module": {"m": {"source": "git::https://elsewhere.example/m"}}}, "LC-SRC-012"),
        ({"module": {"m": {"source": "acme/agent/aws"}}}, "LC-SRC-012"),
        ({"module": {"m": {"source": "../../../elsewhere"}}}, "LC-SRC-012"),
        ({"module": {"m": {"source": "../../modules/absent"}}}, "LC-SRC-012"),
        ({"module": {"m": {}}}, "LC-SRC-012"),
        ({"terraform": {"required_providers": {"aws": {"source": "acme/aws"}}}}, "LC-SRC-009"),
        ({"terraform": {"required_providers": {"aws": "5.100.0"}}}, "LC-SRC-009"),
        ({"terraform": {"required_providers": [{"evil": {"source": "acme/evil"}}]}}, "LC-SRC-009"),
        ({"terraform": {"backend": {"consul": {}}}}, "LC-SRC-010"),
        ({"terraform": {"backend": {"s3": {"endpoints": {"s3": "https://elsewhere.example"}}}}}, "LC-SRC-010"),
        ({"terraform": {"cloud": {"organization": "x"}}}, "LC-SRC-010"),
        ({"provider": {"external": {}}}, "LC-SRC-011"),
        ({"provider": {"aws": {"shared_config_files": ["x"]}}}, "LC-SRC-011"),
        ({"provider": {"aws": [{"endpoints": {"sts": "https://elsewhere.example"}}]}}, "LC-SRC-011"),
        ({"action": {"aws_lambda_invoke": {"x": {}}}}, "LC-SRC-006"),
        ({"output": {"x": {"value": "${provider::evil::run()}"}}}, "LC-SRC-005"),
    ],
)
def test_the_root_may_not_hold(tree: Path, document: dict[str, Any], rule: str) -> None:
    _root(tree, document)
    assert rule in _rules(tree)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('data "external" "x" {\n  program = ["sh"]\n}\n', "LC-SRC-008"),
        ("data external x {}\n", "LC-SRC-008"),
        ('/* */ data /* */ "external" "x" {}\n', "LC-SRC-008"),
        ('check "c" {\n  data "http" "x" {\n    url = "u"\n  }\n}\n', "LC-SRC-008"),
        ('resource "aws_sqs_queue" "x" {\n  provisioner "local-exec" {\n    command = "sh"\n  }\n}\n', "LC-SRC-007"),
        ('module "m" {\n  source = "git::https://elsewhere.example/m"\n}\n', "LC-SRC-012"),
        ('module "m" {\n  source = "${var.source}"\n}\n', "LC-SRC-012"),
        (
            'terraform {\n  required_providers {\n    evil = {\n      source = "acme/evil"\n    }\n  }\n}\n',
            "LC-SRC-009",
        ),
        ('terraform {\n  required_providers {\n    aws = { version = "5" }\n  }\n}\n', "LC-SRC-009"),
        ('terraform {\n  backend "s3" {}\n}\n', "LC-SRC-010"),
        ('provider "aws" {\n  profile = "x"\n}\n', "LC-SRC-011"),
        ("locals {\n  x = provider::evil::run()\n}\n", "LC-SRC-005"),
        ('x = "unclosed\n', "LC-SRC-004"),
        ("/* never closed\n", "LC-SRC-004"),
        ("locals {\n  x = <<EOT\n${\nEOT\n}\nEOT\n}\n", "LC-SRC-004"),
        ("locals {\n  x = {\n", "LC-SRC-004"),
        ("locals {\n  x = )\n}\n", "LC-SRC-004"),
        ('x = "attribute outside"\n', "LC-SRC-004"),
    ],
)
def test_a_module_may_not_hold(tree: Path, text: str, rule: str) -> None:
    _module(tree, text)
    assert rule in _rules(tree)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("override.tf", "LC-SRC-003"),
        ("main_override.tf.json", "LC-SRC-003"),
        ("terraform.tfvars", "LC-SRC-002"),
        ("x.auto.tfvars.json", "LC-SRC-002"),
    ],
)
def test_files_that_terraform_reads_by_itself_are_refused(tree: Path, name: str, rule: str) -> None:
    (tree / "terraform/environments/prod" / name).write_text("{}")
    assert _rules(tree) == {rule}


@pytest.mark.parametrize("name", ["extra.tofu", "extra.tofu.json", "extra.tf"])
def test_every_file_that_one_of_the_programs_reads_is_looked_at(tree: Path, name: str) -> None:
    text = '{"data": {"external": {"x": {}}}}' if name.endswith("json") else 'data "external" "x" {}\n'
    (tree / "terraform/environments/prod" / name).write_text(text)
    assert _rules(tree) == {"LC-SRC-008"}


def test_a_symbolic_link_is_refused(tree: Path) -> None:
    (tree / "outside.tf").write_text("locals {}\n")
    (tree / "terraform/modules/agent/linked.tf").symlink_to(tree / "outside.tf")
    assert _rules(tree) == {"LC-SRC-001"}


def test_a_finding_names_file_and_line(tree: Path) -> None:
    _module(tree, 'locals {\n  a = 1\n}\n\ndata "external" "x" {}\n')
    assert _check(tree) == [("LC-SRC-008", "terraform/modules/agent/main.tf:5:1")]
    _module(tree, "locals {}\n")
    _root(tree, {"terraform": {"required_providers": _AWS}, "data": {"external": {"x": {}}}})
    assert [place for _, place in _check(tree)] == ["terraform/environments/prod/main.tf.json:12:1"]


def test_a_repeated_key_hides_nothing(tree: Path) -> None:
    text = '{"data": {"external": {"x": {}}}, "data": {"aws_vpc": {"y": {}}}}'
    (tree / "terraform/environments/prod/main.tf.json").write_text(text)
    assert _rules(tree) == {"LC-SRC-008"}


@pytest.mark.parametrize(
    "hiding",
    [
        'locals {\n  a = "${upper("}")}"\n}\n',
        'locals {\n  a = "$${ not one"\n}\n',
        'locals {\n  a = "\\" {"\n}\n',
        'locals {\n  a = <<-EOT\n    text " { /* # ${var.x}\n  EOT\n}\n',
        'locals { a = "x" } # { "\n',
        '// { "\n',
        '/* { " */\n',
        'locals {\n  a = { b = ["}", "{"], c = { d = 1 } }\n}\n',
    ],
)
def test_nothing_hides_behind_strings_comments_and_heredocs(tree: Path, hiding: str) -> None:
    _module(tree, hiding)
    assert _check(tree) == []
    _module(tree, hiding + 'data "external" "x" {}\n')
    assert _rules(tree) == {"LC-SRC-008"}


@given(st.text(alphabet='"{}[]()=$%#/*<EOT\n \\x', max_size=60))
def test_any_text_is_read_or_refused_and_never_hides_what_follows(text: str) -> None:
    """Whatever stands before it on lines of its own, a block is found, or the file is refused."""
    try:
        blocks = hcl_blocks(text + '\ndata "external" "x" {}\n')
    except UnreadableError:
        return
    types = {inner.type for block in blocks for inner in block.walk()}
    assert "data" in types or "/*" in text or "<<" in text
