"""`lifecycle policy …` over a copied repository: judge a plan, try a bundle, tell a change, generate rights."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lifecycle.bootstrap import open_house
from lifecycle.bootstrap.house import House
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.cli.app import run
from lifecycle.domain.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[3]
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of environments and policies, under version control, with a state directory of its own."""
    root = tmp_path / "checkout"
    for name in ("environments", "policies"):
        shutil.copytree(REPOSITORY / name, root / name)
    monkeypatch.setenv("LIFECYCLE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(root)
    git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> None:
    subprocess.run([*GIT, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


def house(root: Path, env: str = "sandbox") -> House:
    def shown(name: str) -> object:
        raise AssertionError(f"nothing is started here: {name}")

    return open_house(env=env, root=str(root), step=lambda _a, _b: None, note=lambda _a: None, live=shown)  # type: ignore[arg-type]  # it only raises


def plan(action: str, **after: object) -> dict[str, object]:
    change = {"actions": [action], "before": None, "after": after, "after_unknown": {}}
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": [
            {
                "address": "aws_iam_role_policy_attachment.x",
                "type": "aws_iam_role_policy_attachment",
                "mode": "managed",
                "provider_name": "registry.terraform.io/hashicorp/aws",
                "change": change,
            }
        ],
    }


def widen(root: Path) -> None:
    path = root / "environments/sandbox/network.yaml"
    text = path.read_text()
    assert "port: " in text
    path.write_text(
        text.replace(
            "    entries:\n", "    entries:\n      - {host: new.vendor.example, reason: try it, ticket: N-1}\n", 1
        )
    )


def test_a_plan_from_a_file_is_judged_with_the_rules_about_plans(checkout: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan("create", policy_arn="arn:aws:iam::aws:policy/AdministratorAccess")))
    alone, judged = house(checkout).policy.check(), house(checkout).policy.check(plan_json=file)
    assert alone.verdict.passed
    assert not judged.verdict.passed
    assert "LC-IAM-013" in {finding.rule for finding in judged.verdict.blocking}
    assert judged.verdict.rules_evaluated > alone.verdict.rules_evaluated
    assert run(["policy", "check", "--env", "sandbox", "--root", str(checkout), "--plan-json", str(file)]) == 5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "did not give a plan document"),
        ("[]", "did not give a plan document"),
        (json.dumps(plan("create", name="a"))[:-9], "did not give a plan document"),
        ('{"format_version": "2.0"}', "format version 2.0, and only 1.x is known"),
        ('{"format_version": "1.2", "errored": true}', "incomplete"),
        ('{"format_version": "1.2", "resource_changes": [{"address": "a.b"}]}', "not written as"),
        ('{"format_version": "1.2", "resource_changes": {"a": 1}}', "not written as"),
    ],
)
def test_a_file_that_is_no_known_plan_is_refused_with_a_remedy(
    checkout: Path, tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content)
    assert run(["policy", "check", "--env", "sandbox", "--root", str(checkout), "--plan-json", str(file)]) == 5
    shown = capsys.readouterr().err
    assert said in shown and "next: " in shown


def test_a_plan_of_100_megabytes_is_refused_before_it_is_read(
    checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    with file.open("wb") as sparse:
        sparse.truncate(100 * 1024**2)
    assert run(["policy", "check", "--env", "sandbox", "--root", str(checkout), "--plan-json", str(file)]) == 5
    shown = capsys.readouterr().err
    assert "100 MiB as JSON, and at most 64 MiB" in shown and "next: Split the environment" in shown


def test_a_plan_file_that_is_missing_names_the_command_that_writes_it(checkout: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        house(checkout).policy.check(plan_json=tmp_path / "missing.json")


@pytest.mark.parametrize("form", ["json", "sarif", "junit", "markdown", "github"])
def test_every_format_is_printed_whole(checkout: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "--env", "sandbox", "--root", str(checkout), "--format", form]) == 0
    shown = capsys.readouterr()
    assert "LC-AGT-004" in shown.out.replace("\\", "")
    assert shown.err == ""


def test_the_shipped_bundle_behaves_as_its_cases_say(checkout: Path) -> None:
    trials = house(checkout, env="").policy.test()
    assert trials.failed == ()
    assert trials.passed
    assert len(trials.attacks) >= 25


def test_a_bundle_whose_rule_was_weakened_fails_its_own_cases(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout / "policies/rules/iam.yaml"
    path.write_text(path.read_text().replace("severity: error", "severity: note", 1))
    trials = house(checkout, env="").policy.test()
    assert not trials.passed
    assert {trial.problem for trial in trials.failed} == {"was found, but not refused"}
    assert run(["policy", "test", str(checkout / "policies")]) == 5
    assert "LC-IAM-001 is refused" in capsys.readouterr().out


def test_a_bundle_without_attacks_or_cases_does_not_pass(checkout: Path) -> None:
    (checkout / "policies/attacks/changes.yaml").unlink()
    (checkout / "policies/tests/values.yaml").unlink()
    trials = house(checkout, env="").policy.test()
    assert not trials.passed
    assert any("LC-VAL-001" in text for text in trials.uncovered)


def test_widening_one_allowlist_entry_is_exactly_one_sentence(checkout: Path) -> None:
    widen(checkout)
    change = house(checkout).policy.diff("HEAD")
    assert len(change.added) == 1
    assert change.added[0].startswith("new.vendor.example on port 443 is reachable through allowlists.")
    assert change.removed == ()
    commit(checkout)
    assert house(checkout).policy.diff("HEAD").added == ()
    assert house(checkout).policy.diff("HEAD~1").added == change.added


def test_an_environment_that_is_new_allows_everything_anew(checkout: Path) -> None:
    shutil.copytree(checkout / "environments/sandbox", checkout / "environments/other")
    path = checkout / "environments/other/environment.yaml"
    path.write_text(path.read_text().replace("environment: sandbox", "environment: other"))
    change = house(checkout, env="other").policy.diff("main")
    assert change.added
    assert change.removed == ()


@pytest.mark.parametrize("reference", ["no-such-branch", "--upload-pack=x", "-n", ""])
def test_a_reference_that_git_does_not_know_is_refused(checkout: Path, reference: str) -> None:
    with pytest.raises(ConfigurationError, match="git knows no commit"):
        house(checkout).policy.diff(reference)


def test_outside_a_checkout_the_message_says_so(tmp_path: Path, checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")
    with pytest.raises(ConfigurationError, match="not a git repository"):
        house(checkout).policy.diff("HEAD")


def test_generated_rights_are_written_once_and_stale_ones_go(checkout: Path) -> None:
    spec = checkout / "environments/sandbox/environment.yaml"
    boundary = "  permissions_boundary: arn:aws:iam::000000000000:policy/boundary\n"
    text = spec.read_text()
    assert "\naws:\n" in text
    spec.write_text(text.replace("\naws:\n", f"\naws:\n{boundary}", 1))
    digest = house(checkout).policy.test().bundle_digest
    written = house(checkout).policy.generate()
    assert "sandbox/aws/apply.json" in written
    assert house(checkout).policy.generate() == []
    old = checkout / "policies/generated/sandbox/aws/old.json"
    old.write_text("{}")
    assert house(checkout).policy.stale_rights() == ["sandbox/aws/old.json"]
    house(checkout).policy.generate()
    assert not old.exists()
    assert house(checkout).policy.test().bundle_digest == digest, "what is derived from a spec is no part of the rules"


def test_rules_are_told_by_control(checkout: Path) -> None:
    told = {item["control"]: item["rules"] for item in house(checkout, env="").policy.explain("controls")}
    assert "LC-IAM-001" in told["NIST-800-53 AC-6"]
    assert house(checkout, env="").policy.explain("LC-IAM-001")[0]["id"] == "LC-IAM-001"


def test_surroundings_are_not_started(checkout: Path) -> None:
    assert isinstance(house(checkout)._around, Surroundings)
    assert house(checkout)._around.sandbox is None
