"""What a declined plan says of automation, had it acted alone."""

from __future__ import annotations

from causal.evidence import Alert, Deed, Fault
from playbooks.remedy import Attempt, AttemptStatus, Correction, Decision, Outcome, Verdict
from playbooks.ticket import Ticket
from tests.playbooks.cases import plan
from workers.lessons import lessons_of

NOW = 1_795_000_000.0
TICKET = Ticket(
    id="inc-1",
    title="cart",
    status="declined",
    opened_at=NOW,
    updated_at=NOW,
    alert=Alert(fingerprint="f1", raised_at=NOW),
)


def learned(corrected: Correction | None) -> Deed | None:
    attempt = Attempt(
        plan=plan(environment="production"),
        decision=Decision(verdict=Verdict.ASK, probability=0.9, confidence_floor=0.8),
        status=AttemptStatus.DECLINED,
        corrected=corrected,
    )
    outcome = Outcome(incident="inc-1", status=AttemptStatus.DECLINED, attempts=(attempt,), ended_at=NOW)
    (lesson,) = lessons_of(outcome, TICKET, ())
    return lesson.deed


def test_a_plan_declined_because_it_was_something_else_would_have_been_wrong() -> None:
    deed = learned(Correction(service="payment", fault=Fault.CPU, by="ada"))
    assert deed is not None
    assert (deed.wrong, deed.carried_out, deed.alone, round(deed.chance, 6)) == (True, False, False, 0.72)


def test_a_plan_declined_for_another_reason_says_nothing_of_automation() -> None:
    assert learned(None) is None


def test_a_plan_declined_though_its_service_was_right_says_nothing_of_automation() -> None:
    assert learned(Correction(service="cart", fault=Fault.MEMORY, by="ada")) is None
