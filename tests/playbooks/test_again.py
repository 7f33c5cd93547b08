"""Never the same fix twice in one incident."""

from __future__ import annotations

import pytest

from playbooks.again import passed_over, why_not_again
from playbooks.remedy import Attempt, AttemptStatus, Decision, Plan, Proposal, Verdict
from tests.playbooks.cases import plan

ASK = Decision(verdict=Verdict.ASK)
FIRST = plan(id="p1", playbook="mend", cause="service:cart")
OTHER_CAUSE = plan(id="p2", playbook="restart", cause="service:gateway", steps=())


def tried(done: Plan, status: AttemptStatus) -> tuple[Attempt, ...]:
    return (Attempt(plan=done, decision=ASK, status=status),)


@pytest.mark.parametrize("status", [AttemptStatus.NOT_RECOVERED, AttemptStatus.FAILED])
def test_the_same_fix_under_another_name_is_not_tried_again(status: AttemptStatus) -> None:
    same = FIRST.model_copy(update={"id": "p2", "playbook": "heal", "cause": "service:gateway"})
    assert "p1 did the same in vain" in why_not_again(same, tried(FIRST, status))


def test_another_fix_for_a_cause_whose_treatment_did_not_help_is_left_to_people() -> None:
    other = FIRST.model_copy(update={"id": "p2", "steps": ()})
    assert "service:cart" in why_not_again(other, tried(FIRST, AttemptStatus.NOT_RECOVERED))


def test_another_fix_for_a_cause_that_could_not_be_treated_is_tried() -> None:
    other = FIRST.model_copy(update={"id": "p2", "steps": ()})
    assert not why_not_again(other, tried(FIRST, AttemptStatus.FAILED))


def test_the_next_hypothesis_has_its_turn() -> None:
    assert not why_not_again(OTHER_CAUSE, tried(FIRST, AttemptStatus.NOT_RECOVERED))


def test_nothing_is_passed_over_before_anything_was_tried() -> None:
    assert not why_not_again(FIRST, ())


def test_what_is_passed_over_keeps_its_place_and_says_why() -> None:
    attempt = passed_over(Proposal(plan=OTHER_CAUSE, decision=ASK), "no use")
    assert (attempt.plan.id, attempt.status, attempt.because) == ("p2", AttemptStatus.LEFT, "no use")
