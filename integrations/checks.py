"""Preconditions of playbooks: what must hold just before the first step, asked of the target itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, Field

from causal.errors import Refused
from integrations.connections import ReadConnections
from integrations.git import REVERTS, opened
from integrations.git_repository import GitRepository
from playbooks.places import RepositoryName
from playbooks.remedy import Written


class CommitParams(Written):
    """A commit; without a repository it is looked for in all of them."""

    repository: RepositoryName | None = None
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")


class RepositoryParams(Written):
    """A repository."""

    repository: RepositoryName


@dataclass(frozen=True)
class ChangeIsLatest:
    """Holds if nobody has touched the files of a commit since.

    A revert of this very commit that Aitia made does not count: after a crash the check is asked again.
    """

    name: ClassVar[str] = "change_is_latest"
    Params: ClassVar[type[BaseModel]] = CommitParams

    connections: ReadConnections

    def holds(self, params: CommitParams) -> str | None:
        try:
            repository = self._repository(params)
            full = repository.commit_called(params.commit)
            files = repository.log(full, most=1)[0].files
            later = repository.log(f"{full}..{repository.ref}", files=files) if files else ()
        except Refused as reason:
            return str(reason)
        others = [commit for commit in later if commit.trailers.get(REVERTS) != full]
        if not others:
            return None
        return f"{others[0].id[:12]} by {others[0].author} touched the same files after {params.commit[:12]}"

    def _repository(self, params: CommitParams) -> GitRepository:
        if params.repository is not None:
            return opened(self.connections, params.repository)
        known = [opened(self.connections, name) for name in self.connections().repositories]
        holding = [
            each for each in known if each.run("cat-file", "-e", f"{params.commit}^{{commit}}").code == 0
        ]
        if len(holding) != 1:
            raise Refused(
                f"{len(holding)} repositories hold {params.commit[:12]}; name the one that is meant"
            )
        return holding[0]


@dataclass(frozen=True)
class RepositoryClean:
    """Holds if the work tree shows its branch and no tracked file differs from it."""

    name: ClassVar[str] = "repository_clean"
    Params: ClassVar[type[BaseModel]] = RepositoryParams

    connections: ReadConnections

    def holds(self, params: RepositoryParams) -> str | None:
        try:
            repository = opened(self.connections, params.repository)
            repository.check_out_is_ours()
            dirty = repository.dirty()
        except Refused as reason:
            return str(reason)
        return str(repository.unclean(dirty)) if dirty else None
