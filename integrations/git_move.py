"""Moving a checked-out branch to a commit of ours, so that a kill at any moment can be made good.

Git changes the files of a work tree one by one and the branch last. If only we are killed, the git that we
started ends its work, and holds our lock until it has. If everything is killed at once, files are left half
changed and git's own lock files lie about. So the commit to move to is kept under ``refs/aitia/`` before the
move. The next try of the same step finds it there, makes sure that every half-changed file is one that this
commit changes and holds nothing but old text, new text or the beginning of it, and then completes the move. A
lock file is taken away only then, and only if no process has it open.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.git_repository import GitRepository, Ran

_LOCKED = re.compile(r"Unable to create '(?P<file>[^']+\.lock)': File exists")
_STALE_SECONDS = 0.2


@dataclass(frozen=True)
class Move:
    """The move that one step makes, by its key; ``lock`` is the one that `GitRepository.locked` gave."""

    repository: GitRepository
    key: str
    lock: int
    seconds: float

    @property
    def ref(self) -> str:
        return f"refs/aitia/{hashlib.sha256(self.key.encode()).hexdigest()[:40]}"

    def interrupted(self) -> str | None:
        """Return the commit that an earlier try was moving to, if it still follows the branch."""
        ran = self.repository.run("rev-parse", "--verify", "--quiet", f"{self.ref}^{{commit}}")
        if ran.code != 0:
            return None
        (commit,) = self.repository.log(ran.out.strip(), most=1)
        return commit.id if commit.parents == (self.repository.head(),) else None

    def begin(self, new: str) -> None:
        """Move the branch to ``new``, its next commit; whatever fails leaves everything as it was."""
        self.repository.ask("update-ref", self.ref, new)
        try:
            self._run("merge", "--quiet", "--ff-only", "--no-autostash", "--no-overwrite-ignore", new)
        except UnknownEffect:
            raise
        except (Refused, Unavailable):
            self._forget()
            raise
        self._forget()

    def complete(self, new: str) -> None:
        """Complete a move that was interrupted; Refused if somebody else's work is in the way."""
        changed = self.repository.files_of(f"{new}^", new)
        others = set(self.repository.dirty()) - set(changed)
        strange = sorted(others | {name for name in changed if not self._is_ours(name, new)})
        if strange:
            raise self.repository.unclean(strange)
        self._run("reset", "--quiet", "--hard", new, resumed=True)
        self._forget()

    def _is_ours(self, name: str, new: str) -> bool:
        found = _content(self.repository.path / name)
        if found is None or found == self._committed(f"{new}^", name):
            return True
        written = self._committed(new, name)
        return written is not None and written.startswith(found)

    def _committed(self, commit: str, name: str) -> bytes | None:
        ran = self.repository.run("cat-file", "blob", f"{commit}:{name}")
        return ran.out.encode(errors="surrogateescape") if ran.code == 0 else None

    def _forget(self) -> None:
        self.repository.run("update-ref", "-d", self.ref)

    def _run(self, *words: str, resumed: bool = False) -> None:
        ran = self._ran(*words)
        while resumed and (stale := _stale_lock(ran)) is not None:
            stale.unlink(missing_ok=True)
            ran = self._ran(*words)
        if ran.code == 0:
            return
        if _LOCKED.search(ran.err):
            raise Unavailable(f"somebody else's git is at work in {self.repository.path}: {ran.why}")
        raise Refused(f"the branch can not be moved: {ran.why}")

    def _ran(self, *words: str) -> Ran:
        try:
            return self.repository.run(*words, seconds=self.seconds, lock=self.lock)
        except Unavailable as error:
            raise UnknownEffect(str(error)) from error


def _content(file: Path) -> bytes | None:
    """Return what a file holds (a link: where it points to), None if there is no such file."""
    try:
        return os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{file} can not be read: {error}") from error


def _stale_lock(ran: Ran) -> Path | None:
    """Return the lock file that kept git from its work, if nobody has it open."""
    match = _LOCKED.search(ran.err) if ran.code != 0 else None
    if match is None:
        return None
    file = Path(match["file"])
    if _is_open(file):
        return None
    time.sleep(_STALE_SECONDS)  # a git that was just between closing and renaming it is done with it by then
    return None if _is_open(file) else file


def _is_open(file: Path) -> bool:
    """Whether a process has a file open; where that can not be seen, one might."""
    proc = Path("/proc")
    if not proc.joinpath("self/fd").exists():
        return True
    return any(_points_to(handle, str(file)) for handle in proc.glob("[0-9]*/fd/*"))


def _points_to(handle: Path, target: str) -> bool:
    try:
        return str(handle.readlink()) == target
    except OSError:
        return False
