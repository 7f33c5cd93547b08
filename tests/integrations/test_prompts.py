from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from causal.errors import Refused
from integrations.git import GitRevertRevert, RevertParams
from integrations.ports import Action, Effect
from integrations.prompts import PromptParams, PromptRollback, version_in
from tests.integrations.git_world import NAME, GitWorld

KEY = "inc-1/p1/prompt"
PROMPT = "prompts/planner.yaml"


def prompt(version: str, text: str = "Answer briefly.") -> str:
    return f"version: {version}\ninstructions: {text} ({version})\n"


@dataclass(frozen=True)
class Agents:
    """A repository with the prompt of a planner, in three versions."""

    world: GitWorld

    @property
    def action(self) -> PromptRollback:
        return PromptRollback(self.world.connections)

    def params(self, **more: str) -> PromptParams:
        return PromptParams.model_validate({"repository": NAME, "service": "planner", **more})

    def do(self, key: str = KEY, **more: str) -> Effect:
        return self.action.execute(self.params(**more), key=key, timeout=30)

    def undo(self, effect: Effect) -> None:
        params = RevertParams(repository=NAME, commit=str(effect.facts["commit"]))
        GitRevertRevert(self.world.connections).execute(params, key=f"{KEY}/undo", timeout=30)

    def runs(self) -> str:
        return version_in(PROMPT, self.world.read(PROMPT))


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    world = GitWorld.create(tmp_path / "prompts")
    for version in ("v1", "v2", "v3"):
        world.commit(f"Prompt {version}", {PROMPT: prompt(version)})
    return Agents(world)


def test_the_action_keeps_the_ports_contract(agents: Agents) -> None:
    assert isinstance(agents.action, Action)


def test_the_prompt_goes_back_to_the_version_before(agents: Agents) -> None:
    agents.do()
    assert agents.runs() == "v2"


def test_the_prompt_goes_back_to_the_version_that_is_named(agents: Agents) -> None:
    agents.do(version="v1")
    assert agents.runs() == "v1"


def test_a_version_can_be_named_by_its_commit(agents: Agents) -> None:
    commit = agents.world.git("rev-parse", "HEAD~2")
    agents.do(version=commit[:10])
    assert agents.runs() == "v1"


def test_nothing_but_the_prompt_is_touched(agents: Agents) -> None:
    agents.world.commit("Something else", {"README": "more\n"})
    agents.do()
    assert agents.world.git("show", "--name-only", "--format=", "HEAD") == PROMPT


def test_the_versions_are_reported_for_the_undo_and_for_people(agents: Agents) -> None:
    facts = agents.do().facts
    assert (facts["version_before"], facts["version"], facts["commit"]) == ("v3", "v2", agents.world.head())


def test_a_rollback_that_is_done_is_not_done_again(agents: Agents) -> None:
    assert agents.do() == agents.do()
    assert agents.runs() == "v2"


def test_a_rollback_is_seen_by_whoever_comes_after_a_kill(agents: Agents) -> None:
    effect = agents.do()
    agents.world.commit("Something else", {"README": "more\n"})
    assert agents.action.observe(agents.params(), key=KEY) == effect


def test_a_rollback_that_was_never_made_is_not_there(agents: Agents) -> None:
    assert agents.action.observe(agents.params(), key=KEY) is None


def test_the_undo_brings_the_newer_prompt_back(agents: Agents) -> None:
    agents.undo(agents.do())
    assert agents.runs() == "v3"


def test_a_second_rollback_does_not_return_to_what_the_first_one_left(agents: Agents) -> None:
    agents.do()
    agents.do("inc-2/p1/prompt")
    assert agents.runs() == "v1"


def test_a_rollback_that_was_undone_may_be_made_again(agents: Agents) -> None:
    agents.undo(agents.do())
    with pytest.raises(Refused, match="v3 already"):
        agents.do("inc-2/p1/prompt", version="v3")
    agents.do("inc-2/p1/prompt", version="v2")
    assert agents.runs() == "v2"


def test_a_prompt_that_somebody_changed_since_stays(agents: Agents) -> None:
    with pytest.raises(Refused, match="is v3 by now, not v2: somebody has changed it since"):
        agents.do(instead_of="v2")


def test_the_blamed_version_is_gone_back_from(agents: Agents) -> None:
    agents.do(instead_of="v3")
    assert agents.runs() == "v2"


def test_a_version_that_is_there_already_is_refused(agents: Agents) -> None:
    with pytest.raises(Refused, match="is v3 already"):
        agents.do(version="v3")


def test_a_version_that_never_was_is_refused(agents: Agents) -> None:
    with pytest.raises(Refused, match="has had no version v9; it has had v3, v2, v1"):
        agents.do(version="v9")


def test_a_prompt_with_one_version_has_nothing_before_it(agents: Agents) -> None:
    agents.world.commit("New agent", {"prompts/writer.yaml": prompt("v1")})
    with pytest.raises(Refused, match="has had no version before"):
        agents.action.execute(PromptParams(repository=NAME, service="writer"), key=KEY, timeout=30)


def test_an_agent_without_a_prompt_is_refused(agents: Agents) -> None:
    with pytest.raises(Refused, match=r"holds 0 prompts of nobody: prompts/nobody\.yaml"):
        agents.action.execute(PromptParams(repository=NAME, service="nobody"), key=KEY, timeout=30)


@pytest.mark.parametrize("service", ["../planner", "", "a/b", "-x"])
def test_a_service_can_not_leave_its_folder(service: str) -> None:
    with pytest.raises(ValueError, match="service"):
        PromptParams(repository=NAME, service=service)


def test_a_preview_shows_the_diff_and_changes_nothing(agents: Agents) -> None:
    shown = agents.action.preview(agents.params())
    assert shown.startswith("prompt of planner: v3 -> v2\n")
    assert "\n+version: v2\n" in shown
    assert agents.runs() == "v3"


def test_work_that_nobody_committed_is_not_overwritten(agents: Agents) -> None:
    (agents.world.path / PROMPT).write_text("version: mine\n")
    with pytest.raises(Refused, match="uncommitted changes"):
        agents.do()


@pytest.mark.parametrize(
    ("path", "content", "version"),
    [
        ("a.yaml", "version: v1\n", "v1"),
        ("a.json", '{"version": 7}', "7"),
        ("a.yaml", "text: no version\n", ""),
        ("a.yaml", "[broken", ""),
        ("a.yaml", "- a list\n", ""),
        ("a.md", "version: v1\n", ""),
    ],
)
def test_a_file_says_its_version_or_none(path: str, content: str, version: str) -> None:
    assert version_in(path, content) == version
