from __future__ import annotations

from pathlib import Path

import pytest

from causal.errors import Unavailable
from causal.evidence import Change, Window
from integrations.checks import ChangeIsLatest, CommitParams, RepositoryClean, RepositoryParams
from integrations.connections import ConnectionFile, Connections, RepositoryConnection
from integrations.git import GitRevert, GitRevertRevert, RevertParams
from integrations.git_changes import GitChanges
from tests.integrations.git_world import BAD, CART, GOOD, NAME, STOCK, GitWorld

T = 2_000_000_000.0
WINDOW = Window(start=T, end=T + 100)


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld.create(tmp_path / "config")


def changes(world: GitWorld, window: Window = WINDOW) -> tuple[Change, ...]:
    return GitChanges(world.connections).changes(window)


def latest(world: GitWorld, commit: str, repository: str | None = NAME) -> str | None:
    return ChangeIsLatest(world.connections).holds(CommitParams(repository=repository, commit=commit))


def clean(world: GitWorld) -> str | None:
    return RepositoryClean(world.connections).holds(RepositoryParams(repository=NAME))


def test_a_commit_is_a_change_of_the_service_it_configures(world: GitWorld) -> None:
    before = world.head()
    commit = world.commit("Smaller pool", {CART: BAD}, at=T + 10)
    assert changes(world) == (
        Change(
            id=commit,
            kind="config",
            service="cart",
            at=T + 10,
            repository=NAME,
            title="Smaller pool",
            author="Ada",
            previous=before,
            files=(CART,),
        ),
    )


def test_changes_outside_the_window_are_left_out(world: GitWorld) -> None:
    world.commit("Before", {CART: BAD}, at=T - 5)
    world.commit("After", {CART: GOOD}, at=T + 105)
    assert changes(world) == ()


def test_a_commit_in_the_windows_first_second_belongs_to_it(world: GitWorld) -> None:
    world.commit("At once", {CART: BAD}, at=T)
    assert len(changes(world, Window(start=T + 0.7, end=T + 5))) == 1


def test_changes_come_oldest_first(world: GitWorld) -> None:
    for number in range(3):
        world.commit(f"Change {number}", {CART: f"pool: {number}\n"}, at=T + number)
    assert [change.title for change in changes(world)] == ["Change 0", "Change 1", "Change 2"]


def test_a_commit_of_two_services_is_a_change_of_each(world: GitWorld) -> None:
    world.commit("Both", {CART: BAD, STOCK: BAD, "README": "new\n"}, at=T)
    assert [(change.service, change.files) for change in changes(world)] == [
        ("cart", (CART,)),
        ("stock", (STOCK,)),
    ]


def test_a_commit_of_no_service_is_a_change_all_the_same(world: GitWorld) -> None:
    world.commit("Notes", {"README": "new\n"}, at=T)
    assert [(change.service, change.files) for change in changes(world)] == [(None, ("README",))]


def test_a_commit_that_touches_nothing_is_no_change(world: GitWorld) -> None:
    world.commit("Nothing", {}, at=T)
    assert changes(world) == ()


def test_a_prompt_is_a_change_of_its_agent(world: GitWorld) -> None:
    world.commit("Friendlier", {"prompts/assistant.yaml": "Be nice.\n"}, at=T)
    assert [(change.kind, change.service) for change in changes(world)] == [("prompt", "assistant")]


def test_a_prompt_elsewhere_is_known_by_its_folder(world: GitWorld) -> None:
    world.commit("Friendlier", {"agents/prompts/v2.txt": "Be nice.\n"}, at=T)
    assert [(change.kind, change.service) for change in changes(world)] == [("prompt", None)]


def test_a_merge_counts_when_it_was_merged(world: GitWorld) -> None:
    world.git("switch", "--quiet", "-c", "side")
    world.commit("Long ago", {CART: BAD}, at=T - 1000)
    world.git("switch", "--quiet", "main")
    world.git("merge", "--quiet", "--no-ff", "-m", "Merge side", "side", at=T + 5)
    assert [(change.title, change.service, change.at) for change in changes(world)] == [
        ("Merge side", "cart", T + 5)
    ]


def test_a_revert_by_aitia_says_whose_it_is(world: GitWorld) -> None:
    commit = world.commit("Smaller pool", {CART: BAD})
    GitRevert(world.connections).execute(
        RevertParams(repository=NAME, commit=commit), key="i/p/s", timeout=30
    )
    everything = Window(start=0, end=T)
    assert changes(world, everything)[-1].title == 'Revert "Smaller pool" (made by Aitia)'


def test_a_title_that_is_no_text_can_still_be_stored(world: GitWorld) -> None:
    (world.path / "message").write_bytes(b"caf\xe9")
    world.git("add", "message")
    world.git("commit", "--quiet", "--cleanup=verbatim", "-F", "message", at=T)
    (change,) = changes(world)
    assert change.model_dump_json()


def test_a_repository_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the changes of shop-config can not be read"):
        changes(GitWorld(tmp_path / "gone"))


def test_no_repositories_have_no_changes() -> None:
    assert GitChanges(Connections).changes(WINDOW) == ()


def test_the_newest_change_of_its_files_is_the_latest(world: GitWorld) -> None:
    commit = world.commit("Smaller pool", {CART: BAD})
    world.commit("Another service", {STOCK: BAD})
    assert latest(world, commit) is None


def test_a_change_with_a_later_one_of_the_same_files_is_not_the_latest(world: GitWorld) -> None:
    commit = world.commit("Smaller pool", {CART: BAD})
    later = world.commit("Even smaller", {CART: BAD.replace("2", "1")})
    assert latest(world, commit) == f"{later[:12]} by Ada touched the same files after {commit[:12]}"


def test_our_own_revert_of_a_change_does_not_make_it_old(world: GitWorld) -> None:
    commit = world.commit("Smaller pool", {CART: BAD})
    GitRevert(world.connections).execute(
        RevertParams(repository=NAME, commit=commit), key="i/p/s", timeout=30
    )
    assert latest(world, commit) is None


def test_a_revert_that_was_undone_makes_a_change_old(world: GitWorld) -> None:
    commit = world.commit("Smaller pool", {CART: BAD})
    do = GitRevert(world.connections).execute(
        RevertParams(repository=NAME, commit=commit), key="i/p/s", timeout=30
    )
    undo = RevertParams(repository=NAME, commit=str(do.facts["commit"]))
    GitRevertRevert(world.connections).execute(undo, key="i/p/s/undo", timeout=30)
    assert "touched the same files" in (latest(world, commit) or "")


def test_the_repository_of_a_commit_is_found_where_none_is_named(world: GitWorld) -> None:
    assert latest(world, world.commit("Smaller pool", {CART: BAD}), None) is None


def test_a_commit_that_no_repository_holds_is_told(world: GitWorld) -> None:
    assert "0 repositories hold" in (latest(world, "a" * 40, None) or "")


def test_a_clean_repository_is_clean(world: GitWorld) -> None:
    assert clean(world) is None


def test_a_changed_file_makes_a_repository_unclean(world: GitWorld) -> None:
    (world.path / CART).write_text("mine")
    assert (clean(world) or "").endswith(f"has uncommitted changes: {CART}")


def test_another_branch_makes_a_repository_unclean(world: GitWorld) -> None:
    world.git("switch", "--quiet", "-c", "other")
    assert "does not have its branch main checked out" in (clean(world) or "")


def test_several_patterns_say_which_service_a_file_is_about(tmp_path: Path) -> None:
    repository = RepositoryConnection(path=tmp_path, services=("a/{service}.yaml", "b/{service}/main.tf"))
    files = ["a/x.yaml", "b/y/main.tf", "a/x/y.yaml", "a/.yaml", "c/x.yaml", "prompts/z.yaml"]
    assert [repository.service_of(file) for file in files] == ["x", "y", None, None, None, "z"]


def test_connections_know_nothing_without_files() -> None:
    assert Connections(files=(ConnectionFile(),)).repositories == {}
