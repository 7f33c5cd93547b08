"""Who changed what, when: the commits of the named repositories, as changes that a diagnosis may blame.

Only the branch's own line counts, by commit time: a merge went live when it was merged, not when its parts
were written. A commit that touches files of several services is one change of each. The reverts that Aitia
itself makes are changes like any other (they may be what broke something); their title says whose they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from causal.errors import MalformedSettings, Refused, Unavailable
from causal.evidence import Change, Window
from integrations.connections import ReadConnections, RepositoryConnection
from integrations.git import STEP
from integrations.git_repository import Commit, GitRepository, printable

MOST_COMMITS = 500
MOST_FILES = 50


@dataclass(frozen=True)
class GitChanges:
    """A `ports.ChangeSource` over every repository that the connections name."""

    connections: ReadConnections

    def changes(self, window: Window) -> tuple[Change, ...]:
        found = [change for name, each in self._repositories() for change in _changes(name, each, window)]
        return tuple(sorted(found, key=lambda change: change.at))

    def _repositories(self) -> list[tuple[str, RepositoryConnection]]:
        try:
            return list(self.connections().repositories.items())
        except MalformedSettings as error:
            raise Unavailable(f"the connections can not be read: {error}") from error


def _changes(name: str, connection: RepositoryConnection, window: Window) -> Iterator[Change]:
    try:
        log = GitRepository(connection.path, connection.branch).log(most=MOST_COMMITS)
    except Refused as error:
        raise Unavailable(f"the changes of {name} can not be read: {error}") from error
    for commit in reversed(log):  # of one second, the order of the log is the order of events
        # git keeps whole seconds: a commit belongs to the window if any part of its second does
        if window.start - 1 < commit.at <= window.end:
            yield from _of_services(name, connection, commit)


def _of_services(name: str, connection: RepositoryConnection, commit: Commit) -> Iterator[Change]:
    files: dict[str | None, list[str]] = {}
    for file in commit.files:
        files.setdefault(connection.service_of(file), []).append(file)
    if len(files) > 1:
        files.pop(None, None)  # what belongs to nobody tells nothing beside what belongs to somebody
    for service, touched in sorted(files.items(), key=lambda each: each[0] or ""):
        yield Change(
            id=commit.id,
            kind=_kind(connection, touched),
            service=service,
            at=commit.at,
            repository=name,
            title=commit.title + (" (made by Aitia)" if STEP in commit.trailers else ""),
            author=commit.author,
            previous=commit.parents[0] if commit.parents else None,
            files=tuple(printable(file) for file in touched[:MOST_FILES]),
        )


def _kind(connection: RepositoryConnection, files: list[str]) -> Literal["config", "prompt"]:
    return "prompt" if all(connection.is_prompt(file) for file in files) else "config"
