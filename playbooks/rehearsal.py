"""What a rehearsal plays, and what must hold in it: mishaps at each step, and the laws of carrying out.

A playbook is rehearsed by running its steps against targets that remember every effect (a ledger), with one
mishap at one step at a time: fault injection (Arlat et al., "Fault injection for dependability validation",
IEEE TSE 16, 1990), systematically over all steps rather than at random, because there are few. The laws are
those of a saga (Garcia-Molina and Salem, "Sagas", SIGMOD 1987): all steps took effect, or what took effect
was taken back in reverse order where the playbook says how; and no step took effect twice, whoever died when.

Everything here is a value or a pure function of values; `workers.rehearsal` runs the play.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from causal.evidence import Fact
from playbooks.remedy import Plan, StepResult, StepStatus


class Mishap(StrEnum):
    """What goes wrong at one step, or while it is taken back."""

    NOTHING = "nothing"
    NO_RECOVERY = "no recovery"
    TIME_OUT = "time-out"
    REFUSAL = "refusal"
    OUTAGE = "outage"
    CRASH_BEFORE = "crash before the effect"
    CRASH_AFTER = "crash after the effect"
    LOST_ANSWER = "lost answer"
    LATE_EFFECT = "late effect"
    STOPPED = "kill switch"
    LOCK_LOST = "lock lost"


MEANS = {
    Mishap.NOTHING: "every step works, and recovery comes",
    Mishap.NO_RECOVERY: "every step works, and recovery does not come",
    Mishap.TIME_OUT: "the request is lost; nothing happens, and no answer comes in time",
    Mishap.REFUSAL: "the target refuses, however often it is asked",
    Mishap.OUTAGE: "the target cannot be reached the first time",
    Mishap.CRASH_BEFORE: "the worker is killed just before the effect",
    Mishap.CRASH_AFTER: "the worker is killed between the effect and its record",
    Mishap.LOST_ANSWER: "the effect takes place, and the answer is lost",
    Mishap.LATE_EFFECT: "the effect takes place only after the time-out",
    Mishap.STOPPED: "somebody stops everything just before the effect",
    Mishap.LOCK_LOST: "another plan gets hold of the targets just before the effect",
}
OF_A_RUN = (Mishap.NOTHING, Mishap.NO_RECOVERY)
OF_A_STEP = tuple(mishap for mishap in Mishap if mishap not in OF_A_RUN)
OF_AN_UNDO = (
    Mishap.TIME_OUT,
    Mishap.REFUSAL,
    Mishap.OUTAGE,
    Mishap.CRASH_BEFORE,
    Mishap.CRASH_AFTER,
    Mishap.LOST_ANSWER,
    Mishap.LATE_EFFECT,
    Mishap.STOPPED,
    Mishap.LOCK_LOST,
)
# After these nobody may touch the targets any more, not even to take something back.
_HANDS_OFF = {Mishap.STOPPED, Mishap.LOCK_LOST}
# After these the step did take effect, and that must be found out.
_EFFECTIVE = {Mishap.CRASH_AFTER, Mishap.LOST_ANSWER}


class Scene(Fact):
    """One mishap at one step, or at its undo; a mishap of the whole run is at no step."""

    mishap: Mishap
    step: str = ""
    undoing: bool = False


class Done(Fact):
    """One effect in the ledger; ``foretold`` is whether intent and audit row were there before it.

    What does not mutate only looked, and leaves nothing behind.
    """

    key: str
    step: str
    action: str
    target: str
    undoing: bool = False
    foretold: bool = True
    mutates: bool = True


class Play(Fact):
    """What happened in a scene: how steps ended, what was taken back, and every effect in its order.

    ``stuck`` says what would be tried for ever; ``ended`` is how the plan ended, in a word.
    """

    scene: Scene
    results: tuple[StepResult, ...] = ()
    undone: tuple[StepResult, ...] = ()
    ledger: tuple[Done, ...] = ()
    ended: str = ""
    stuck: str = ""

    @property
    def effects(self) -> tuple[Done, ...]:
        """The effects of steps, in order."""
        return tuple(done for done in self.ledger if not done.undoing)

    @property
    def undo_effects(self) -> tuple[Done, ...]:
        """The effects of undos, in order."""
        return tuple(done for done in self.ledger if done.undoing)

    def result(self, step: str) -> StepResult | None:
        """How a step ended, if it was begun."""
        return next((result for result in self.results if result.step == step), None)

    def taking_back(self, step: str) -> StepResult | None:
        """How taking a step back ended, if that was begun."""
        return next((result for result in self.undone if result.step == step), None)


def scenes(plan: Plan) -> Iterator[Scene]:
    """Every scene of a plan's rehearsal: each mishap once at each step, and at each undo there is."""
    for mishap in OF_A_RUN:
        yield Scene(mishap=mishap)
    for step in plan.steps:
        for mishap in OF_A_STEP:
            yield Scene(mishap=mishap, step=step.id)
    for step in plan.steps:
        for mishap in OF_AN_UNDO if step.undo else ():
            yield Scene(mishap=mishap, step=step.id, undoing=True)


def broken_laws(plan: Plan, play: Play) -> tuple[str, ...]:
    """Which laws did not hold in a scene; none is what a rehearsal is for."""
    return tuple(_broken(plan, play))


def left_in_place(plan: Plan, play: Play) -> tuple[str, ...]:
    """The steps whose effect is in place although the plan did not end well, in their order."""
    if play.ended == "recovered":
        return ()
    gone = {step.id for step in plan.steps if _is_taken_back(plan, play, step.id)}
    return tuple(done.step for done in play.effects if done.mutates and done.step not in gone)


def _broken(plan: Plan, play: Play) -> Iterator[str]:
    if play.stuck:
        yield f"it would be tried for ever: {play.stuck}"
        return
    yield from _nothing_twice(play)
    yield from _foretold(play)
    yield from _told_as_it_is(plan, play)
    yield from _found_again(play)
    yield from _all_or_taken_back(plan, play)
    yield from _in_reverse(plan, play)
    yield from _hands_off(plan, play)


def _nothing_twice(play: Play) -> Iterator[str]:
    for key, times in Counter(done.key for done in play.ledger).items():
        if times > 1:
            yield f"{key} took effect {times} times"


def _foretold(play: Play) -> Iterator[str]:
    for done in play.ledger:
        if not done.foretold:
            yield f"{done.key} took effect before its intent and its audit row were written"


def _told_as_it_is(plan: Plan, play: Play) -> Iterator[str]:
    effective = {done.step for done in play.effects}
    for result in play.results:
        if result.stands and result.step not in effective:
            yield f"{result.step} is told as done, and took no effect"
        if result.status in {StepStatus.FAILED, StepStatus.STOPPED} and result.step in effective:
            yield f"{result.step} is told as not done, and took effect"
    for result in play.undone:
        taken = _is_taken_back(plan, play, result.step)
        told = {StepStatus.UNDONE: True, StepStatus.UNDO_FAILED: False}.get(result.status, taken)
        if told is not taken:
            yield f"taking back {result.step} is told as {result.status}, which it is not"


def _found_again(play: Play) -> Iterator[str]:
    """Reconciliation: an effect whose answer nobody heard is found by asking the target, not made again."""
    scene = play.scene
    if scene.mishap in _EFFECTIVE and not scene.undoing:
        result = play.result(scene.step)
        if result is None or result.status is not StepStatus.ALREADY_DONE:
            found = result.status if result else "not begun"
            yield f"the effect of {scene.step} was not found by asking its target ({found})"


def _all_or_taken_back(plan: Plan, play: Play) -> Iterator[str]:
    scene = play.scene
    if play.ended == "recovered":
        missing = [step.id for step in plan.steps if step.id not in {done.step for done in play.effects}]
        yield from (f"{step} took no effect, and nobody was told" for step in missing)
        return
    if scene.mishap in _HANDS_OFF:
        return
    for step in left_in_place(plan, play):
        undo = next(each.undo for each in plan.steps if each.id == step)
        if undo is not None and not _excused(play, step):
            yield f"{step} was not taken back, although its undo is declared"


def _excused(play: Play, step: str) -> bool:
    """Whether what was not taken back is at least told as it is."""
    result, taking_back = play.result(step), play.taking_back(step)
    if result is not None and result.status is StepStatus.UNKNOWN:
        return True
    here = play.scene.undoing and play.scene.step == step and play.scene.mishap is Mishap.REFUSAL
    unknown = taking_back is not None and taking_back.status is StepStatus.UNKNOWN
    return unknown or (here and taking_back is not None and taking_back.status is StepStatus.UNDO_FAILED)


def _in_reverse(plan: Plan, play: Play) -> Iterator[str]:
    done = [each.step for each in play.effects]
    order = list(dict.fromkeys(each.step for each in play.undo_effects))
    expected = [step for step in reversed(done) if step in order]
    if order != expected:
        yield f"taken back in the order {', '.join(order)}, not {', '.join(expected)}"
    planned = [step.id for step in plan.steps]
    if done != sorted(done, key=planned.index):
        yield f"done in the order {', '.join(done)}"


def _hands_off(plan: Plan, play: Play) -> Iterator[str]:
    """From the moment on in which nobody may touch the targets any more, nobody does."""
    scene = play.scene
    if scene.mishap not in _HANDS_OFF:
        return
    planned = [step.id for step in plan.steps]
    later = planned[planned.index(scene.step) :]
    earlier = planned[: planned.index(scene.step) + 1]
    too_late = earlier if scene.undoing else planned
    if not scene.undoing and {done.step for done in play.effects} & set(later):
        yield f"{scene.step} took effect although {MEANS[scene.mishap]}"
    if taken := [done.step for done in play.undo_effects if done.step in too_late]:
        yield f"{', '.join(taken)} taken back although {MEANS[scene.mishap]}"


def _is_taken_back(plan: Plan, play: Play, step: str) -> bool:
    undo = next(each.undo for each in plan.steps if each.id == step)
    taken = [done for done in play.undo_effects if done.step == step]
    return undo is not None and len({done.key for done in taken}) == len(undo.calls)
