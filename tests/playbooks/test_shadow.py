"""What automation would have done, set beside what people did."""

from __future__ import annotations

import pytest

from causal.evidence import Alert, Fault, PlaybookRecord, Priors
from playbooks.gate import Budget, GateInput, Policy, consider
from playbooks.policy import ErrorBudget, Rule
from playbooks.remedy import (
    Attempt,
    AttemptStatus,
    Correction,
    Decision,
    Plan,
    Proposal,
    StepResult,
    StepStatus,
    Verdict,
    Verification,
)
from playbooks.shadow import Judgement, Rate, Report, Shadowed, shadow, shadowed
from playbooks.ticket import KnownCause, Ticket
from tests.playbooks.cases import plan

SURE = plan(id="p1", service="cart", impact="low", probability=0.999, confidence_floor=0.999)
ASK = Decision(verdict=Verdict.ASK)
PROVEN = Priors(playbooks=(PlaybookRecord(playbook=SURE.playbook, fault=SURE.fault, successes=50),))
BUDGET = ErrorBudget()


def asked(incident: str, chosen: Plan) -> GateInput:
    del incident
    strict = Policy(autonomy="approve", rules=(Rule(playbook="*", autonomy="suggest"),))
    return consider(chosen, strict, PROVEN, Budget(), now=1000.0)


def attempt(
    status: AttemptStatus,
    *steps: StepStatus,
    well_since: float | None = None,
    corrected: Correction | None = None,
) -> Attempt:
    results = tuple(
        StepResult(step="s", action="a", key="k", status=each, started_at=100.0) for each in steps
    )
    seen = Verification(recovered=True, says="", well_since=well_since)
    return Attempt(
        plan=SURE, decision=ASK, status=status, results=results, verification=seen, corrected=corrected
    )


def ticket(
    *attempts: Attempt, cause: str | None = None, ended: float | None = 500.0, chosen: Plan = SURE
) -> Ticket:
    known = (
        KnownCause(service=cause, fault=Fault.CPU, confirmed=cause == "cart", by="ada", at=1.0)
        if cause
        else None
    )
    return Ticket(
        id="inc-1",
        title="",
        status="gone",
        opened_at=1.0,
        updated_at=1.0,
        ended_at=ended,
        alert=Alert(fingerprint="f", raised_at=1.0),
        proposals=(Proposal(plan=chosen, decision=ASK),),
        attempts=attempts,
        cause=known,
    )


def seen(*attempts: Attempt, cause: str | None = None) -> Shadowed:
    found = shadowed(ticket(*attempts, cause=cause), asked)
    assert found is not None
    return found


def reported(right: int, wrong: int) -> Report:
    tickets = [ticket(cause="cart")] * right + [ticket(cause="gateway")] * wrong
    return shadow(tickets, asked, BUDGET)


DONE = StepStatus.DONE
OTHER = Correction(service="gateway", by="ada")


@pytest.mark.parametrize(
    ("did", "cause", "judgement"),
    [
        (attempt(AttemptStatus.RECOVERED, DONE), None, Judgement.RIGHT),
        (attempt(AttemptStatus.EXPIRED), "cart", Judgement.RIGHT),
        (attempt(AttemptStatus.NOT_RECOVERED, DONE), None, Judgement.WRONG),
        (attempt(AttemptStatus.DECLINED), None, Judgement.WRONG),
        (attempt(AttemptStatus.NOT_RECOVERED, DONE, StepStatus.UNKNOWN), None, Judgement.HARMFUL),
        (attempt(AttemptStatus.RECOVERED, DONE), "gateway", Judgement.HARMFUL),
        (attempt(AttemptStatus.DECLINED, corrected=OTHER), None, Judgement.HARMFUL),
        (attempt(AttemptStatus.GONE), None, Judgement.NEEDLESS),
        (attempt(AttemptStatus.RECOVERED, DONE, well_since=50.0), None, Judgement.NEEDLESS),
        (attempt(AttemptStatus.EXPIRED), None, Judgement.UNKNOWN),
        (attempt(AttemptStatus.SUGGESTED), None, Judgement.UNKNOWN),
    ],
    ids=[
        "recovered",
        "confirmed",
        "not recovered",
        "declined",
        "left open",
        "treated another",
        "corrected",
        "gone",
        "well before",
        "nobody answered",
        "only suggested",
    ],
)
def test_what_people_did_says_what_would_have_been_right(
    did: Attempt, cause: str | None, judgement: Judgement
) -> None:
    assert seen(did, cause=cause).judgement is judgement


def test_the_gate_is_asked_again_with_all_autonomy_there_is() -> None:
    assert seen().alone


def test_what_would_have_kept_it_from_acting_alone_is_told() -> None:
    high = SURE.model_copy(update={"impact": "high"})
    found = shadowed(ticket(chosen=high), asked)
    assert found is not None
    assert "impact is high" in found.kept_by


def test_a_decision_that_is_not_on_record_is_nothing_to_act_on() -> None:
    found = shadowed(ticket(), lambda *_: None)
    assert found is not None
    assert not found.alone


def test_a_running_incident_is_not_judged_yet() -> None:
    assert shadowed(ticket(ended=None), asked) is None


def test_unknown_and_needless_ones_count_for_no_rate() -> None:
    report = shadow([ticket(), ticket(attempt(AttemptStatus.GONE)), ticket(cause="cart")], asked, BUDGET)
    assert (report.scores[0].agreement.count, report.scores[0].agreement.of) == (1, 1)


def test_each_playbook_and_kind_of_fault_has_its_own_score() -> None:
    other = SURE.model_copy(update={"playbook": "restart"})
    report = shadow([ticket(cause="cart"), ticket(cause="cart", chosen=other)], asked, BUDGET)
    assert [score.playbook for score in report.scores] == ["", SURE.playbook, "restart"]


def test_ten_of_ten_have_the_exact_interval() -> None:
    rate = Rate.exact(10, 10)
    assert [rate.low, rate.high] == pytest.approx([0.025**0.1, 1.0])


def test_nothing_known_is_an_interval_of_everything() -> None:
    rate = Rate.exact(0, 0)
    assert (rate.low, rate.high) == (0.0, 1.0)


def test_a_few_right_ones_are_not_enough() -> None:
    score = reported(10, 0).scores[0]
    assert (score.enough, score.lacking) == (False, 49)  # 0.95 to the 59th is below 0.05


def test_fifty_nine_right_ones_in_a_row_are_enough_for_a_budget_of_one_in_twenty() -> None:
    score = reported(59, 0).scores[0]
    assert (score.enough, score.lacking) == (True, 0)


def test_a_wrong_one_asks_for_many_more_right_ones() -> None:
    assert reported(59, 1).scores[0].lacking > reported(60, 0).scores[0].lacking


def test_without_incidents_there_is_nothing_to_score() -> None:
    assert shadow([], asked, BUDGET) == Report()
