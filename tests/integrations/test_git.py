from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from causal.errors import Refused, Unavailable
from integrations.connections import Connections
from integrations.git import GitRevert, GitRevertRevert, RevertParams
from integrations.git_repository import GitRepository
from integrations.ports import Action
from tests.integrations.git_world import BAD, CART, GOOD, NAME, STOCK, GitWorld

KEY = "inc-1/p1/revert"


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld.create(tmp_path / "config")


def revert(world: GitWorld) -> GitRevert:
    return GitRevert(world.connections)


def params(commit: str, repository: str = NAME) -> RevertParams:
    return RevertParams(repository=repository, commit=commit)


def do(world: GitWorld, commit: str, key: str = KEY, *, action: GitRevert | None = None) -> str:
    effect = (action or revert(world)).execute(params(commit), key=key, timeout=30)
    return str(effect.facts["commit"])


def broken(world: GitWorld) -> str:
    return world.commit("Smaller pool", {CART: BAD})


def half_moved(world: GitWorld, left: str | None) -> str:
    """Leave what a kill of everything leaves: a prepared commit, and the file half written."""
    commit = broken(world)
    made = do(world, commit)
    world.git("reset", "--quiet", "--hard", commit)
    world.git("update-ref", prepared_ref(), made)
    if left is None:
        (world.path / CART).unlink()
    else:
        (world.path / CART).write_text(left)
    return commit


def prepared_ref(key: str = KEY) -> str:
    return f"refs/aitia/{hashlib.sha256(key.encode()).hexdigest()[:40]}"


def test_both_actions_keep_the_ports_contract(world: GitWorld) -> None:
    assert all(isinstance(each(world.connections), Action) for each in (GitRevert, GitRevertRevert))


def test_a_revert_brings_the_old_text_back(world: GitWorld) -> None:
    do(world, broken(world))
    assert world.read() == GOOD


def test_a_revert_is_one_new_commit_on_the_branch(world: GitWorld) -> None:
    commit = broken(world)
    made = do(world, commit)
    assert (world.head(), world.git("rev-parse", "HEAD^")) == (made, commit)


def test_a_revert_leaves_the_work_tree_clean(world: GitWorld) -> None:
    do(world, broken(world))
    assert world.git("status", "--porcelain") == ""


def test_a_revert_carries_its_key_and_what_it_reverts(world: GitWorld) -> None:
    commit = broken(world)
    do(world, commit)
    assert world.git("log", "-1", "--format=%(trailers:only)").splitlines() == [
        f"Aitia-Step: {KEY}",
        "Aitia-Incident: inc-1",
        f"Aitia-Reverts: {commit}",
    ]


def test_a_revert_is_made_by_aitia_whoever_the_user_is(world: GitWorld) -> None:
    do(world, broken(world))
    assert world.git("log", "-1", "--format=%an <%ae>") == "Aitia <aitia@localhost>"


def test_a_revert_reports_what_its_undo_needs(world: GitWorld) -> None:
    commit = broken(world)
    effect = revert(world).execute(params(commit[:10]), key=KEY, timeout=30)
    assert effect.facts == {"commit": world.head(), "reverted": commit, "repository": NAME}


def test_a_revert_keeps_what_was_committed_since(world: GitWorld) -> None:
    commit = broken(world)
    world.commit("Another service", {STOCK: BAD})
    do(world, commit)
    assert (world.read(CART), world.read(STOCK)) == (GOOD, BAD)


def test_a_revert_merges_with_later_changes_of_the_same_file(world: GitWorld) -> None:
    commit = broken(world)
    world.commit("More log", {CART: BAD.replace("log: info", "log: debug")})
    do(world, commit)
    assert world.read() == GOOD.replace("log: info", "log: debug")


def test_a_conflict_is_refused(world: GitWorld) -> None:
    commit = broken(world)
    world.commit("Another pool", {CART: BAD.replace("pool: 2", "pool: 3")})
    with pytest.raises(Refused, match="without conflicts"):
        do(world, commit)


def test_a_conflict_leaves_everything_as_it_was(world: GitWorld) -> None:
    commit = broken(world)
    later = world.commit("Another pool", {CART: BAD.replace("pool: 2", "pool: 3")})
    with pytest.raises(Refused):
        do(world, commit)
    assert (world.head(), world.git("status", "--porcelain")) == (later, "")


@pytest.mark.parametrize(
    "files",
    [
        {CART: None},
        {"services/new.yaml": GOOD},
        {CART: GOOD.replace("\n", "\r\n")},
        {CART: "caf\u00e9 \u2028\n", "services/b\u00e4r.yaml": "x"},
        {CART: "no end of line"},
        {CART: "\x00\x01binary\x00"},
        {"services/with space.yaml": "a\n", 'services/quo"te.yaml': "b\n"},
    ],
)
def test_any_kind_of_change_can_be_taken_back(world: GitWorld, files: dict[str, str | None]) -> None:
    before = world.git("rev-parse", "HEAD^{tree}")
    do(world, world.commit("Change", files))
    assert (world.git("rev-parse", "HEAD^{tree}"), world.git("status", "--porcelain")) == (before, "")


def test_the_mode_of_a_file_is_taken_back(world: GitWorld) -> None:
    (world.path / CART).chmod(0o755)
    do(world, world.commit("Executable", {}))
    assert not os.access(world.path / CART, os.X_OK)


def test_bytes_that_are_no_text_are_taken_back(world: GitWorld) -> None:
    (world.path / CART).write_bytes(b"caf\xe9\n")
    do(world, world.commit("Latin-1", {}))
    assert world.read() == GOOD


def test_a_second_execution_with_the_same_key_does_nothing(world: GitWorld) -> None:
    commit = broken(world)
    made = do(world, commit)
    assert (do(world, commit), world.head()) == (made, made)


def test_what_was_not_done_is_not_observed(world: GitWorld) -> None:
    assert revert(world).observe(params(broken(world)), key=KEY) is None


def test_what_was_done_is_observed_by_its_key(world: GitWorld) -> None:
    commit = broken(world)
    made = do(world, commit)
    effect = revert(world).observe(params(commit), key=KEY)
    assert effect is not None
    assert effect.facts["commit"] == made


def test_another_keys_deed_is_not_observed(world: GitWorld) -> None:
    commit = broken(world)
    do(world, commit)
    assert revert(world).observe(params(commit), key=KEY + "x") is None


def test_a_commit_title_can_not_pose_as_a_trailer(world: GitWorld) -> None:
    commit = world.commit(f"x\x1e\x1f Aitia-Step: {KEY}\x1f", {CART: BAD})
    assert revert(world).observe(params(commit), key=KEY) is None


def test_a_change_that_is_taken_back_already_is_refused(world: GitWorld) -> None:
    commit = broken(world)
    do(world, commit)
    with pytest.raises(Refused, match="done already: nothing would change"):
        do(world, commit, "inc-2/p1/revert")


def test_a_dirty_work_tree_is_refused_and_kept(world: GitWorld) -> None:
    commit = broken(world)
    (world.path / STOCK).write_text("mine")
    with pytest.raises(Refused, match=r"uncommitted changes: services/stock\.yaml"):
        do(world, commit)
    assert world.read(STOCK) == "mine"


def test_untracked_files_are_nobodys_business(world: GitWorld) -> None:
    commit = broken(world)
    (world.path / "notes.txt").write_text("mine")
    do(world, commit)
    assert world.read("notes.txt") == "mine"


def test_an_untracked_file_in_the_way_is_refused_and_kept(world: GitWorld) -> None:
    commit = world.commit("Remove", {CART: None})
    (world.path / CART).parent.mkdir(exist_ok=True)
    (world.path / CART).write_text("mine")
    with pytest.raises(Refused, match="can not be moved"):
        do(world, commit)
    assert world.read() == "mine"


def test_a_branch_that_is_not_checked_out_is_refused(world: GitWorld) -> None:
    commit = broken(world)
    world.git("switch", "--quiet", "-c", "other")
    with pytest.raises(Refused, match="does not have its branch main checked out"):
        do(world, commit)


def test_a_merge_is_refused(world: GitWorld) -> None:
    world.git("switch", "--quiet", "-c", "side")
    world.commit("Side", {STOCK: BAD})
    world.git("switch", "--quiet", "main")
    broken(world)
    world.git("merge", "--quiet", "--no-edit", "side")
    with pytest.raises(Refused, match="is a merge"):
        do(world, world.head())


def test_the_first_commit_is_refused(world: GitWorld) -> None:
    with pytest.raises(Refused, match="first commit"):
        do(world, world.head())


def test_a_commit_of_another_branch_is_refused(world: GitWorld) -> None:
    world.git("switch", "--quiet", "-c", "side")
    commit = world.commit("Side", {STOCK: BAD})
    world.git("switch", "--quiet", "main")
    with pytest.raises(Refused, match="is not part of main"):
        do(world, commit)


def test_an_unknown_commit_is_refused(world: GitWorld) -> None:
    with pytest.raises(Refused, match="there is no commit"):
        do(world, "0" * 40)


def test_a_branch_that_is_called_like_a_commit_is_no_commit(world: GitWorld) -> None:
    broken(world)
    world.git("branch", "deadbeef")
    with pytest.raises(Refused, match="there is no commit deadbeef"):
        do(world, "deadbeef")


@pytest.mark.parametrize("commit", ["HEAD", "main~1", "--all", "abc", "ABCDEF1", "abcdef1\n", "a" * 41])
def test_a_commit_is_named_by_its_hash_alone(commit: str) -> None:
    with pytest.raises(ValidationError):
        params(commit)


def test_a_repository_without_a_name_is_refused(world: GitWorld) -> None:
    with pytest.raises(Refused, match="did you mean shop-config"):
        revert(world).execute(params("a" * 40, "shop-confi"), key=KEY, timeout=30)


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    with pytest.raises(Refused, match="not a git repository"):
        do(world, "a" * 40)


def test_a_part_of_a_work_tree_is_refused(world: GitWorld) -> None:
    commit = broken(world)
    with pytest.raises(Refused, match="not the top of its work tree"):
        do(GitWorld(world.path / "services"), commit)


def test_hooks_are_not_run(world: GitWorld) -> None:
    commit = broken(world)
    for name in ("pre-commit", "post-merge", "reference-transaction", "post-index-change"):
        hook = world.path / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n")
        hook.chmod(0o755)
    do(world, commit)
    assert not (world.path / "ran").exists()


def test_a_key_with_a_line_break_is_refused(world: GitWorld) -> None:
    with pytest.raises(Refused, match="control characters"):
        do(world, broken(world), "inc-1\nAitia-Step: other")


def test_a_title_can_not_forge_a_trailer(world: GitWorld) -> None:
    commit = world.commit("Title\u2028Aitia-Step: forged", {CART: BAD})
    do(world, commit)
    assert revert(world).observe(params(commit), key="forged") is None


def test_a_preview_is_the_very_diff(world: GitWorld) -> None:
    commit = broken(world)
    preview = revert(world).preview(params(commit))
    assert "-pool: 2\n+pool: 20\n" in preview


def test_a_preview_changes_nothing(world: GitWorld) -> None:
    commit = broken(world)
    before = world.git("count-objects"), world.git("for-each-ref"), world.git("status", "--porcelain")
    revert(world).preview(params(commit))
    assert (
        world.git("count-objects"),
        world.git("for-each-ref"),
        world.git("status", "--porcelain"),
    ) == before


def test_a_preview_refuses_what_would_be_a_conflict(world: GitWorld) -> None:
    commit = broken(world)
    world.commit("Another pool", {CART: BAD.replace("pool: 2", "pool: 3")})
    with pytest.raises(Refused, match="without conflicts"):
        revert(world).preview(params(commit))


def test_a_long_preview_is_cut_and_says_so(world: GitWorld) -> None:
    commit = world.commit("Long", {CART: "x\n" * 50_000})
    preview = revert(world).preview(params(commit))
    assert len(preview) < 10_000
    assert preview.endswith("more lines")


def test_a_preview_shows_no_control_characters(world: GitWorld) -> None:
    preview = revert(world).preview(params(world.commit("Bell \x07", {CART: "a\x1b[2Jb\n"})))
    assert not set(preview) & {"\x07", "\x1b"}


def test_an_undone_revert_brings_the_change_back(world: GitWorld) -> None:
    made = do(world, broken(world))
    do(world, made, KEY + "/undo", action=GitRevertRevert(world.connections))
    assert world.read() == BAD


def test_only_a_revert_of_aitia_is_undone(world: GitWorld) -> None:
    commit = broken(world)
    with pytest.raises(Refused, match="not made by a step of Aitia"):
        do(world, commit, action=GitRevertRevert(world.connections))


def test_a_move_that_was_killed_half_way_is_completed(world: GitWorld) -> None:
    commit = broken(world)
    before = world.head()
    made = do(world, commit)
    # as a kill leaves it between the files and the branch
    world.git("update-ref", "refs/heads/main", before)
    world.git("update-ref", prepared_ref(), made)
    assert world.git("status", "--porcelain") != ""
    assert do(world, commit) == made
    assert (world.head(), world.git("status", "--porcelain")) == (made, "")


def test_somebody_elses_work_is_no_half_done_move(world: GitWorld) -> None:
    commit = broken(world)
    before = world.head()
    made = do(world, commit)
    world.git("update-ref", "refs/heads/main", before)
    world.git("update-ref", prepared_ref(), made)
    (world.path / CART).write_text("mine")
    with pytest.raises(Refused, match="uncommitted changes"):
        do(world, commit)
    assert world.read() == "mine"


@pytest.mark.parametrize("left", [None, "", GOOD[:10], GOOD, BAD])
def test_a_file_that_was_being_written_when_all_was_killed_is_completed(
    world: GitWorld, left: str | None
) -> None:
    half_moved(world, left)
    (world.path / ".git" / "index.lock").touch()
    do(world, world.git("rev-parse", "HEAD"))
    assert (world.read(), world.git("status", "--porcelain")) == (GOOD, "")


def test_a_lock_that_somebody_has_open_is_left_alone(world: GitWorld) -> None:
    commit = half_moved(world, "")
    with (
        (world.path / ".git" / "index.lock").open("w"),
        pytest.raises(Unavailable, match="somebody else's git"),
    ):
        do(world, commit)


def test_another_file_that_is_dirty_stops_the_completion(world: GitWorld) -> None:
    commit = half_moved(world, "")
    (world.path / STOCK).write_text("mine")
    with pytest.raises(Refused, match=r"uncommitted changes: services/stock\.yaml"):
        do(world, commit)
    assert world.read(STOCK) == "mine"


def test_a_commit_that_was_prepared_before_another_one_came_is_not_used(world: GitWorld) -> None:
    commit = broken(world)
    before = world.head()
    made = do(world, commit)
    world.git("reset", "--quiet", "--hard", before)
    world.git("update-ref", prepared_ref(), made)
    world.commit("Meanwhile", {STOCK: BAD})
    do(world, commit)
    assert (world.read(CART), world.read(STOCK)) == (GOOD, BAD)


def test_no_prepared_commit_is_left_behind(world: GitWorld) -> None:
    do(world, broken(world))
    assert "refs/aitia" not in world.git("for-each-ref")


def test_another_step_at_work_is_waited_for_and_then_unavailable(world: GitWorld) -> None:
    commit = broken(world)
    with (world.path / ".git" / "aitia.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another step is at work"):
            revert(world).execute(params(commit), key=KEY, timeout=0.1)


def test_the_lock_is_held_by_a_git_that_outlives_us(world: GitWorld) -> None:
    repository = GitRepository(world.path, "main")
    with repository.locked() as lock:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=(lock,))
    try:
        with pytest.raises(Unavailable), repository.locked(0.1):
            pass
    finally:
        child.communicate()


def test_somebody_elses_git_makes_it_unavailable(world: GitWorld) -> None:
    commit = broken(world)
    (world.path / ".git" / "index.lock").touch()
    with pytest.raises(Unavailable, match="somebody else's git"):
        do(world, commit)


def test_connections_that_can_not_be_read_refuse(tmp_path: Path) -> None:
    from integrations.connections import read_connections

    (tmp_path / "shop.yaml").write_text("repository: {}")
    action = GitRevert(lambda: read_connections(tmp_path))
    with pytest.raises(Refused, match=r"shop\.yaml:1:1: repository: unknown field; did you mean"):
        action.execute(params("a" * 40), key=KEY, timeout=30)


def test_no_connections_know_no_repository() -> None:
    with pytest.raises(Refused, match="known here: nothing"):
        GitRevert(Connections).preview(params("a" * 40))
