"""The shop's configuration as a real git repository.

What is *committed* on the checked-out branch counts, not what lies in the working tree: so it does not matter
whether a revert was made here or pushed from elsewhere, and every running value has a revision. All calls go
to the ``git`` binary by argument list, with an identity of their own, whatever the user's git is set to.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.errors import GitFailed

BRANCH = "main"
_AUTHOR = ("Shop Deployer", "deployer@shop.example")
_SETTINGS = {
    "user.name": _AUTHOR[0],
    "user.email": _AUTHOR[1],
    "commit.gpgsign": "false",
    "gc.auto": "0",
    "core.hooksPath": "/dev/null",
}
_SECONDS = 30


def repository_name(shop: str) -> str:
    """What Aitia, and the shop's telemetry, call a shop's repository."""
    return f"{shop}-config"


@dataclass(frozen=True)
class ConfigRepository:
    """A git repository at ``path``."""

    path: Path

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str]) -> "ConfigRepository":
        """Make a new repository whose first commit holds these files."""
        path.mkdir(parents=True)
        repository = cls(path)
        repository._git("init", "--quiet", f"--initial-branch={BRANCH}")
        for key, value in _SETTINGS.items():
            repository._git("config", key, value)
        repository.commit(files, "Set up the shop")
        return repository

    def read(self, file: str) -> str:
        """The committed text of a file."""
        return self._git("show", f"HEAD:{file}")

    def last_change(self, files: Sequence[str]) -> str:
        """The full hash of the last commit that touched any of these files."""
        return self._git("log", "-1", "--format=%H", "HEAD", "--", *files).strip()

    def commit(self, files: Mapping[str, str], message: str) -> str:
        """Write these files, commit them, and return the full hash of the commit."""
        if self._has_commits():
            self._git(
                "reset", "--hard", "--quiet"
            )  # a branch moved from elsewhere leaves old files lying here
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        self._git("add", "--", *files)
        self._git("commit", "--quiet", "-m", message)
        return self.head()

    def revert(self, commit: str) -> str:
        """Undo a commit by a new one, whose full hash is returned."""
        self._git("reset", "--hard", "--quiet")
        try:
            self._git("revert", "--no-edit", commit)
        except GitFailed:
            self._git("reset", "--hard", "--quiet")
            raise
        return self.head()

    def head(self) -> str:
        """The full hash of the newest commit."""
        return self._git("rev-parse", "HEAD").strip()

    def _has_commits(self) -> bool:
        return self._run("rev-parse", "--verify", "--quiet", "HEAD").returncode == 0

    def _git(self, *arguments: str) -> str:
        done = self._run(*arguments)
        if done.returncode != 0:
            raise GitFailed(
                f"git {' '.join(arguments)} in {self.path}: {done.stderr.strip() or done.stdout.strip()}"
            )
        return done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )


def _environment() -> dict[str, str]:
    """The environment without what would point git at another repository or at somebody's own settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
