"""A digest names content and names of files, and nothing else."""

import os
from pathlib import Path

import pytest

from lifecycle.domain.errors import ConfigurationError, NotFoundError
from lifecycle.foundation.tree_digest import file_digest, tree_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a.tf").write_text("a")
    (tmp_path / "tree" / "b" / "c.tf").write_text("c")
    return tmp_path / "tree"


def test_content_and_names_count_and_times_do_not(tree: Path) -> None:
    first = tree_digest(tree)
    os.utime(tree / "a.tf", (1, 1))
    assert tree_digest(tree) == first
    (tree / "b" / "c.tf").write_text("d")
    second = tree_digest(tree)
    (tree / "b" / "c.tf").rename(tree / "b" / "d.tf")
    assert len({first, second, tree_digest(tree)}) == 3


def test_skipped_folders_do_not_count(tree: Path) -> None:
    first = tree_digest(tree)
    (tree / ".terraform").mkdir()
    (tree / ".terraform" / "x").write_text("x")
    (tree / ".terraform" / "link").symlink_to("/")
    assert tree_digest(tree, skip=lambda path: path.name == ".terraform") == first


def test_links_and_empty_folders_are_refused(tree: Path, tmp_path: Path) -> None:
    (tree / "link").symlink_to(tree / "a.tf")
    with pytest.raises(ConfigurationError, match="tree/link is a symbolic link"):
        tree_digest(tree)
    with pytest.raises(ConfigurationError, match="missing or empty"):
        tree_digest(tmp_path / "nowhere")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is missing"):
        file_digest(tmp_path / "nothing")
