"""Taking back a commit: ``git.revert``, and ``git.revert_revert`` that undoes it.

The reverting commit is built beside the work tree first (an index of its own, a three-way apply of the
inverse patch), so a conflict is known before anything changes, and the approver sees the very diff. Only then
the branch is moved to it, fast-forward, in a work tree that must be clean. The commit carries the key of its
step as a trailer: the branch's own log tells whether a step took effect, whoever was killed when. `git_move`
says what happens when everything is killed in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, Field

from causal.errors import Refused
from integrations.connections import ReadConnections, repository_named
from integrations.git_move import Move
from integrations.git_repository import Commit, GitRepository
from integrations.ports import Effect
from playbooks.lookups import is_visible
from playbooks.remedy import Written

STEP, INCIDENT, REVERTS = "Aitia-Step", "Aitia-Incident", "Aitia-Reverts"
LONGEST_PREVIEW = 8000


class RevertParams(Written):
    """Which commit of which repository."""

    repository: str
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")


@dataclass(frozen=True)
class GitRevert:
    """Take back a commit by a new one on the branch that is checked out."""

    name: ClassVar[str] = "git.revert"
    Params: ClassVar[type[BaseModel]] = RevertParams
    mutates: ClassVar[bool] = True

    connections: ReadConnections

    def target(self, params: RevertParams) -> str:
        return f"repository:{params.repository}"

    def preview(self, params: RevertParams) -> str:
        repository = opened(self.connections, params.repository)
        commit = self._commit(repository, params)
        head = repository.head()
        with repository.scratch_index(head, keep=False) as env:
            tree = _tree_without(repository, commit, head, env)
            diff = repository.ask("diff-tree", "-p", "--no-renames", "--no-ext-diff", head, tree, env=env)
        title = f"revert {commit.id[:12]} ({commit.title}) on {repository.branch} of {params.repository}"
        return _readable(f"{title}\n\n{diff}")

    def observe(self, params: RevertParams, *, key: str) -> Effect | None:
        return _found(opened(self.connections, params.repository), params, key)

    def execute(self, params: RevertParams, *, key: str, timeout: float) -> Effect:
        if not is_visible(key):
            raise Refused(f"the key {key!r} holds control characters")
        repository = opened(self.connections, params.repository)
        with repository.locked(timeout) as lock:
            if (effect := _found(repository, params, key)) is not None:
                return effect
            repository.check_out_is_ours()
            new = self._moved(repository, params, Move(repository, key, lock, timeout))
        return _effect(params, new, self._commit(repository, params).id)

    def _moved(self, repository: GitRepository, params: RevertParams, move: Move) -> str:
        """Move the branch to the reverting commit, and return that."""
        if (new := move.interrupted()) is not None:
            move.complete(new)
            return new
        commit, head = self._commit(repository, params), repository.head()
        if dirty := repository.dirty():
            raise repository.unclean(dirty)
        with repository.scratch_index(head, keep=True) as env:
            tree = _tree_without(repository, commit, head, env)
        new = repository.ask("commit-tree", tree, "-p", head, text=_message(commit, move.key)).strip()
        move.begin(new)
        return new

    def _commit(self, repository: GitRepository, params: RevertParams) -> Commit:
        full = repository.commit_called(params.commit)
        if not repository.holds(full):
            raise Refused(f"{params.commit} is not part of {repository.branch} in {params.repository}")
        (commit,) = repository.log(full, most=1)
        if len(commit.parents) > 1:
            raise Refused(f"{params.commit} is a merge; which side to keep is a human's choice")
        if not commit.parents:
            raise Refused(f"{params.commit} is the first commit; there is nothing before it")
        return commit


@dataclass(frozen=True)
class GitRevertRevert(GitRevert):
    """Put back a commit that `GitRevert` took back; the commit to name is the one that `GitRevert` made."""

    name: ClassVar[str] = "git.revert_revert"

    def _commit(self, repository: GitRepository, params: RevertParams) -> Commit:
        commit = super()._commit(repository, params)
        if STEP not in commit.trailers:
            raise Refused(f"{params.commit} was not made by a step of Aitia, so it is not undone as one")
        return commit


def opened(connections: ReadConnections, name: str) -> GitRepository:
    """Return the repository of this name; Refused if there is none."""
    connection = repository_named(connections, name)
    return GitRepository(connection.path, connection.branch)


def _tree_without(repository: GitRepository, commit: Commit, head: str, env: dict[str, str]) -> str:
    """Return the tree of ``head`` with the changes of ``commit`` taken out."""
    patch = repository.ask(
        "diff-tree", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv",
        commit.id, f"{commit.id}^",
    )  # fmt: skip
    if not patch:
        raise Refused(f"{commit.id[:12]} changes no file")
    ran = repository.run("apply", "--cached", "--3way", "--whitespace=nowarn", "-", text=patch, env=env)
    if ran.code != 0:
        raise Refused(f"{commit.id[:12]} can not be taken back without conflicts: {ran.why}")
    tree = repository.ask("write-tree", env=env).strip()
    if tree == repository.ask("rev-parse", f"{head}^{{tree}}").strip():
        raise Refused(f"{commit.id[:12]} has been taken back already: nothing would change")
    return tree


def _message(commit: Commit, key: str) -> str:
    title = "".join(letter for letter in commit.title if is_visible(letter))
    return (
        f'Revert "{title}"\n\nThis takes back commit {commit.id}.\n\n'
        f"{STEP}: {key}\n{INCIDENT}: {key.split('/', maxsplit=1)[0]}\n{REVERTS}: {commit.id}\n"
    )


def _found(repository: GitRepository, params: RevertParams, key: str) -> Effect | None:
    for commit in repository.log():
        if commit.trailers.get(STEP) == key:
            return _effect(params, commit.id, commit.trailers.get(REVERTS, params.commit))
    return None


def _effect(params: RevertParams, made: str, reverted: str) -> Effect:
    return Effect(
        says=f"commit {made[:12]} takes back {reverted[:12]} in {params.repository}",
        facts={"commit": made, "reverted": reverted, "repository": params.repository},
    )


def _readable(text: str) -> str:
    """Keep what a person can see, and no more than a person will read."""
    clean = "".join(letter if letter in "\n\t" or is_visible(letter) else "\ufffd" for letter in text)
    if len(clean) <= LONGEST_PREVIEW:
        return clean
    kept = clean[:LONGEST_PREVIEW].rpartition("\n")[0]
    return f"{kept}\n... and {clean.count(chr(10)) - kept.count(chr(10))} more lines"
