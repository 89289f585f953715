"""Who made the commits of a change: they do not approve it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lifecycle.bootstrap.surroundings import Surroundings
from lifecycle.domain.errors import ApprovalMissingError, ConfigurationError

if TYPE_CHECKING:
    from lifecycle.clients.git import GitHistory


def head_commit(around: Surroundings) -> str:
    """The commit that is checked out; empty where there is none, or no git."""
    try:
        return _history(around).commit("HEAD") if _is_checkout(around) else ""
    except ConfigurationError:
        return ""


def change_authors(around: Surroundings, since: str) -> tuple[str, ...]:
    """Authors, committers and signers of what was committed to this environment since a commit.

    Args:
        around: settings and paths.
        since: the commit that was applied last; empty counts every commit.

    Raises:
        ApprovalMissingError: the bundle demands signed commits and one is not, or nobody can tell who committed.
        ConfigurationError: git does not know the commit.
    """
    from lifecycle.policy_engine.bundle import load_people, load_trust

    paths = around.paths
    trust, people = load_trust(paths.policies / "trust.yaml"), load_people(paths.policies / "people.yaml")
    if not _is_checkout(around):
        if trust.signed_commits or people:
            raise ApprovalMissingError(
                f"{paths.root} is no git checkout, so nobody can tell who made this change",
                remedy="apply from a checkout with its history",
            )
        return ()
    folders = (f"environments/{paths.env}", "environments/_base", "terraform/modules")
    names: set[str] = set()
    for commit in _history(around).commits(since, folders, allowed_signers=paths.policies / "signers" / "committers"):
        names |= {commit.author, commit.committer}
        if trust.signed_commits:
            if not commit.signer:
                raise ApprovalMissingError(
                    f"commit {commit.id[:12]} is signed by nobody who stands in signers/committers",
                    remedy="have it signed (git commit --amend -S), or committed by somebody who is known",
                )
            names.add(commit.signer)
    return tuple(sorted(names))


def _is_checkout(around: Surroundings) -> bool:
    return (around.paths.root / ".git").exists()


def _history(around: Surroundings) -> GitHistory:
    from lifecycle.clients.git import GitHistory
    from lifecycle.settings import child_environment

    return GitHistory(around.paths.root, environment=child_environment(with_aws=False))
