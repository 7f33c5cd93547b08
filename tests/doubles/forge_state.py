"""What a forge holds: branches, commits, pull requests; and a request as it arrives there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

PROJECT = "acme/shop-config"
TOKEN = "glpat-made-up-0000"
Kind = Literal["github", "gitlab", "gitea"]
Files = Mapping[str, bytes]
Route = Callable[["ForgeDouble", "Call"], tuple[int, Any]]
PREFIX = {"github": "", "gitlab": "/api/v4", "gitea": "/api/v1"}


class Refusal(Exception):
    """The forge says no."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, dict(headers or {})


@dataclass(frozen=True)
class Call:
    """A request as it arrived: its path without the prefix, what the route's groups matched, its query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    found: Mapping[str, str] = field(default_factory=dict)

    def need(self, *names: str) -> list[Any]:
        """The required fields of a body; a documented error names the first that is missing."""
        for name in names:
            if not isinstance(self.body, dict) or self.body.get(name) in (None, ""):
                raise Refusal(422, {"message": f'Invalid request.\n\n"{name}" wasn\'t supplied.'})
        return [self.body[name] for name in names]


@dataclass(frozen=True)
class Commit:
    """A commit: what all files are, and what came before."""

    files: Files
    message: str
    parents: tuple[str, ...] = ()


@dataclass
class PullRequest:
    """A pull request."""

    number: int
    title: str
    body: str
    branch: str
    base: str
    state: str = "open"


@dataclass
class ForgeDouble:
    """The state, and how to misbehave: ``lose`` drops the answer to a request after acting on it, once."""

    kind: Kind
    port: int = 0
    branches: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    trees: dict[str, dict[str, bytes]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    pulls: list[PullRequest] = field(default_factory=list)
    asked: list[Call] = field(default_factory=list)
    lose: str = ""
    limited: Mapping[str, str] | None = None
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX[self.kind]}"

    def files(self, branch: str) -> Files:
        return self.commits[self.branches[branch]].files

    def begin(self, branch: str, commit: str, files: Files) -> None:
        """Make a branch as a push would."""
        self.commits[commit] = Commit(files, "pushed")
        self.branches[branch] = commit

    def commit(self, files: Files, message: str, parents: tuple[str, ...]) -> str:
        name = hashlib.sha1(repr((sorted(files.items()), message, parents)).encode()).hexdigest()  # noqa: S324
        self.commits[name] = Commit(files, message, parents)
        return name

    def pull(self, number: str) -> PullRequest:
        if not 0 < int(number) <= len(self.pulls):
            raise Refusal(404, {"message": "Not Found"})
        return self.pulls[int(number) - 1]

    def open_pull(self, title: str, branch: str, base: str, body: str, exists: Refusal) -> PullRequest:
        if any(each.branch == branch and each.state == "open" for each in self.pulls):
            raise exists
        if branch not in self.branches or base not in self.branches:
            raise Refusal(
                422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]}
            )
        self.pulls.append(PullRequest(len(self.pulls) + 1, title, body, branch, base))
        return self.pulls[-1]


def blob_name(content: bytes) -> str:
    """The name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324
