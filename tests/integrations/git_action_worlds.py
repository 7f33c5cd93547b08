"""The worlds of the actions on git and on forges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.connections import (
    ForgeConnection,
)
from tests.doubles.forge import PROJECT, TOKEN, Kind, forge_double
from tests.integrations.action_world import World, files_of
from tests.integrations.git_world import BAD, CART, NAME, STOCK, GitWorld


@contextmanager
def git_revert(folder: Path) -> Iterator[World]:
    world = GitWorld.create(folder / "config")
    commit = world.commit("Smaller pool", {CART: BAD})
    yield _git_world(folder, world, "git.revert", {"commit": commit})


@contextmanager
def git_checkout_path(folder: Path) -> Iterator[World]:
    world = GitWorld.create(folder / "config")
    first = world.head()
    world.commit("Smaller pool", {CART: BAD, STOCK: BAD, "services/new.yaml": "x\n"})
    hostile = tuple(
        {"path": path}
        for path in ("../x", "/etc/passwd", "a//b", ".git/config", "", ".", "services/../../x", "a\0b")
    )
    yield _git_world(folder, world, "git.checkout_path", {"commit": first, "path": "services"}, *hostile)


def _git_world(
    folder: Path, world: GitWorld, action: str, params: dict[str, Any], *hostile: dict[str, Any]
) -> World:
    commits = int(world.git("rev-list", "--count", "HEAD"))
    bad = ("HEAD", "--all", "abc", "a" * 41, "main")
    return World(
        folder,
        world.connections().files[0],
        action,
        {"repository": NAME, **params},
        state=lambda: (files_of(world.path), world.git("status", "--porcelain")),
        effects=lambda: int(world.git("rev-list", "--count", "HEAD")) - commits,
        hostile=(*({"commit": each} for each in bad), {"repository": "other"}, *hostile),
        undo="git.revert_revert",
    )


def pull_request(kind: Kind) -> Callable[[Path], Any]:
    @contextmanager
    def world(folder: Path) -> Iterator[World]:
        clone = GitWorld.create(folder / "config")
        commit = clone.commit("Smaller @everyone `pool`", {CART: BAD, "services/new.yaml": "x\n"})
        (folder / "token").write_text(TOKEN)
        with forge_double(kind) as forge:
            forge.begin("main", clone.head(), files_of(clone.path))
            connection = ForgeConnection(
                kind=kind,
                base_url=forge.url,
                token_file=folder / "token",
                project=PROJECT,
                repository=NAME,
            )
            file = clone.connections().files[0].model_copy(update={"forges": {"forge": connection}})
            yield World(
                folder,
                file,
                "git.pull_request",
                {"forge": "forge", "commit": commit},
                state=lambda: (
                    dict(forge.branches),
                    [each.title for each in forge.pulls if each.state == "open"],
                    files_of(clone.path),
                    clone.git("for-each-ref"),
                ),
                effects=lambda: len(forge.pulls),
                hostile=({"forge": "other"}, {"commit": "main"}, {"commit": "a" * 41}),
                undo="git.pull_request_close",
            )

    return world
