"""A commit of Aitia's on a branch that is checked out: shown, found again by its key, and made once.

What the commit changes is built beside the work tree first (an index of its own), so whatever keeps it from
being made is known before anything changes, and the approver sees the very diff. Only then the branch is
moved to it, fast-forward, in a work tree that must be clean. The commit carries the key of its step as a
trailer: the branch's own log tells whether a step took effect, whoever was killed when. `git_move` says what
happens when everything is killed in the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from causal.errors import Refused
from integrations.connections import ReadConnections, repository_named
from integrations.git_move import Move
from integrations.git_repository import Commit, GitRepository
from playbooks.lookups import is_visible

STEP, INCIDENT, REVERTS = "Aitia-Step", "Aitia-Incident", "Aitia-Reverts"
LONGEST_PREVIEW = 8000
Environment = Mapping[str, str]
# Builds a tree from the branch's newest commit, within the environment of an index that holds that commit.
BuildTree = Callable[[str, Environment], str]


@dataclass(frozen=True)
class NewCommit:
    """A commit to be made: its message without our trailers, what else it tells, and what it holds."""

    title: str
    body: str
    tree: BuildTree
    trailers: Mapping[str, str] = field(default_factory=dict)

    def message(self, key: str) -> str:
        """Return the whole message; what other people wrote can neither end its line nor become a trailer."""
        title, body = ("".join(filter(is_visible, text)) for text in (self.title, self.body))
        trailers = {STEP: key, INCIDENT: key.split("/", maxsplit=1)[0], **self.trailers}
        return f"{title}\n\n{body}\n\n" + "".join(f"{name}: {each}\n" for name, each in trailers.items())


def opened(connections: ReadConnections, name: str) -> GitRepository:
    """Return the repository of this name; Refused if there is none."""
    connection = repository_named(connections, name)
    return GitRepository(connection.path, connection.branch)


def diff_of(repository: GitRepository, new: NewCommit) -> str:
    """Return what the commit would change; nothing stays in the repository."""
    head = repository.head()
    with repository.scratch_index(head, keep=False) as env:
        tree = _tree(repository, new, head, env)
        return repository.ask("diff-tree", "-p", "--no-renames", "--no-ext-diff", head, tree, env=env)


def found(repository: GitRepository, key: str) -> Commit | None:
    """Return the commit that a step with this key made."""
    return next((commit for commit in repository.log() if commit.trailers.get(STEP) == key), None)


def make(
    repository: GitRepository, build: Callable[[], NewCommit], key: str, *, lock: int, seconds: float
) -> str:
    """Make the commit, or complete one that was interrupted, and return it; the caller holds the lock."""
    repository.check_out_is_ours()
    move = Move(repository, key, lock, seconds)
    if (interrupted := move.interrupted()) is not None:
        move.complete(interrupted)
        return interrupted
    new, head = build(), repository.head()
    if dirty := repository.dirty():
        raise repository.unclean(dirty)
    with repository.scratch_index(head, keep=True) as env:
        tree = _tree(repository, new, head, env)
    made = repository.ask("commit-tree", tree, "-p", head, text=new.message(key)).strip()
    move.begin(made)
    return made


def fit_for_a_trailer(key: str) -> None:
    """Refuse a key that could end its line."""
    if not is_visible(key):
        raise Refused(f"the key {key!r} holds control characters")


def commit_of_branch(repository: GitRepository, name: str, called: str) -> Commit:
    """Return a commit by its hash; Refused if the branch of the repository ``called`` so has none such."""
    full = repository.commit_called(name)
    if not repository.holds(full):
        raise Refused(f"{name} is not part of {repository.branch} in {called}")
    (commit,) = repository.log(full, most=1)
    return commit


def readable(text: str) -> str:
    """Keep what a person can see, and no more than a person will read."""
    clean = "".join(letter if letter in "\n\t" or is_visible(letter) else "\ufffd" for letter in text)
    if len(clean) <= LONGEST_PREVIEW:
        return clean
    kept = clean[:LONGEST_PREVIEW].rpartition("\n")[0]
    return f"{kept}\n... and {clean.count(chr(10)) - kept.count(chr(10))} more lines"


def _tree(repository: GitRepository, new: NewCommit, head: str, env: Environment) -> str:
    tree = new.tree(head, env)
    if tree == repository.ask("rev-parse", f"{head}^{{tree}}").strip():
        raise Refused(f"{new.title!a} has been done already: nothing would change")
    return tree
