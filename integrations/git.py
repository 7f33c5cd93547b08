"""Going back: ``git.revert`` takes back a commit, ``git.checkout_path`` puts back a path as it once was.

Both make a new commit, history stays (`git_commit`); ``git.revert_revert`` takes back such a commit, and no
other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, Field

from causal.errors import Refused
from integrations.connections import ReadConnections
from integrations.git_commit import (
    REVERTS,
    STEP,
    Environment,
    NewCommit,
    commit_of_branch,
    diff_of,
    fit_for_a_trailer,
    found,
    make,
    opened,
    readable,
)
from integrations.git_repository import Commit, GitRepository, printable
from integrations.ports import Effect
from playbooks.places import FilePath, RepositoryName
from playbooks.remedy import Written

__all__ = ["REVERTS", "STEP", "GitCheckoutPath", "GitRevert", "GitRevertRevert", "RevertParams", "opened"]

_NO_FILE = "0" * 40


class RevertParams(Written):
    """Which commit of which repository."""

    repository: RepositoryName
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")


def _below_the_top(path: str) -> str:
    parts = path.split("/")
    if not path or "\0" in path or {"", ".", ".."} & set(parts) or parts[0].lower() == ".git":
        raise ValueError(
            "is a path below the top of the work tree, without a leading or doubled / and . or .."
        )
    return path


class CheckoutParams(Written):
    """Which path (a file or a folder) of which repository, and the commit to which it goes back."""

    repository: RepositoryName
    path: Annotated[FilePath, AfterValidator(_below_the_top)]
    commit: str = Field(pattern=r"^[0-9a-f]{7,40}$")


@dataclass(frozen=True)
class GitRevert:
    """Take back a commit by a new one on the branch that is checked out."""

    name: ClassVar[str] = "git.revert"
    Params: ClassVar[type[BaseModel]] = RevertParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"commit", "reverted", "repository"})

    connections: ReadConnections

    def target(self, params: RevertParams) -> str:
        return f"repository:{params.repository}"

    def preview(self, params: RevertParams) -> str:
        repository = opened(self.connections, params.repository)
        commit = self._commit(repository, params)
        title = f"revert {commit.id[:12]} ({commit.title}) on {repository.branch} of {params.repository}"
        return readable(f"{title}\n\n{diff_of(repository, reverting(repository, commit))}")

    def observe(self, params: RevertParams, *, key: str) -> Effect | None:
        made = found(opened(self.connections, params.repository), key)
        return None if made is None else _effect(params, made.id, made.trailers.get(REVERTS, params.commit))

    def execute(self, params: RevertParams, *, key: str, timeout: float) -> Effect:
        fit_for_a_trailer(key)
        repository = opened(self.connections, params.repository)
        with repository.locked(timeout) as lock:
            if (effect := self.observe(params, key=key)) is not None:
                return effect
            made = make(
                repository,
                lambda: reverting(repository, self._commit(repository, params)),
                key,
                lock=lock,
                seconds=timeout,
            )
        return _effect(params, made, self._commit(repository, params).id)

    def _commit(self, repository: GitRepository, params: RevertParams) -> Commit:
        return one_that_can_be_taken_back(repository, params.commit, params.repository)


@dataclass(frozen=True)
class GitRevertRevert(GitRevert):
    """Take back a commit that a step of Aitia made; the commit to name is the one that the step reported."""

    name: ClassVar[str] = "git.revert_revert"

    def _commit(self, repository: GitRepository, params: RevertParams) -> Commit:
        commit = super()._commit(repository, params)
        if STEP not in commit.trailers:
            raise Refused(f"{params.commit} was not made by a step of Aitia, so it is not undone as one")
        return commit


@dataclass(frozen=True)
class GitCheckoutPath:
    """Put a path back to what it was at a commit, by a new commit; all else stays as it is now."""

    name: ClassVar[str] = "git.checkout_path"
    Params: ClassVar[type[BaseModel]] = CheckoutParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"commit", "path", "repository"})

    connections: ReadConnections

    def target(self, params: CheckoutParams) -> str:
        return f"repository:{params.repository}"

    def preview(self, params: CheckoutParams) -> str:
        repository = opened(self.connections, params.repository)
        new = going_back(repository, params)
        return readable(f"{new.title}, on {repository.branch}\n\n{diff_of(repository, new)}")

    def observe(self, params: CheckoutParams, *, key: str) -> Effect | None:
        made = found(opened(self.connections, params.repository), key)
        return None if made is None else _went_back(params, made.id)

    def execute(self, params: CheckoutParams, *, key: str, timeout: float) -> Effect:
        fit_for_a_trailer(key)
        repository = opened(self.connections, params.repository)
        with repository.locked(timeout) as lock:
            if (effect := self.observe(params, key=key)) is not None:
                return effect
            made = make(repository, lambda: going_back(repository, params), key, lock=lock, seconds=timeout)
        return _went_back(params, made)


def one_that_can_be_taken_back(repository: GitRepository, name: str, called: str) -> Commit:
    """Return a commit with exactly one parent; Refused for any other."""
    commit = commit_of_branch(repository, name, called)
    if len(commit.parents) > 1:
        raise Refused(f"{name} is a merge; which side to keep is a human's choice")
    if not commit.parents:
        raise Refused(f"{name} is the first commit; there is nothing before it")
    return commit


def reverting(repository: GitRepository, commit: Commit) -> NewCommit:
    """The commit that takes another one back."""

    def tree(head: str, env: Environment) -> str:
        del head
        return _tree_without(repository, commit, env)

    return NewCommit(
        title=f'Revert "{commit.title}"',
        body=f"This takes back commit {commit.id}.",
        tree=tree,
        trailers={REVERTS: commit.id},
    )


def _tree_without(repository: GitRepository, commit: Commit, env: Environment) -> str:
    """Return the tree of the index in ``env`` with the changes of ``commit`` taken out."""
    patch = repository.ask(
        "diff-tree", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv",
        commit.id, f"{commit.id}^",
    )  # fmt: skip
    if not patch:
        raise Refused(f"{commit.id[:12]} changes no file")
    ran = repository.run("apply", "--cached", "--3way", "--whitespace=nowarn", "-", text=patch, env=env)
    if ran.code != 0:
        raise Refused(f"{commit.id[:12]} can not be taken back without conflicts: {ran.why}")
    return repository.ask("write-tree", env=env).strip()


def going_back(repository: GitRepository, params: CheckoutParams) -> NewCommit:
    commit = commit_of_branch(repository, params.commit, params.repository)

    def tree(head: str, env: Environment) -> str:
        then, now = (_entries(repository, each, params.path) for each in (commit.id, head))
        if not then:
            raise Refused(f"there was no {params.path} at {commit.id[:12]}; to remove it is a human's choice")
        gone = "".join(f"0 {_NO_FILE}\t{name}\0" for name in now)
        there = "".join(f"{entry}\t{name}\0" for name, entry in then.items())
        repository.ask("update-index", "-z", "--index-info", text=gone + there, env=env)
        return repository.ask("write-tree", env=env).strip()

    return NewCommit(
        title=f"Put {printable(params.path)} back to {commit.id[:12]}",
        body=f'That is how it was at commit {commit.id} ("{_one_line(commit.title)}").',
        tree=tree,
    )


def _entries(repository: GitRepository, commit: str, path: str) -> dict[str, str]:
    """Return the files of a commit at or below a path: how the index writes each, by name."""
    listed = repository.ask("ls-tree", "-r", "-z", "--full-tree", commit, "--", path)
    pairs = (each.split("\t", maxsplit=1) for each in listed.split("\0") if each)
    return {name: entry for entry, name in pairs}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _effect(params: RevertParams, made: str, reverted: str) -> Effect:
    return Effect(
        says=f"commit {made[:12]} takes back {reverted[:12]} in {params.repository}",
        facts={"commit": made, "reverted": reverted, "repository": params.repository},
    )


def _went_back(params: CheckoutParams, made: str) -> Effect:
    return Effect(
        says=f"commit {made[:12]} puts {params.path} of {params.repository} back to {params.commit[:12]}",
        facts={"commit": made, "path": params.path, "repository": params.repository},
    )
