"""``prompt.rollback``: an agent back on the prompt it had before, out of a git repository of prompts.

A prompt's versions are the states its file has had on the branch. A state is known by what it calls itself
(``version:`` in a YAML or JSON file, which is what the agent reports as `gen_ai.prompt.version`), or by the
commit that made it. Going back is a new commit that puts the file back and touches nothing else (`git`);
``git.revert_revert`` takes that commit back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from pydantic import BaseModel, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from causal.errors import Refused
from integrations.connection_fields import NAME
from integrations.connections import ReadConnections, RepositoryConnection, repository_named
from integrations.connections.parts import as_tuple
from integrations.git import CheckoutParams, going_back
from integrations.git_commit import (
    REVERTS,
    STEP,
    NewCommit,
    diff_of,
    fit_for_a_trailer,
    found,
    make,
    opened,
    readable,
)
from integrations.git_repository import Commit, GitRepository, printable
from integrations.ports import Effect
from playbooks.places import RepositoryName
from playbooks.remedy import Written

MOST_VERSIONS = 200
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_READ_AS_YAML = (".yaml", ".yml", ".json")


class PromptParams(Written):
    """Whose prompt in which repository.

    ``version`` is the one to go back to; without it, the newest one before that no step of Aitia left.
    ``instead_of`` is the one that must be there now.
    """

    repository: RepositoryName
    service: str = Field(pattern=rf"^{NAME.pattern}$")
    version: str | None = Field(default=None, min_length=1)
    instead_of: str | None = Field(default=None, min_length=1)


@dataclass(frozen=True)
class State:
    """What a prompt's file was from a commit on; ``calls_itself`` is empty where it says no version."""

    commit: Commit
    content: str
    calls_itself: str

    @property
    def told(self) -> str:
        return self.calls_itself or self.commit.id[:12]

    def is_version(self, version: str) -> bool:
        """Whether this is what somebody calls ``version``."""
        by_commit = bool(_COMMIT.fullmatch(version)) and self.commit.id.startswith(version)
        return version == self.calls_itself or by_commit


@dataclass(frozen=True)
class PromptRollback:
    """Put the prompt of an agent back to an earlier version, by a new commit."""

    name: ClassVar[str] = "prompt.rollback"
    Params: ClassVar[type[BaseModel]] = PromptParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset(
        {"repository", "service", "path", "commit", "version", "version_before"}
    )

    connections: ReadConnections

    def target(self, params: PromptParams) -> str:
        return f"repository:{params.repository}"

    def preview(self, params: PromptParams) -> str:
        prompt = self._prompt(params)
        present, wanted = prompt.proposed(params)
        diff = diff_of(prompt.repository, going_back(prompt.repository, prompt.checkout(params, wanted)))
        return readable(f"prompt of {params.service}: {present.told} -> {wanted.told}\n\n{diff}")

    def observe(self, params: PromptParams, *, key: str) -> Effect | None:
        repository = opened(self.connections, params.repository)
        made = found(repository, key)
        return None if made is None else _effect(repository, params, made)

    def execute(self, params: PromptParams, *, key: str, timeout: float) -> Effect:
        fit_for_a_trailer(key)
        repository = opened(self.connections, params.repository)
        with repository.locked(timeout) as lock:
            if (done := self.observe(params, key=key)) is not None:
                return done

            def build() -> NewCommit:
                prompt = self._prompt(params)
                _, wanted = prompt.proposed(params)
                return going_back(repository, prompt.checkout(params, wanted))

            made = make(repository, build, key, lock=lock, seconds=timeout)
        return _effect(repository, params, repository.log(made, most=1)[0])

    def _prompt(self, params: PromptParams) -> _Prompt:
        repository = opened(self.connections, params.repository)
        connection = repository_named(self.connections, params.repository)
        return _Prompt(repository, _path_of(repository, connection, params))


@dataclass(frozen=True)
class _Prompt:
    """A prompt's file in its repository."""

    repository: GitRepository
    path: str

    def checkout(self, params: PromptParams, wanted: State) -> CheckoutParams:
        return CheckoutParams(repository=params.repository, path=self.path, commit=wanted.commit.id)

    def states(self) -> tuple[State, ...]:
        """All states of the file, newest first; where it was not there, there is none."""
        return tuple(
            state
            for commit in self.repository.log(files=(self.path,), most=MOST_VERSIONS)
            if (state := state_at(self.repository, self.path, commit)) is not None
        )

    def proposed(self, params: PromptParams) -> tuple[State, State]:
        """Return the present state and the one to go back to; Refused where that would be wrong."""
        states = self.states()
        present = states[0]
        if params.instead_of is not None and not present.is_version(params.instead_of):
            raise Refused(
                f"the prompt of {params.service} is {present.told} by now, not {params.instead_of}: somebody "
                "has changed it since, and that stays"
            )
        if params.version is not None and present.is_version(params.version):
            raise Refused(f"the prompt of {params.service} is {present.told} already")
        left = set() if params.version else set(_left_by_steps(states))
        for state in states[1:]:
            fits = state.content not in left if params.version is None else state.is_version(params.version)
            if fits and state.content != present.content:
                return present, state
        asked = f"version {params.version}" if params.version else "version before"
        known = ", ".join(dict.fromkeys(state.told for state in states))
        raise Refused(f"the prompt of {params.service} has had no {asked}; it has had {known}")


def state_at(repository: GitRepository, path: str, commit: Commit) -> State | None:
    """Return what a file was at a commit; None if there was none."""
    ran = repository.run("cat-file", "blob", f"{commit.id}:{path}")
    return State(commit, ran.out, version_in(path, ran.out)) if ran.code == 0 else None


def version_in(path: str, content: str) -> str:
    """Return the version that a prompt's file calls itself, empty if it does not."""
    if not path.endswith(_READ_AS_YAML):
        return ""
    try:
        tree = YAML(typ="safe", pure=True).load(printable(content))
    except YAMLError:
        return ""
    version = tree.get("version") if isinstance(tree, dict) else None
    return str(version) if isinstance(version, str | int | float) else ""


def _left_by_steps(states: tuple[State, ...]) -> Iterator[str]:
    """What a rollback of Aitia led away from is no good version; an undo of one says nothing."""
    ours = {state.commit.id for state in states if STEP in state.commit.trailers}
    for newer, older in pairwise(states):
        if newer.commit.id in ours and newer.commit.trailers.get(REVERTS) not in ours:
            yield older.content


def _path_of(repository: GitRepository, connection: RepositoryConnection, params: PromptParams) -> str:
    paths = [pattern.replace("{service}", params.service) for pattern in as_tuple(connection.prompts)]
    head = repository.head()
    there = [path for path in paths if repository.run("cat-file", "-e", f"{head}:{path}").code == 0]
    if len(there) != 1:
        raise Refused(
            f"{params.repository} holds {len(there)} prompts of {params.service}: {', '.join(paths)}"
        )
    return there[0]


def _effect(repository: GitRepository, params: PromptParams, made: Commit) -> Effect:
    """Tell what a commit of ours did to a prompt, from the commit itself."""
    (path,) = made.files
    (parent,) = repository.log(made.parents[0], most=1)
    after, before = (state_at(repository, path, commit) for commit in (made, parent))
    versions = [state.told if state else "" for state in (after, before)]
    way = f"from {versions[1]} to {versions[0]}"
    return Effect(
        says=f"commit {made.id[:12]} puts the prompt of {params.service} back {way}",
        facts={
            "repository": params.repository,
            "service": params.service,
            "path": path,
            "commit": made.id,
            "version": versions[0],
            "version_before": versions[1],
        },
    )
