"""What the clients of all forges share: one project, one deadline, and what the answers mean.

A 401 or a plain 403 is a matter of rights and refused; a 403 or 429 that speaks of a rate limit, by
``Retry-After`` or by ``X-RateLimit-Remaining: 0``, was not taken up and may be tried again; a 409, and
GitHub's 422, say that something is there already. After a 5xx nothing is known about a write.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from causal.errors import Conflict, NotFound, Refused, Unavailable, UnknownEffect
from causal.evidence import Fact
from integrations.connections import ForgeConnection
from integrations.http_wire import Answer, Request, Server, lost, send, token_of

LONGEST_ANSWER = 4 * 1024 * 1024


class Pull(Fact):
    """A pull request (a merge request, as GitLab says)."""

    number: int
    state: Literal["open", "closed", "merged"]
    branch: str
    url: str = ""


@dataclass(frozen=True)
class FileChange:
    """One file of a commit: its new content, None if it goes; ``blob`` is what stood there, None if new."""

    path: str
    content: bytes | None
    blob: str | None
    mode: str = "100644"


@dataclass(frozen=True)
class Proposal:
    """A change to be proposed: from ``head``, the newest commit of ``base``, on a ``branch`` of its own."""

    base: str
    head: str
    branch: str
    title: str
    message: str
    body: str
    files: tuple[FileChange, ...]


@dataclass(frozen=True)
class ForgeClient:
    """Requests about one project."""

    server: Server
    project: str
    deadline: float

    @classmethod
    def of(cls, connection: ForgeConnection, seconds: float) -> ForgeClient:
        token = token_of(connection.token_file)
        headers = {
            "github": {
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            "gitlab": {"PRIVATE-TOKEN": token, "Accept": "application/json"},
            "gitea": {"Authorization": f"token {token}", "Accept": "application/json"},
        }[connection.kind]
        server = Server(connection.base_url, headers, token, connection.private, LONGEST_ANSWER)
        return cls(server, connection.project, time.monotonic() + seconds)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask, and return the value of the answer (None if it is empty)."""
        request = Request(method, path, body)
        answer = send(self.server, request, self.deadline)
        if not answer.is_good:
            raise _error(request, answer)
        return answer.json() if answer.body.strip() else None

    def look(self, path: str) -> Any:
        """Ask for something that may not be there: None if so."""
        try:
            return self.ask("GET", path)
        except NotFound:
            return None


class Forge(ABC):
    """What is asked of a forge; every name in a path is percent-encoded."""

    def __init__(self, client: ForgeClient) -> None:
        self.client = client

    @abstractmethod
    def head(self, branch: str) -> str | None:
        """Return the newest commit of a branch, None if there is no such branch."""

    @abstractmethod
    def make_branch(self, proposal: Proposal) -> None:
        """Make the branch with its one commit; Conflict if there is such a branch."""

    @abstractmethod
    def open_pull(self, proposal: Proposal) -> Pull:
        """Open the pull request; Conflict if there is one from this branch."""

    @abstractmethod
    def pull_of(self, branch: str, base: str) -> Pull | None:
        """Return the newest pull request from a branch, whatever became of it."""

    @abstractmethod
    def pull(self, number: int) -> Pull:
        """Return a pull request by its number."""

    @abstractmethod
    def close(self, number: int) -> None:
        """Close a pull request without merging it."""

    @abstractmethod
    def delete_branch(self, branch: str) -> None:
        """Take a branch away."""


def segment(name: str) -> str:
    """Percent-encode a name for one segment of a path, its slashes too."""
    return quote(name, safe="")


def field(value: object, *names: str) -> str:
    """Return a text from within an answer; UnknownEffect if the answer does not hold it."""
    found: object = value
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(found, str):
        raise UnknownEffect(f"the forge's answer holds no {'.'.join(names)}")
    return found


def _error(request: Request, answer: Answer) -> Exception:
    says = f"{request.method} {answer.url} answered {answer.status}: {answer.excerpt}"
    match answer.status:
        case 401:
            return Refused(f"the forge does not know the token: {says}")
        case 403 | 429 if (wait := _wait(answer)) is not None:
            return Unavailable(f"the forge's rate limit is reached{wait}: {says}")
        case 429:
            return Unavailable(says)
        case 404:
            return NotFound(f"{says} (a token without the right to see it is answered so, too)")
        case 409 | 422:
            return Conflict(says)
        case status if status >= 500:  # noqa: PLR2004  the server's own failures
            return lost(request, answer.url, f"answered {answer.status}: {answer.excerpt}")
    return Refused(says)


def _wait(answer: Answer) -> str | None:
    """Say how long to wait, None where the answer speaks of no rate limit."""
    after = answer.headers.get("retry-after", "")
    if after.isdecimal():
        return f", in {after} s it may be tried again"
    return "" if answer.headers.get("x-ratelimit-remaining") == "0" else None
