"""Vault policies beside a spec are found, grouped by token, and judged on their own line."""

import shutil
from pathlib import Path

import pytest

from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.policy_files import policy_documents, with_documents
from lifecycle.bootstrap.surroundings import Surroundings, read_settings, utc_now
from lifecycle.domain.errors import ConfigurationError
from lifecycle.domain.policy import Finding
from lifecycle.policy_engine.generate import generate_policies
from lifecycle.policy_engine.typed import TypedPolicyEngine

REPOSITORY = Path(__file__).parents[3]
NARROW = 'path "kv/data/datarobot/reference/x" {\n  capabilities = ["read"]\n}\n'
ROOT = 'path "sys/health" {\n  capabilities = ["read"]\n}\n\npath "*" {\n  capabilities = ["sudo", "update"]\n}\n'


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    root = tmp_path / "checkout"
    for name in ("environments", "policies"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("generated"))
    paths = Paths(root=root, env="reference", state_home=tmp_path / "state")
    settings = read_settings(env="reference", root=str(root))
    return Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None)


def write(around: Surroundings, name: str, text: str) -> None:
    path = around.paths.environment / "vault" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def vault_findings(around: Surroundings) -> list[Finding]:
    engine = TypedPolicyEngine(around.paths.policies, clock=utc_now)
    verdict = engine.evaluate(with_documents(around)(around.spec))
    assert verdict.errors == ()
    return [found for found in verdict.findings if found.rule.startswith("LC-VAULT")]


def generate(around: Surroundings) -> Path:
    home = around.paths.policies / "generated"
    for name, text in generate_policies(around.spec).items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    return home


def test_generated_policies_that_are_what_the_spec_gives_are_not_judged_again(around: Surroundings) -> None:
    assert any(generate(around).rglob("*.hcl"))
    assert policy_documents(around) == {"vault_acl": ()}


def test_an_edited_generated_policy_is_judged(around: Surroundings) -> None:
    path = next(generate(around).rglob("report.hcl"))
    path.write_text(path.read_text() + ROOT)
    rules = {found.rule for found in vault_findings(around)}
    assert {"LC-VAULT-001", "LC-VAULT-009"} <= rules


def test_a_finding_stands_on_file_line_and_column(around: Surroundings) -> None:
    write(around, "ingest.hcl", ROOT)
    found = next(item for item in vault_findings(around) if item.rule == "LC-VAULT-009")
    assert str(found.place) == "environments/reference/vault/ingest.hcl:5:1"


def test_a_file_that_cannot_be_read_is_a_finding_on_its_line(around: Surroundings) -> None:
    write(around, "ingest.hcl", NARROW + 'path "a" {\n')
    (found,) = vault_findings(around)
    assert found.rule == "LC-VAULT-012"
    assert str(found.place).startswith("environments/reference/vault/ingest.hcl:")


def test_policies_of_one_folder_are_held_together_and_others_apart(around: Surroundings) -> None:
    deny = 'path "kv/data/datarobot/reference/x" {\n  capabilities = ["deny"]\n}\n'
    write(around, "ingest/a.hcl", NARROW)
    write(around, "ingest/b.hcl", deny)
    assert [found.rule for found in vault_findings(around)] == ["LC-VAULT-005"]
    (around.paths.environment / "vault/ingest/b.hcl").rename(around.paths.environment / "vault/b.hcl")
    assert vault_findings(around) == []


def test_a_linked_or_binary_policy_is_refused(around: Surroundings) -> None:
    write(around, "ingest.hcl", NARROW)
    folder = around.paths.environment / "vault"
    (folder / "other.hcl").symlink_to(folder / "ingest.hcl")
    with pytest.raises(ConfigurationError, match="symbolic link"):
        policy_documents(around)
    (folder / "other.hcl").unlink()
    (folder / "other.hcl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read: UnicodeDecodeError"):
        policy_documents(around)
