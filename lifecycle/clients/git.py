"""Reads the files of a commit, without a checkout: what a folder held at a reference."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lifecycle.domain.errors import ConfigurationError
from lifecycle.foundation.atomic_file import replace_file

_PLAIN = ("100644", "100755")
_TIMEOUT = 60
_MAIN = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
_MAY_FIND_NOTHING = ("rev-parse", "merge-base")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit: who says to have written and committed it, and who signed it; nobody when no signature counts."""

    id: str
    author: str
    committer: str
    signer: str = ""


class GitHistory:
    """The history of one checkout.

    Args:
        root: the checkout, or a folder inside it.
        environment: the whole environment of the git processes.
    """

    def __init__(self, root: Path, *, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = dict(environment)

    def commit(self, reference: str) -> str:
        """The commit that a branch, tag or id names.

        Raises:
            ConfigurationError: there is none, or this is no git checkout.
        """
        named = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
        if not named.strip():
            raise ConfigurationError(
                f"git knows no commit {reference!r} in {self._root}",
                remedy="name a branch, tag or commit that is fetched: --against origin/main",
            )
        return named.decode().strip()

    def branched_from(self) -> str:
        """The commit at which what is checked out left the main branch: the base of a pull request.

        Raises:
            ConfigurationError: no main branch is here, it shares no commit that was fetched, or this is no checkout.
        """
        for name in _MAIN:
            tip = (
                self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
            )
            base = self._run("merge-base", "--end-of-options", "HEAD", tip).decode().strip() if tip else ""
            if base:
                return base
        raise ConfigurationError(
            "git knows no commit that what is checked out and the main branch have in common",
            remedy="fetch the base branch with its history, or name a commit: --against REF",
        )

    def commits(self, since: str, folders: tuple[str, ...], *, allowed_signers: Path) -> tuple[Commit, ...]:
        """Who committed to some folders since a commit; every commit when none is named.

        Args:
            since: not counted itself.
            folders: relative to `root`.
            allowed_signers: whose SSH signatures count (man ssh-keygen); need not exist.

        Raises:
            ConfigurationError: git does not know the commit, or this is no git checkout.
        """
        span = f"{self.commit(since)}..HEAD" if since else "HEAD"
        signers = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed_signers}")
        form = "--format=%H%x00%ae%x00%ce%x00%G?%x00%GS"
        listed = self._run(*signers, "log", "--no-mailmap", form, "--end-of-options", span, "--", *folders)
        rows = [line.split("\0") for line in listed.decode("utf-8", "replace").splitlines() if line]
        return tuple(
            Commit(id=row[0], author=row[1], committer=row[2], signer=row[4] if row[3] == "G" else "") for row in rows
        )

    def write_folder(self, commit: str, folder: str, into: Path) -> int:
        """Write the plain files that a folder held; links and submodules are left out, since nothing reads them.

        Args:
            commit: from `commit`.
            folder: relative to `root`.
            into: an empty folder; gets the same relative paths.

        Returns:
            how many files there were.
        """
        listed = self._run("ls-tree", "-r", "-z", commit, "--", f"{folder}/").decode("utf-8", "surrogateescape")
        written = 0
        for line in listed.split("\0"):
            mode, _, rest = line.partition(" ")
            name, path = rest.partition("\t")[0].rpartition(" ")[2], rest.partition("\t")[2]
            if mode in _PLAIN and path and ".." not in Path(path).parts:
                target = into / path
                target.parent.mkdir(parents=True, exist_ok=True)
                replace_file(target, self._run("cat-file", "blob", name))
                written += 1
        return written

    def _run(self, *arguments: str) -> bytes:
        command = ["git", "--no-pager", "--no-replace-objects", *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program, a list, no shell
                command, cwd=self._root, env=self._environment, capture_output=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigurationError(
                f"git {arguments[0]} did not run: {type(error).__name__}", remedy="install git, or free the disk"
            ) from None
        if done.returncode not in (0, 1) or (done.returncode and arguments[0] not in _MAY_FIND_NOTHING):
            reason = done.stderr.decode(errors="replace").strip().splitlines()
            raise ConfigurationError(
                f"git {arguments[0]} failed: {reason[0] if reason else done.returncode}",
                remedy="run it inside the checkout that holds environments/",
            )
        return done.stdout
