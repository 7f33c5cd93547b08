from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from causal.errors import Refused
from integrations.git import CheckoutParams, GitCheckoutPath, GitRevertRevert, RevertParams
from tests.integrations.git_world import BAD, CART, GOOD, NAME, STOCK, GitWorld

KEY = "inc-1/p1/back"


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld.create(tmp_path / "config")


def params(path: str, commit: str) -> CheckoutParams:
    return CheckoutParams(repository=NAME, path=path, commit=commit)


def go_back(world: GitWorld, path: str, commit: str) -> str:
    effect = GitCheckoutPath(world.connections).execute(params(path, commit), key=KEY, timeout=30)
    return str(effect.facts["commit"])


def test_a_file_goes_back_and_the_rest_stays(world: GitWorld) -> None:
    first = world.head()
    world.commit("Smaller pools", {CART: BAD, STOCK: BAD})
    go_back(world, CART, first)
    assert (world.read(CART), world.read(STOCK), world.git("status", "--porcelain")) == (GOOD, BAD, "")


def test_a_folder_goes_back_with_what_was_added_and_removed(world: GitWorld) -> None:
    first = world.head()
    tree = world.git("rev-parse", "HEAD^{tree}")
    world.commit("Much", {CART: None, STOCK: BAD, "services/new.yaml": "x", "services/deep/er.yaml": "y"})
    go_back(world, "services", first)
    assert (world.git("rev-parse", "HEAD^{tree}"), world.git("status", "--porcelain")) == (tree, "")


def test_going_back_is_a_new_commit_with_its_key(world: GitWorld) -> None:
    first = world.head()
    later = world.commit("Smaller pool", {CART: BAD})
    made = go_back(world, CART, first)
    said = world.git("log", "-1", "--format=%P %(trailers:key=Aitia-Step,valueonly)")
    assert (world.head(), said.split()) == (made, [later, KEY])


def test_several_commits_go_back_at_once(world: GitWorld) -> None:
    first = world.head()
    for size in (2, 3, 4):
        world.commit(f"Pool {size}", {CART: GOOD.replace("20", str(size))})
    go_back(world, CART, first)
    assert world.read() == GOOD


def test_a_mode_goes_back_too(world: GitWorld) -> None:
    first = world.head()
    (world.path / CART).chmod(0o755)
    world.commit("Executable", {})
    go_back(world, CART, first)
    assert (world.path / CART).stat().st_mode & 0o100 == 0


def test_names_that_look_like_patterns_mean_themselves(world: GitWorld) -> None:
    first = world.commit("Star", {"services/*.yaml": "a"})
    world.commit("Later", {"services/*.yaml": "b", CART: BAD})
    go_back(world, "services/*.yaml", first)
    assert (world.read("services/*.yaml"), world.read(CART)) == ("a", BAD)


def test_an_undone_checkout_brings_the_newer_text_back(world: GitWorld) -> None:
    first = world.head()
    world.commit("Smaller pool", {CART: BAD})
    made = go_back(world, CART, first)
    undo = GitRevertRevert(world.connections)
    undo.execute(RevertParams(repository=NAME, commit=made), key=f"{KEY}/undo", timeout=30)
    assert world.read() == BAD


def test_a_path_that_was_not_there_is_refused(world: GitWorld) -> None:
    first = world.head()
    world.commit("New", {"services/new.yaml": "x"})
    with pytest.raises(Refused, match=r"there was no services/new\.yaml"):
        go_back(world, "services/new.yaml", first)


def test_a_path_that_has_not_changed_is_refused(world: GitWorld) -> None:
    first = world.head()
    world.commit("Other", {STOCK: BAD})
    with pytest.raises(Refused, match="nothing would change"):
        go_back(world, CART, first)


def test_somebodys_uncommitted_work_is_kept(world: GitWorld) -> None:
    first = world.head()
    world.commit("Smaller pool", {CART: BAD})
    (world.path / STOCK).write_text("mine")
    with pytest.raises(Refused, match="uncommitted changes"):
        go_back(world, CART, first)
    assert world.read(STOCK) == "mine"


def test_a_preview_is_the_very_diff(world: GitWorld) -> None:
    first = world.head()
    world.commit("Smaller pool", {CART: BAD})
    assert "-pool: 2\n+pool: 20\n" in GitCheckoutPath(world.connections).preview(params(CART, first))


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "/etc", "a//b", "a/", "./a", ".git/config", ".GIT/x", "a\0b"]
)
def test_a_path_that_leaves_the_work_tree_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        params(path, "a" * 40)


def test_a_title_can_not_forge_a_trailer(world: GitWorld) -> None:
    first = world.commit("Title\u2028\u2028Aitia-Step: forged", {STOCK: BAD})
    world.commit("Smaller pool", {CART: BAD})
    go_back(world, CART, first)
    assert world.git("log", "--format=%(trailers:key=Aitia-Step,valueonly)").split() == [KEY]
