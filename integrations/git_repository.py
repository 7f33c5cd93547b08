"""A git work tree, reached through the ``git`` binary alone: argument lists, a bare environment, deadlines.

The user's and the machine's git configuration, hooks, signing, prompts and pagers play no part: what happens
depends on the repository and on us. Writers of this house take turns by a lock in the repository's own git
folder; the lock is handed to the child, so it is held for as long as a git of ours runs, even if we were
killed.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from causal.errors import Refused, Unavailable
from integrations.file_lock import take

NAME, EMAIL = "Aitia", "aitia@localhost"
READ_SECONDS = 20.0
LOCK_SECONDS = 30.0

_SETTINGS = {
    "user.name": NAME,
    "user.email": EMAIL,
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "color.ui": "false",
    "core.pager": "cat",
}


@dataclass(frozen=True)
class Ran:
    """What a git command answered; ``code`` is its exit status."""

    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        return " ".join(printable(self.err or self.out).split())[:500] or f"exit status {self.code}"


@dataclass(frozen=True)
class Commit:
    """A commit of the branch's own line: its files are those that differ from its first parent."""

    id: str
    at: float
    author: str
    title: str
    parents: tuple[str, ...] = ()
    trailers: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()


_FIELDS = ("%H", "%ct", "%an", "%s", "%P", "%(trailers:only,unfold)", "")


@dataclass(frozen=True)
class GitRepository:
    """One branch of one work tree."""

    path: Path
    branch: str

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def run(
        self,
        *words: str,
        seconds: float = READ_SECONDS,
        text: str | None = None,
        env: Mapping[str, str] | None = None,
        lock: int | None = None,
    ) -> Ran:
        """Run git here and return its answer, whatever it was; Unavailable if there is none in time."""
        settings = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        command = ["git", "-C", str(self.path), "-c", f"safe.directory={self.path}", *settings, *words]
        try:
            done = subprocess.run(
                command,
                input=_bytes(text or ""),
                capture_output=True,
                env={**_environment(), **(env or {})},
                timeout=max(seconds, 0.1),
                pass_fds=() if lock is None else (lock,),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"git {words[0]} in {self.path} took more than {seconds:.0f} s") from error
        except OSError as error:
            raise Unavailable(f"git can not be run in {self.path}: {error}") from error
        return Ran(done.returncode, _text(done.stdout), _text(done.stderr))

    def ask(self, *words: str, env: Mapping[str, str] | None = None, text: str | None = None) -> str:
        """Run git here and return what it printed; Refused with git's own words if it failed."""
        ran = self.run(*words, env=env, text=text)
        if ran.code != 0:
            raise Refused(f"git {words[0]} in {self.path}: {ran.why}")
        return ran.out

    def commit_called(self, name: str) -> str:
        """Return the full hash of a commit; Refused if there is none, or the name means something else."""
        ran = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        full = ran.out.strip()
        if ran.code != 0 or not full.startswith(name):
            raise Refused(f"there is no commit {name} in {self.path}")
        return full

    def head(self) -> str:
        """Return the full hash of the branch's newest commit."""
        return self.ask("rev-parse", "--verify", "--end-of-options", f"{self.ref}^{{commit}}").strip()

    def holds(self, commit: str) -> bool:
        """Whether a commit is part of the branch."""
        return self.run("merge-base", "--is-ancestor", commit, self.ref).code == 0

    def check_out_is_ours(self) -> None:
        """Refuse unless this is the top of a work tree that shows the branch."""
        top = self.ask("rev-parse", "--show-toplevel").removesuffix("\n")
        if Path(top).resolve() != self.path.resolve():
            raise Refused(f"{self.path} is not the top of its work tree, which is {top}")
        if self.run("symbolic-ref", "--quiet", "HEAD").out.strip() != self.ref:
            raise Refused(f"{self.path} does not have its branch {self.branch} checked out")

    def dirty(self) -> tuple[str, ...]:
        """Tracked files that differ from the branch's newest commit."""
        out = self.ask("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
        return tuple(entry[3:] for entry in out.split("\0") if entry)

    def unclean(self, files: Sequence[str]) -> Refused:
        """Make the error for files that somebody else has changed."""
        some = ", ".join(printable(name) for name in files[:5])
        return Refused(f"{self.path} has uncommitted changes: {some}")

    def files_of(self, old: str, new: str) -> tuple[str, ...]:
        """Files that differ between two commits."""
        out = self.ask("diff-tree", "-r", "--name-only", "-z", "--no-renames", old, new, "--")
        return tuple(name for name in out.split("\0") if name)

    def log(self, *revisions: str, most: int = 1000, files: Sequence[str] = ()) -> tuple[Commit, ...]:
        """Return commits along the branch's own line, newest first, each with its files."""
        # nobody's commit title can hold these, so none can pass for a field or a commit of its own
        begin, between = secrets.token_hex(12), secrets.token_hex(12)
        out = self.ask(
            "log", "--first-parent", "-m", "--no-renames", "--name-only", "-z", f"--max-count={most}",
            f"--format={begin}{between.join(_FIELDS)}",
            "--end-of-options", *(revisions or (self.ref,)), "--", *files,
        )  # fmt: skip
        return tuple(_commit(record.split(between)) for record in out.split(begin)[1:])

    @contextmanager
    def locked(self, seconds: float = LOCK_SECONDS) -> Iterator[int]:
        """Hold the lock of this house on the repository; Unavailable if somebody else keeps it."""
        folder = Path(self.ask("rev-parse", "--absolute-git-dir").strip())
        handle = os.open(folder / "aitia.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            take(handle, time.monotonic() + seconds, f"in {self.path}")
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def scratch_index(self, commit: str, *, keep: bool) -> Iterator[dict[str, str]]:
        """Give the environment of an index of its own that holds ``commit``; the work tree is not touched.

        What is built in it stays in the repository with ``keep``, and goes with the index without.
        """
        with tempfile.TemporaryDirectory(prefix="aitia-git-") as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            if not keep:
                objects = self.ask("rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
                env |= {"GIT_OBJECT_DIRECTORY": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}
            self.ask("read-tree", commit, env=env)
            yield env


def printable(text: str) -> str:
    """Write bytes that are no UTF-8 as replacement characters, so that the text can be stored and sent."""
    return _bytes(text).decode(errors="replace")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _text(data: bytes) -> str:
    return data.decode(
        errors="surrogateescape"
    )  # names and patches are bytes, and must come back as they went


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _commit(fields: list[str]) -> Commit:
    name, at, author, title, parents, trailers, files = fields
    return Commit(
        id=name,
        at=float(at),
        author=printable(author),
        title=printable(title),
        parents=tuple(parents.split()),
        trailers=dict(_trailers(trailers)),
        files=tuple(file for file in (name.lstrip("\n") for name in files.split("\0")) if file),
    )


def _trailers(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()
