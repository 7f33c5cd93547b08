from pathlib import Path

import pytest

from demo.config_repository import ConfigRepository
from demo.errors import GitFailed


@pytest.fixture
def repository(tmp_path: Path) -> ConfigRepository:
    """Two files, one commit."""
    return ConfigRepository.create(tmp_path / "config", {"a.yaml": "x: 1\n", "b.yaml": "y: 1\n"})


def test_what_is_committed_is_what_is_read(repository: ConfigRepository) -> None:
    (repository.path / "a.yaml").write_text("x: 9\n")
    assert repository.read("a.yaml") == "x: 1\n"


def test_a_revert_brings_the_old_text_back(repository: ConfigRepository) -> None:
    bad = repository.commit({"a.yaml": "x: 2\n"}, "Worse")
    repository.revert(bad)
    assert repository.read("a.yaml") == "x: 1\n"


def test_a_commit_to_one_file_is_no_change_of_the_other(repository: ConfigRepository) -> None:
    first = repository.head()
    repository.commit({"a.yaml": "x: 2\n"}, "Worse")
    assert repository.last_change(["b.yaml"]) == first


def test_a_commit_after_a_branch_moved_keeps_what_was_pushed(repository: ConfigRepository) -> None:
    first = repository.head()
    repository.commit({"a.yaml": "x: 2\n"}, "Worse")
    (repository.path / ".git" / "refs" / "heads" / "main").write_text(f"{first}\n")
    repository.commit({"b.yaml": "y: 2\n"}, "Another")
    assert repository.read("a.yaml") == "x: 1\n"


def test_a_revert_that_conflicts_leaves_the_tree_clean(repository: ConfigRepository) -> None:
    bad = repository.commit({"a.yaml": "x: 2\n"}, "Worse")
    head = repository.commit({"a.yaml": "x: 3\n"}, "Worse still")
    with pytest.raises(GitFailed):
        repository.revert(bad)
    assert (repository.head(), repository.read("a.yaml")) == (head, "x: 3\n")
