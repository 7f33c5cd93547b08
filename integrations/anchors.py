"""Anchors: heads of the audit chain, kept where the keeper of the chain cannot rewrite them.

A chain that is kept by its own writer proves nothing against that writer, who can write it anew or cut its
end off (Schneier and Kelsey, ACM TISSEC 2, 1999, call what must be elsewhere the trusted machine). So from
time to time its head goes out: to a file in another place, to a branch of a git repository, one commit a
head, or to somebody who takes it by HTTP. What was written after the newest anchor can be cut off unseen; how
much that is depends on how often a head goes out.

    file:/mnt/worm/aitia-heads.jsonl       one line of JSON a head; best on a file system that only appends
    git:/srv/anchor.git                    a commit a head on refs/heads/aitia-audit; push or mirror it
    https://notary.example/heads           POST {"count", "head", "at"}; any 2xx means that it was taken

An anchor that does not answer is told of in the log and never holds up an incident.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from pydantic import ValidationError

from causal.errors import AitiaError, Malformed, MalformedSettings, Refused, Unavailable
from integrations.audit_chain import Head, Heads
from integrations.canonical import canonical_value
from integrations.git_repository import GitRepository
from integrations.ports import AuditEntry, AuditLog, AuditRow

log = structlog.get_logger()

ANCHORED = "audit.anchored"
BRANCH = "aitia-audit"
HTTP_SECONDS = 10.0
_HEAD_LENGTH = 64
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_LOCAL = {"127.0.0.1", "::1", "localhost"}


class Anchor(Protocol):
    """Keeps heads out of reach; ``name`` says where.

    `keep` returns once the head is kept, and keeping the same head again does no harm. It raises Refused or
    Unavailable, where trying again may help.
    """

    @property
    def name(self) -> str: ...

    def keep(self, head: Head) -> None: ...


@dataclass(frozen=True)
class FileAnchor:
    """An `Anchor`: a file that is only ever appended to."""

    path: Path

    @property
    def name(self) -> str:
        return f"file:{self.path}"

    def keep(self, head: Head) -> None:
        line = canonical_value(head) + b"\n"
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                # A line that a power cut left half written must not swallow this one.
                os.write(handle, (b"" if _ends_whole(handle) else b"\n") + line)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise Unavailable(f"the anchor {self.path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True)
class GitAnchor:
    """An `Anchor`: a commit a head, on a branch of its own; no work tree is touched."""

    path: Path

    @property
    def name(self) -> str:
        return f"git:{self.path}"

    @property
    def repository(self) -> GitRepository:
        return GitRepository(self.path, BRANCH)

    def keep(self, head: Head) -> None:
        git = self.repository
        try:
            git.ask("hash-object", "-t", "tree", "-w", "--stdin", text="")
            parent = git.run("rev-parse", "--verify", "--quiet", git.ref).out.strip()
            message = f"audit: {head.count} rows\n\n{canonical_value(head).decode()}\n"
            parents = ("-p", parent) if parent else ()
            commit = git.ask("commit-tree", _EMPTY_TREE, *parents, "-F", "-", text=message).strip()
            # Only if nobody was faster: no head is lost, and the next turn takes this one up.
            git.ask("update-ref", git.ref, commit, parent or "0" * 40)
        except Refused as error:
            raise Unavailable(f"the anchor {self.path} did not take the head: {error}") from error


@dataclass(frozen=True)
class HttpAnchor:
    """An `Anchor`: somebody who takes heads by POST; no redirect is followed."""

    url: str
    token_file: Path | None = None

    @property
    def name(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{parts.path}"

    def keep(self, head: Head) -> None:
        import httpx  # who only verifies has no need of it

        try:
            answer = httpx.post(
                self.url,
                content=canonical_value(head),
                headers={"Content-Type": "application/json", **self._authorization()},
                timeout=HTTP_SECONDS,
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"the anchor {self.name} did not answer: {type(error).__name__}") from error
        if not answer.is_success:
            raise Unavailable(f"the anchor {self.name} answered {answer.status_code}")

    def _authorization(self) -> dict[str, str]:
        if self.token_file is None:
            return {}
        try:
            return {"Authorization": f"Bearer {self.token_file.read_text(encoding='ascii').strip()}"}
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the token file of the anchor {self.name} cannot be read: {self.token_file}"
            ) from error


def read_anchors(specifications: Sequence[str], token_file: Path | None = None) -> tuple[Anchor, ...]:
    """Make anchors of what the settings name; MalformedSettings says what to write."""
    return tuple(_anchor(each.strip(), token_file) for each in specifications if each.strip())


def keep_head(log_: AuditLog, anchors: Sequence[Anchor], *, now: datetime) -> AuditRow | None:
    """Hand the head of the log to every anchor and write down who took it; None if there was nothing new.

    An anchor that fails is told of, in the row that this writes and in the program's own log.
    """
    last = log_.last()
    if not anchors or last is None or _is_settled(last, anchors):
        return None
    head = Head(count=last.seq, head=last.hash, at=now.isoformat(timespec="seconds"))
    failed = {anchor.name: reason for anchor in anchors if (reason := _failure(anchor, head))}
    kept = [anchor.name for anchor in anchors if anchor.name not in failed]
    return log_.append(
        AuditEntry(
            actor="learning agent",
            event=ANCHORED,
            summary=_said(head, kept, failed),
            facts={**head.model_dump(), "kept": kept, "failed": failed},
        )
    )


def read_heads(places: Sequence[str], *, as_of: datetime | None = None) -> Heads:
    """Read what was kept: heads themselves, files of them, or git repositories.

    A ``file:`` or ``git:`` before a path is optional. Those kept later than ``as_of`` are left out. Raises
    Malformed where a place holds no heads.
    """
    bare = [place for place in places if _is_head(place)]
    kept = [head for place in places if not _is_head(place) for head in _heads_in(place)]
    return Heads.of((head for head in kept if as_of is None or _moment(head) <= as_of), bare)


def _anchor(specification: str, token_file: Path | None) -> Anchor:
    scheme, _, rest = specification.partition(":")
    path = Path(rest)
    if scheme in {"file", "git"} and path.is_absolute():
        return FileAnchor(path) if scheme == "file" else GitAnchor(path)
    parts = urlsplit(specification)
    if scheme == "https" or (scheme == "http" and parts.hostname in _LOCAL):
        return HttpAnchor(specification, token_file)
    raise MalformedSettings(
        f"{specification!r} is no anchor; write file:/absolute/path, git:/absolute/path or https://…",
        where="audit_anchors",
    )


def _failure(anchor: Anchor, head: Head) -> str:
    try:
        anchor.keep(head)
    except AitiaError as error:
        log.warning("head not anchored", anchor=anchor.name, count=head.count, error=str(error))
        return str(error)
    return ""


def _is_settled(last: AuditRow, anchors: Sequence[Anchor]) -> bool:
    """Whether nothing was written since these anchors took the head before."""
    taken = last.entry.facts.get("kept", ())
    return last.entry.event == ANCHORED and all(anchor.name in taken for anchor in anchors)


def _said(head: Head, kept: Sequence[str], failed: dict[str, str]) -> str:
    took = f"{', '.join(kept) or 'nobody'} took the head of {head.count} rows"
    return took + (f"; {', '.join(failed)} did not" if failed else "")


def _is_head(text: str) -> bool:
    return len(text) == _HEAD_LENGTH and not set(text) - set("0123456789abcdef")


def _heads_in(place: str) -> list[Head]:
    path = Path(place.removeprefix("file:").removeprefix("git:"))
    if not place or not path.exists():
        raise Malformed(
            "is neither a head (64 hexadecimal digits in lower case) nor a file or a git repository of heads",
            where=f"--anchor {place}",
        )
    return _in_repository(path) if path.is_dir() else _in_file(path)


def _in_file(path: Path) -> list[Head]:
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise Malformed(f"cannot be read: {error.strerror}", where=str(path)) from error
    numbered = enumerate(lines, start=1)  # a line that a power cut left half written is none
    return [_head(line, f"{path}:{number}") for number, line in numbered if line.endswith(b"}\n")]


def _in_repository(path: Path) -> list[Head]:
    git = GitRepository(path, BRANCH)
    try:
        told = git.ask("log", "--first-parent", "-z", "--format=%b", git.ref)
    except Refused as error:
        raise Malformed(f"holds no branch {BRANCH} of heads: {error}", where=str(path)) from error
    return [_head(body.encode(), f"{path} ({BRANCH})") for body in told.split("\0") if body.strip()]


def _head(line: bytes, where: str) -> Head:
    try:
        return Head.model_validate(json.loads(line))
    except (ValueError, ValidationError) as error:
        raise Malformed("is no head of an audit log", where=where) from error


def _moment(head: Head) -> datetime:
    try:
        return datetime.fromisoformat(head.at)
    except ValueError as error:
        raise Malformed(f"the head of row {head.count} was kept at no known time", where="--as-of") from error


def _ends_whole(handle: int) -> bool:
    size = os.lseek(handle, 0, os.SEEK_END)
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"
