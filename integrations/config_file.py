"""A configuration file of a watched system: read whole, and replaced whole or not at all.

The new text is written beside the file, flushed to disk with the old one's mode and owner, and renamed over
it: who reads sees the old file or the new one, also after a power cut. Writers of this house take turns by a
lock; whoever else changed the file between our look and our rename is noticed by its inode, time and size,
and nothing is written.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from causal.errors import Refused, Unavailable
from integrations.connections.kinds import ConfigFormat
from integrations.file_lock import take
from integrations.masking import without_secrets
from playbooks.lookups import is_visible

LONGEST_FILE = 256 * 1024
LONGEST_PREVIEW = 8000
_ASSIGNED = re.compile(
    r"(?P<before>[ +-]\s*(?:export )?[\"']?(?P<name>[\w.-]+)[\"']?\s*[:=]\s*)(?P<value>\S.*)"
)
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class ConfigFile:
    """A file and its format."""

    path: Path
    form: ConfigFormat

    def read(self) -> str:
        """Return the text; Refused if it is no regular file of text, Unavailable if it is not there."""
        return self._read()[0]

    def replace(self, old: str, new: str) -> None:
        """Put a new text in place of the old one; Unavailable if somebody changed the file meanwhile."""
        text, stamp = self._read()
        if text != old:
            raise self._changed()
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".aitia")
        try:
            self._write(handle, new)
            self._is_still(stamp)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _flush(self.path.parent)

    @contextmanager
    def locked(self, state: Path, seconds: float) -> Iterator[None]:
        """Take a turn among the writers of this house; Unavailable if another keeps the lock."""
        state.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(str(self.path).encode()).hexdigest()[:32]
        handle = os.open(state / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            take(handle, time.monotonic() + seconds, f"on {self.path}")
            yield
        finally:
            os.close(handle)

    def _read(self) -> tuple[str, Stamp]:
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise Unavailable(f"there is no file {self.path}") from error
        except OSError as error:
            raise Refused(f"{self.path} can not be read (a link is not followed): {error}") from error
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_FILE:
                raise Refused(f"{self.path} is no regular file of at most {LONGEST_FILE} bytes")
            data = file.read(LONGEST_FILE)
        try:
            return data.decode("utf-8"), (found.st_ino, found.st_mtime_ns, found.st_size)
        except UnicodeDecodeError as error:
            raise Refused(f"{self.path} is no UTF-8 text") from error

    def _is_still(self, stamp: Stamp) -> None:
        if self._read()[1] != stamp:
            raise self._changed()

    def _changed(self) -> Unavailable:
        return Unavailable(f"{self.path} was changed by somebody else just now")

    def _write(self, handle: int, text: str) -> None:
        now = self.path.stat()
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), stat.S_IMODE(now.st_mode))
            with suppress(PermissionError):  # only root may give a file away; ours it is then
                os.fchown(file.fileno(), now.st_uid, now.st_gid)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def difference(name: str, old: str, new: str) -> str:
    """Show what would change, for people: a unified diff without secrets or hidden characters."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{name}", f"b/{name}", "", "", 2, "")
    text = "\n".join(
        "".join(each if is_visible(each) else "\ufffd" for each in _masked(line)) for line in lines
    )
    return text if len(text) <= LONGEST_PREVIEW else f"{text[:LONGEST_PREVIEW]}\n... and more"


def is_secret(name: str) -> bool:
    """Whether a value filed under this name would be one that must never be written down."""
    return bool(without_secrets({name: "x"}) != {name: "x"})


def _masked(line: str) -> str:
    match = _ASSIGNED.fullmatch(line)
    return f"{match['before']}***" if match and is_secret(match["name"]) else line


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
