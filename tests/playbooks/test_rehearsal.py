from __future__ import annotations

import pytest

from playbooks.rehearsal import (
    OF_A_STEP,
    OF_AN_UNDO,
    Done,
    Mishap,
    Play,
    Scene,
    broken_laws,
    left_in_place,
    scenes,
)
from playbooks.remedy import Plan, PlannedCall, PlannedStep, PlannedUndo, StepResult, StepStatus
from tests.playbooks.cases import plan as a_plan


def plan() -> Plan:
    undo = PlannedUndo(action="memory.undo", target="x", then=(PlannedCall(action="memory.act", target="x"),))
    steps = (
        PlannedStep(id="first", action="memory.act", target="x", undo=undo),
        PlannedStep(
            id="second", action="memory.act", target="x", undo=PlannedUndo(action="memory.undo", target="x")
        ),
        PlannedStep(id="third", action="memory.act", target="y"),
    )
    return a_plan(steps=steps)


def done(step: str, part: str = "", **changes: object) -> Done:
    key = f"inc-1/p1/{step}{part}"
    return Done(key=key, step=step, action="memory.act", target="x", undoing="/undo" in part).model_copy(
        update=changes
    )


def result(step: str, status: StepStatus = StepStatus.DONE) -> StepResult:
    return StepResult(step=step, action="memory.act", key=f"inc-1/p1/{step}", status=status)


ALL_DONE = tuple(done(step) for step in ("first", "second", "third"))
ALL_TOLD = tuple(result(step) for step in ("first", "second", "third"))
TAKEN_BACK = (done("second", "/undo"), done("first", "/undo"), done("first", "/undo/1"))
UNDONE = tuple(result(step, StepStatus.UNDONE) for step in ("second", "first"))


def play(**changes: object) -> Play:
    made = Play(scene=Scene(mishap=Mishap.NOTHING), results=ALL_TOLD, ledger=ALL_DONE, ended="recovered")
    return made.model_copy(update=changes)


def no_recovery(**changes: object) -> Play:
    scene = Scene(mishap=Mishap.NO_RECOVERY)
    ledger = (*ALL_DONE, *TAKEN_BACK)
    return play(scene=scene, ledger=ledger, undone=UNDONE, ended="not recovered").model_copy(update=changes)


def at(mishap: Mishap, step: str, *, undoing: bool = False) -> Scene:
    return Scene(mishap=mishap, step=step, undoing=undoing)


@pytest.mark.parametrize("sound", [play(), no_recovery()])
def test_a_run_that_keeps_every_law_breaks_none(sound: Play) -> None:
    assert broken_laws(plan(), sound) == ()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (play(ledger=(*ALL_DONE, done("third"))), "inc-1/p1/third took effect 2 times"),
        (play(ledger=(*ALL_DONE[:2], done("third", foretold=False))), "before its intent"),
        (play(ledger=ALL_DONE[:2]), "third is told as done, and took no effect"),
        (play(results=(*ALL_TOLD[:2], result("third", StepStatus.FAILED))), "as not done, and took effect"),
        (play(scene=at(Mishap.LOST_ANSWER, "first")), "effect of first was not found by asking"),
        (play(ledger=ALL_DONE[::-1]), "done in the order third, second, first"),
        (play(stuck="no"), "it would be tried for ever: no"),
        (no_recovery(ledger=ALL_DONE, undone=()), "first was not taken back"),
        (no_recovery(ledger=(*ALL_DONE, *TAKEN_BACK[:2])), "taking back first is told as undone"),
        (no_recovery(ledger=(*ALL_DONE, *TAKEN_BACK[1:], TAKEN_BACK[0])), "in the order first, second"),
        (play(scene=at(Mishap.STOPPED, "second"), ended="stopped"), "second took effect although"),
        (no_recovery(scene=at(Mishap.LOCK_LOST, "second")), "taken back although another"),
        (no_recovery(scene=at(Mishap.STOPPED, "second", undoing=True)), "second, first, first taken back"),
    ],
)  # fmt: skip
def test_a_broken_law_is_named(broken: Play, says: str) -> None:
    assert says in "; ".join(broken_laws(plan(), broken))


def test_what_is_told_as_not_known_excuses_what_was_not_taken_back() -> None:
    results = (ALL_TOLD[0], result("second", StepStatus.UNKNOWN))
    unknown = play(
        scene=at(Mishap.LATE_EFFECT, "second"),
        results=results,
        undone=UNDONE[1:],
        ledger=(done("first"), done("first", "/undo"), done("first", "/undo/1"), done("second")),
        ended="failed",
    )
    assert broken_laws(plan(), unknown) == ()


def test_what_is_left_in_place_is_named_in_its_order() -> None:
    assert left_in_place(plan(), no_recovery(ledger=(*ALL_DONE, *TAKEN_BACK[:2]))) == ("first", "third")


def test_what_only_looked_leaves_nothing_in_place() -> None:
    ledger = (*ALL_DONE[:2], done("third", mutates=False), *TAKEN_BACK)
    assert left_in_place(plan(), no_recovery(ledger=ledger)) == ()


def test_every_mishap_comes_over_every_step_and_every_undo() -> None:
    played = list(scenes(plan()))
    assert len(played) == len(set(played)) == 2 + 3 * len(OF_A_STEP) + 2 * len(OF_AN_UNDO)
