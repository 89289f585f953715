"""Who made a change is read from git: authors, committers and signers since the commit that was applied last."""

import os
import subprocess
from pathlib import Path

import pytest

from lifecycle.bootstrap.authors import change_authors, head_commit
from lifecycle.bootstrap.paths import Paths
from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError
from lifecycle.settings import Settings

TRUST = "version: 1\nsigners: owners\nquorum: 1\nwaivers: risk\nsigned_commits: {signed}\n"


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "policies" / "signers").mkdir(parents=True)
        (root / "environments" / "prod").mkdir(parents=True)
        self.trust()
        self.git("init", "-q", "-b", "main")

    def trust(self, *, signed: bool = False) -> None:
        (self.root / "policies" / "trust.yaml").write_text(TRUST.format(signed=str(signed).lower()))

    def git(self, *arguments: str, **environment: str) -> str:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.root), "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(
            ["git", "-c", "user.name=x", *arguments],
            cwd=self.root,
            env=base | environment,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit(self, author: str, *, path: str = "environments/prod/a.yaml", committer: str = "", key: str = "") -> str:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{author} {committer} {key} {target.exists() and target.read_text()}")
        self.git("add", "-A")
        signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}"] if key else ["-c", "commit.gpgsign=false"]
        sign = ["-S"] if key else []
        mails = {"GIT_AUTHOR_EMAIL": author, "GIT_COMMITTER_EMAIL": committer or author}
        self.git(*signing, "commit", "-q", "-m", "x", *sign, **mails)
        return self.git("rev-parse", "HEAD")

    def around(self) -> Surroundings:
        paths = Paths(root=self.root, env="prod", state_home=self.root / "state")
        settings = Settings(env="prod", root=self.root)
        return Surroundings(settings=settings, paths=paths, step=lambda _a, _b: None, note=lambda _a: None)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_authors_and_committers_since_the_last_apply_are_told(repository: Repository) -> None:
    repository.commit("old@acme.example")
    applied = repository.commit("older@acme.example")
    repository.commit("ann@acme.example", committer="bea@acme.example")
    repository.commit("docs@acme.example", path="docs/a.md")
    assert change_authors(repository.around(), applied) == ("ann@acme.example", "bea@acme.example")
    assert "old@acme.example" in change_authors(repository.around(), "")
    assert head_commit(repository.around()) == repository.git("rev-parse", "HEAD")


def test_whoever_changed_a_module_or_the_base_counts_too(repository: Repository) -> None:
    applied = repository.commit("old@acme.example")
    repository.commit("base@acme.example", path="environments/_base/a.yaml")
    repository.commit("module@acme.example", path="terraform/modules/x/main.tf")
    assert change_authors(repository.around(), applied) == ("base@acme.example", "module@acme.example")


def test_a_commit_that_git_does_not_know_is_refused(repository: Repository) -> None:
    repository.commit("ann@acme.example")
    with pytest.raises(ConfigurationError, match="knows no commit"):
        change_authors(repository.around(), "0" * 40)


def test_where_signatures_are_demanded_an_unsigned_commit_refuses(repository: Repository) -> None:
    repository.trust(signed=True)
    repository.commit("bea@acme.example")
    with pytest.raises(ApprovalMissingError, match="is signed by nobody who stands in signers/committers"):
        change_authors(repository.around(), "")


def test_the_signer_counts_whatever_author_the_commit_names(repository: Repository, tmp_path: Path) -> None:
    repository.trust(signed=True)
    key = tmp_path / "state" / "ann"
    key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text()
    (tmp_path / "policies/signers/committers").write_text(f'ann@acme.example namespaces="git" {public}')
    (tmp_path / ".gitignore").write_text("state\n")
    repository.commit("carl@acme.example", key=str(key))
    assert change_authors(repository.around(), "") == ("ann@acme.example", "carl@acme.example")


def test_without_a_checkout_a_bundle_that_wants_to_know_refuses(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    (tmp_path / ".git").rename(tmp_path / "moved")
    assert change_authors(repository.around(), "") == ()
    assert head_commit(repository.around()) == ""
    (tmp_path / "policies/people.yaml").write_text("- {person: Ann, emails: [ann@acme.example]}\n")
    with pytest.raises(ApprovalMissingError, match="is no git checkout"):
        change_authors(repository.around(), "")
