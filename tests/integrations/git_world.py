"""A real configuration repository in a temporary folder, written to the way its owners would."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from integrations.connections import ConnectionFile, Connections, RepositoryConnection

NAME = "shop-config"
CART = "services/cart.yaml"
STOCK = "services/stock.yaml"
GOOD = "pool: 20\ntimeout: 1.5\nretries: 2\nlog: info\n"
BAD = GOOD.replace("pool: 20", "pool: 2")


@dataclass(frozen=True)
class GitWorld:
    """The work tree at ``path``, and the ways its owners use it."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> GitWorld:
        path.mkdir()
        world = cls(path)
        world.git("init", "--quiet", "--initial-branch=main")
        world.commit("Set up", {CART: GOOD, STOCK: GOOD, "README": "notes\n"})
        return world

    def git(self, *words: str, at: float | None = None) -> str:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }
        if at is not None:
            env |= {"GIT_AUTHOR_DATE": f"@{at:.0f} +0000", "GIT_COMMITTER_DATE": f"@{at:.0f} +0000"}
        done = subprocess.run(
            ["git", "-C", str(self.path), *words], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, title: str, files: dict[str, str | None], at: float | None = None) -> str:
        """Write files (None takes one away), commit them, and return the full hash."""
        for name, text in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                file.unlink()
            else:
                file.write_bytes(text.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", title, at=at)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def read(self, name: str = CART) -> str:
        return (self.path / name).read_bytes().decode()

    def connections(self) -> Connections:
        repository = RepositoryConnection(path=self.path, branch="main", services="services/{service}.yaml")
        return Connections(files=(ConnectionFile(repositories={NAME: repository}),))
