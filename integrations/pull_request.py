"""``git.pull_request``: to take back a commit is proposed on a forge, and people decide; the undo withdraws.

Nothing goes live by this step. The branch is named after the key of the step, so the forge itself tells
whether the step took effect, and whatever a crash left half done (a branch without a pull request) is carried
on, not done twice. The commit is built from the connection's own clone, and only while that clone stands
where the forge's branch stands: what the approver saw is what is proposed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel, Field

from causal.errors import Conflict, NotFound, Refused
from integrations.connections import ForgeConnection, ReadConnections, forge_named
from integrations.forge import FileChange, Forge, Proposal, Pull, forge_of
from integrations.git import one_that_can_be_taken_back, reverting
from integrations.git_commit import diff_of, fit_for_a_trailer, opened, readable
from integrations.git_repository import Commit, GitRepository, printable
from integrations.ports import Effect
from playbooks.lookups import is_visible
from playbooks.places import Names
from playbooks.remedy import Written

ForgeName = Annotated[str, Names("forges")]
LOOK_SECONDS = 20.0
MOST_FILES, LONGEST_FILE = 100, 1024 * 1024
_BRANCH = "aitia-revert-"
_REGULAR, _NO_MODE = "100644", "000000"
_PLAIN = {_REGULAR, "100755", _NO_MODE}


class PullRequestParams(Written):
    """The commit whose taking back is proposed, on which forge."""

    forge: ForgeName
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")


class ClosePullRequestParams(Written):
    """A pull request as `PullRequest` reports it."""

    forge: ForgeName
    number: int = Field(ge=1)
    branch: str = Field(pattern=rf"^{_BRANCH}[0-9a-f-]+$")
    commit: str = Field(pattern=r"^[0-9a-f]{40}$")


@dataclass(frozen=True)
class PullRequest:
    """Propose to take back a commit."""

    name: ClassVar[str] = "git.pull_request"
    Params: ClassVar[type[BaseModel]] = PullRequestParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"forge", "number", "branch", "commit", "url"})

    connections: ReadConnections

    def target(self, params: PullRequestParams) -> str:
        return f"forge:{params.forge}"

    def preview(self, params: PullRequestParams) -> str:
        connection, repository, commit = self._about(params)
        title = (
            f"open a pull request on {connection.kind} {connection.project}, to {repository.branch}: "
            f"{_title(commit)}"
        )
        return readable(f"{title}\n\n{diff_of(repository, reverting(repository, commit))}")

    def observe(self, params: PullRequestParams, *, key: str) -> Effect | None:
        connection, repository, commit = self._about(params)
        forge = forge_of(connection, LOOK_SECONDS)
        branch = _branch(commit, key)
        pull = forge.pull_of(branch, repository.branch)
        return None if pull is None else _effect(params, pull, forge.head(branch) or _GONE)

    def execute(self, params: PullRequestParams, *, key: str, timeout: float) -> Effect:
        fit_for_a_trailer(key)
        connection, repository, commit = self._about(params)
        forge = forge_of(connection, timeout)
        proposal = _proposal(repository, commit, key)
        pull = forge.pull_of(proposal.branch, proposal.base)
        if pull is None:
            _make_branch(forge, proposal, connection)
            pull = _open(forge, proposal)
        return _effect(params, pull, forge.head(proposal.branch) or _GONE)

    def _about(self, params: PullRequestParams) -> tuple[ForgeConnection, GitRepository, Commit]:
        connection = forge_named(self.connections, params.forge)
        repository = opened(self.connections, connection.repository)
        commit = one_that_can_be_taken_back(repository, params.commit, connection.repository)
        return connection, repository, commit


_GONE = "0" * 40


@dataclass(frozen=True)
class PullRequestClose:
    """Withdraw a pull request that `PullRequest` opened: close it and take its branch away.

    Conflict if it was merged meanwhile, or somebody else has put commits on its branch.
    """

    name: ClassVar[str] = "git.pull_request_close"
    Params: ClassVar[type[BaseModel]] = ClosePullRequestParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"forge", "number"})

    connections: ReadConnections

    def target(self, params: ClosePullRequestParams) -> str:
        return f"forge:{params.forge}"

    def preview(self, params: ClosePullRequestParams) -> str:
        pull = self._pull(self._forge(params, LOOK_SECONDS), params)
        return f"close pull request {pull.number} ({pull.state} now) and delete its branch {params.branch}"

    def observe(self, params: ClosePullRequestParams, *, key: str) -> Effect | None:
        del key  # withdrawn is withdrawn, whoever did it
        forge = self._forge(params, LOOK_SECONDS)
        pull = self._pull(forge, params)
        return _withdrawn(params) if pull.state == "closed" and forge.head(params.branch) is None else None

    def execute(self, params: ClosePullRequestParams, *, key: str, timeout: float) -> Effect:
        del key
        forge = self._forge(params, timeout)
        pull = self._pull(forge, params)
        if pull.state == "merged":
            raise Conflict(f"pull request {pull.number} was merged; to take that back is a new change")
        head = forge.head(params.branch)
        if head not in {None, params.commit}:
            raise Conflict(f"somebody else has put commits on {params.branch}; it is left as it is")
        if pull.state == "open":
            forge.close(pull.number)
        if head is not None:
            forge.delete_branch(params.branch)
        return _withdrawn(params)

    def _forge(self, params: ClosePullRequestParams, seconds: float) -> Forge:
        return forge_of(forge_named(self.connections, params.forge), seconds)

    def _pull(self, forge: Forge, params: ClosePullRequestParams) -> Pull:
        pull = forge.pull(params.number)
        if pull.branch != params.branch:
            raise Refused(f"pull request {params.number} comes from {pull.branch}, not from {params.branch}")
        return pull


def _make_branch(forge: Forge, proposal: Proposal, connection: ForgeConnection) -> None:
    """Make the branch, unless an earlier try of this step has made it."""
    if forge.head(proposal.branch) is not None:
        return
    head = forge.head(proposal.base)
    if head is None:
        raise Refused(f"{connection.project} has no branch {proposal.base}")
    if head != proposal.head:
        raise Refused(
            f"the clone {connection.repository} is at {proposal.head[:12]} and {connection.project} at "
            f"{head[:12]}: bring the clone up to date first"
        )
    try:
        forge.make_branch(proposal)
    except Conflict:
        if forge.head(proposal.branch) is None:
            raise


def _open(forge: Forge, proposal: Proposal) -> Pull:
    try:
        return forge.open_pull(proposal)
    except Conflict as error:
        if (pull := forge.pull_of(proposal.branch, proposal.base)) is not None:
            return pull
        raise Refused(str(error)) from error
    except NotFound as error:
        raise Refused(str(error)) from error


def _branch(commit: Commit, key: str) -> str:
    return f"{_BRANCH}{commit.id[:10]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _title(commit: Commit) -> str:
    return f'Revert "{_visible(commit.title)[:150]}"'


def _visible(text: str) -> str:
    return "".join(filter(is_visible, text))


def _proposal(repository: GitRepository, commit: Commit, key: str) -> Proposal:
    head, new = repository.head(), reverting(repository, commit)
    incident = key.split("/", maxsplit=1)[0]
    blamed = _visible(commit.title).replace("`", "'")  # in a code span nobody is mentioned and nothing linked
    return Proposal(
        base=repository.branch,
        head=head,
        branch=_branch(commit, key),
        title=_title(commit),
        message=new.message(key),
        body=f"Commit {commit.id} (`{blamed}`) is blamed for incident {incident}. This takes it back.\n\n"
        f"Proposed by Aitia, step `{key}`.",
        files=tuple(_changes(repository, commit, head)),
    )


def _changes(repository: GitRepository, commit: Commit, head: str) -> Iterator[FileChange]:
    new = reverting(repository, commit)
    with repository.scratch_index(head, keep=False) as env:
        tree = new.tree(head, env)
        raw = repository.ask("diff-tree", "-r", "-z", "--no-renames", head, tree, env=env).split("\0")
        pairs = list(zip(raw[0:-1:2], raw[1::2], strict=True))
        if not 0 < len(pairs) <= MOST_FILES:
            raise Refused(f"{len(pairs)} files would change; 1 to {MOST_FILES} can be proposed")
        for entry, path in pairs:
            old_mode, new_mode, old, _, kind = entry.removeprefix(":").split()
            expected = {"A": _REGULAR, "D": _NO_MODE}.get(kind, old_mode)
            if new_mode != expected or not {old_mode, new_mode} <= _PLAIN:
                raise Refused(f"{printable(path)} is no plain file, or its mode would change: do it by hand")
            content = None if kind == "D" else _content(repository, f"{tree}:{path}", env)
            yield FileChange(path, content, None if kind == "A" else old, mode=new_mode)


def _content(repository: GitRepository, name: str, env: dict[str, str]) -> bytes:
    content = repository.ask("cat-file", "blob", name, env=env).encode(errors="surrogateescape")
    if len(content) > LONGEST_FILE:
        raise Refused(f"{printable(name)} has more than {LONGEST_FILE} bytes")
    return content


def _effect(params: PullRequestParams, pull: Pull, commit: str) -> Effect:
    return Effect(
        says=f"pull request {pull.number} is {pull.state}: {_visible(pull.url)}",
        facts={
            "forge": params.forge,
            "number": pull.number,
            "branch": pull.branch,
            "commit": commit,
            "url": _visible(pull.url),
        },
    )


def _withdrawn(params: ClosePullRequestParams) -> Effect:
    return Effect(
        says=f"pull request {params.number} is withdrawn, its branch is gone",
        facts={"forge": params.forge, "number": params.number},
    )
