"""The sentences that tell what is known of a plan, and what is not."""

from __future__ import annotations

import pytest

from causal.evidence import Fault
from playbooks.remedy import Plan, PlannedStep, StepResult, StepStatus
from workers.story import step_done, what_stands

PLAN = Plan(
    id="p1",
    incident="inc-1",
    playbook="mend",
    service="cart",
    fault=Fault.ERRORS,
    steps=(PlannedStep(id="first", action="act"), PlannedStep(id="second", action="act")),
)


def result(step: str, status: StepStatus) -> StepResult:
    """How a step ended."""
    return StepResult(step=step, action="act", key=f"inc-1/p1/{step}", status=status, detail="no answer")


@pytest.mark.parametrize(
    ("second", "undone", "told"),
    [
        (StepStatus.FAILED, (), "in place: first; not done: second"),
        (StepStatus.STOPPED, (), "in place: first; not done: second"),
        (StepStatus.UNKNOWN, (), "in place: first; not known whether in place: second"),
        (StepStatus.FAILED, (StepStatus.UNDONE,), "taken back: first; not done: second"),
        (StepStatus.FAILED, (StepStatus.UNDO_FAILED,), "not surely taken back: first; not done: second"),
        (StepStatus.FAILED, (StepStatus.UNKNOWN,), "not surely taken back: first; not done: second"),
        (StepStatus.FAILED, (StepStatus.STOPPED,), "in place: first; not done: second"),
    ],
    ids=["failed", "stopped", "unknown", "undone", "undo failed", "undo unknown", "undo stopped"],
)
def test_it_is_told_what_is_in_place_and_what_is_not_known(
    second: StepStatus, undone: tuple[StepStatus, ...], told: str
) -> None:
    results = (result("first", StepStatus.DONE), result("second", second))
    assert what_stands(PLAN, results, tuple(result("first", status) for status in undone)) == told


def test_a_step_that_nobody_came_to_was_not_done() -> None:
    assert what_stands(PLAN, (), ()) == "not done: first, second"


def test_a_lost_answer_is_told_as_what_it_is() -> None:
    says = "step first: it is not known whether it took effect. no answer"
    assert step_done(result("first", StepStatus.UNKNOWN)) == says
