from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from causal.errors import Refused, UnknownEffect
from integrations.ports import Action, Actions, Effect
from integrations.rehearsed import Rehearsed, Script, doubles
from playbooks.catalog import LIBRARY, read_catalog
from playbooks.example import INCIDENT, example
from playbooks.rehearsal import Mishap
from playbooks.remedy import JsonValue, Playbook
from tests.playbooks.cases import standard_known
from workers.rehearsal import Rehearsal, Stage, rows

ACTIONS, CHECKS = standard_known()
SHIPPED = read_catalog([LIBRARY], ACTIONS, CHECKS).playbooks
REVERT = SHIPPED["revert-config-change"]


def rehearsed(playbook: Playbook = REVERT, stage: Stage | None = None) -> Rehearsal:
    made = example(playbook, playbook.cures[0])
    facts = {made.diagnosis.hypotheses[0].service: made.facts}
    return (stage or Stage(ACTIONS, CHECKS)).rehearse(playbook, made.alert, made.diagnosis, facts, INCIDENT)


def told(found: Rehearsal, step: str, mishap: Mishap) -> dict[str, Any]:
    return next(row for row in rows(found) if (row["step"], row["fault"]) == (step, mishap))


def broken_by(double: type[Rehearsed]) -> set[str]:
    """The laws that break where targets behave like this double."""

    def wrap(actions: Actions, playbook: Playbook, script: Script) -> Actions:
        made: dict[str, Action] = {}
        for name, sound in doubles(actions, playbook, script).items():
            known = {"name": name, "Params": sound.Params, "mutates": sound.mutates}
            assert isinstance(sound, Rehearsed)
            made[name] = type(double.__name__, (double,), known)(sound.inner, script, sound.facts)
        return made

    found = rehearsed(stage=Stage(ACTIONS, CHECKS, wrap))
    assert not found.holds
    return {law for act in found.acts for law in act.broken}


class Forgetful(Rehearsed):
    """A target that keeps no record, behind an action that says that nothing was done."""

    def observe(self, params: BaseModel, *, key: str) -> Effect | None:
        super().observe(params, key=key)
        return None


class Silent(Rehearsed):
    """A target that can not be asked what was done to it."""

    def observe(self, params: BaseModel, *, key: str) -> Effect | None:
        if super().observe(params, key=key) is None:
            return None
        raise UnknownEffect("the target can not tell")


class OneWay(Rehearsed):
    """A target on which nothing can be taken back."""

    def execute(self, params: BaseModel, *, key: str, timeout: float) -> Effect:
        if "/undo" in key:
            raise Refused("there is no way back")
        return super().execute(params, key=key, timeout=timeout)


class Reserved(Rehearsed):
    """An action that does not report what its undo needs."""

    def observe(self, params: BaseModel, *, key: str) -> Effect | None:
        found = super().observe(params, key=key)
        return found and found.model_copy(update={"facts": {}})

    def execute(self, params: BaseModel, *, key: str, timeout: float) -> Effect:
        facts: dict[str, JsonValue] = {}
        return super().execute(params, key=key, timeout=timeout).model_copy(update={"facts": facts})


@pytest.mark.parametrize("playbook", SHIPPED.values(), ids=list(SHIPPED))
def test_every_shipped_playbook_holds_in_every_scene(playbook: Playbook) -> None:
    assert [
        (row["step"], row["fault"], row["broken"]) for row in rows(rehearsed(playbook)) if not row["holds"]
    ] == []


@pytest.mark.parametrize("mishap", [Mishap.CRASH_AFTER, Mishap.LOST_ANSWER])
def test_an_effect_that_nobody_heard_of_is_found_and_not_made_again(mishap: Mishap) -> None:
    row = told(rehearsed(), "revert", mishap)
    assert (row["told"], row["effects"], row["ended"]) == ("already done", ["revert", "reload"], "recovered")


def test_a_step_that_is_refused_has_those_before_it_taken_back() -> None:
    row = told(rehearsed(), "reload", Mishap.REFUSAL)
    assert (row["effects"], row["undone"][0], row["ended"]) == (["revert"], "revert", "failed")


@pytest.mark.parametrize("mishap", [Mishap.STOPPED, Mishap.LOCK_LOST])
def test_nobody_touches_a_target_after_its_lock_or_the_leave_to_act_is_gone(mishap: Mishap) -> None:
    row = told(rehearsed(), "reload", mishap)
    assert (row["effects"], row["undone"]) == (["revert"], [])


def test_an_effect_that_comes_late_is_found_and_taken_back() -> None:
    row = told(rehearsed(), "revert", Mishap.LATE_EFFECT)
    assert (row["told"], row["undone"][0], row["left"]) == ("already done", "revert", [])


def test_what_comes_later_than_anybody_looks_is_told_as_not_known() -> None:
    assert told(rehearsed(), "revert (undo)", Mishap.LATE_EFFECT)["told"] == "unknown"


def test_a_target_that_forgets_is_found_to_be_acted_on_twice() -> None:
    assert any("took effect 2 times" in law for law in broken_by(Forgetful))


def test_a_target_that_can_not_be_asked_fails_the_rehearsal() -> None:
    assert any("was not found by asking its target" in law for law in broken_by(Silent))


def test_an_undo_that_never_works_fails_the_rehearsal() -> None:
    assert "revert was not taken back, although its undo is declared" in broken_by(OneWay)


def test_an_undo_that_can_not_be_filled_in_fails_the_rehearsal() -> None:
    assert any("commit" in law for law in broken_by(Reserved))


def test_a_playbook_that_is_for_something_else_is_not_rehearsed() -> None:
    made = example(REVERT, REVERT.cures[0])
    found = Stage(ACTIONS, CHECKS).rehearse(
        SHIPPED["restart-service"], made.alert, made.diagnosis, {}, INCIDENT
    )
    assert (found.acts, found.holds) == ((), False)


def test_a_look_up_that_is_not_known_says_why_there_was_no_rehearsal() -> None:
    made = example(REVERT, REVERT.cures[0])
    found = Stage(ACTIONS, CHECKS).rehearse(REVERT, made.alert, made.diagnosis, {}, INCIDENT)
    assert "parameter admin has no value" in found.skipped[0]


def test_the_same_rehearsal_plays_the_same_way_again() -> None:
    assert rehearsed() == rehearsed()
