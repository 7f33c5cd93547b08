from __future__ import annotations

from typing import Any

import pytest

from causal.evidence import Alert, Deed, Fault
from integrations.memory import MemoryIncidents
from integrations.ports import Lock
from playbooks.gate import Budget, Hold, Policy
from playbooks.remedy import (
    Attempt,
    AttemptStatus,
    Decision,
    Proposal,
    StepResult,
    StepStatus,
    Verdict,
)
from playbooks.ticket import Ticket
from tests.playbooks.cases import plan
from workers.budget import at_work, spent

NOW = 1_795_000_000.0
HOUR, DAY = 3600.0, 86_400.0
ALERT = Alert(fingerprint="f1", raised_at=NOW - HOUR)


def deed(**changes: Any) -> Deed:
    made = Deed(
        incident="inc-0",
        plan="p1",
        playbook="mend",
        fault=Fault.CPU,
        service="cart",
        chance=0.95,
        alone=True,
        wrong=False,
        at=NOW - 60,
    )
    return made.model_copy(update=changes)


def proposal(verdict: Verdict = Verdict.EXECUTE, **changes: Any) -> Proposal:
    return Proposal(plan=plan(incident="inc-2", **changes), decision=Decision(verdict=verdict))


def attempt(status: AttemptStatus = AttemptStatus.NOT_RECOVERED, **changes: Any) -> Attempt:
    done = StepResult(step="first", action="memory.act", key="k", status=StepStatus.DONE, ended_at=NOW - 60)
    made = Attempt(
        plan=proposal().plan, decision=Decision(verdict=Verdict.EXECUTE), status=status, results=(done,)
    )
    return made.model_copy(update=changes)


def ticket(**changes: Any) -> Ticket:
    made = Ticket(
        id="inc-2", title="cart", status="executing", opened_at=NOW - HOUR, updated_at=NOW - 30, alert=ALERT
    )
    return made.model_copy(update=changes)


def counted(
    *tickets: Ticket, deeds: tuple[Deed, ...] = (), held: tuple[Lock, ...] = (), **changes: Any
) -> Budget:
    return spent(plan(**changes), Policy(), tickets, deeds, held, now=NOW)


def test_where_nothing_was_done_nothing_is_spent() -> None:
    assert counted(ticket(status="diagnosing")) == Budget()


def test_a_deed_counts_against_cooldown_day_and_rates() -> None:
    assert counted(deeds=(deed(),)) == Budget(
        runs_in_cooldown=1, runs_today=1, alone_in_hour=1, alone_in_day=1, alone_on_service_in_day=1
    )


def test_a_deed_of_another_playbook_counts_against_the_rates_alone() -> None:
    budget = counted(deeds=(deed(playbook="other"),))
    assert (budget.runs_today, budget.alone_on_service_in_day) == (0, 1)


def test_a_deed_on_another_service_counts_against_the_rates_of_all() -> None:
    budget = counted(deeds=(deed(service="payment"),))
    assert (budget.runs_today, budget.alone_on_service_in_day, budget.alone_in_day) == (0, 0, 1)


def test_a_deed_that_a_human_approved_does_not_count_against_the_rates() -> None:
    budget = counted(deeds=(deed(alone=False),))
    assert (budget.runs_today, budget.alone_in_day) == (1, 0)


@pytest.mark.parametrize(
    ("age", "spent_"),
    [(599, (1, 1, 1)), (600, (0, 1, 1)), (HOUR, (0, 1, 0)), (DAY, (0, 0, 0))],
)
def test_a_deed_counts_for_as_long_as_each_limit_looks_back(age: float, spent_: tuple[int, int, int]) -> None:
    budget = counted(deeds=(deed(at=NOW - age),))
    assert (budget.runs_in_cooldown, budget.runs_today, budget.alone_in_hour) == spent_


def test_a_plan_without_a_cooldown_has_no_runs_in_it() -> None:
    assert counted(deeds=(deed(),), cooldown=None).runs_in_cooldown == 0


def test_the_plan_itself_does_not_count() -> None:
    own = deed(incident="inc-1")
    running = ticket(
        id="inc-1", proposals=(Proposal(plan=plan(), decision=Decision(verdict=Verdict.EXECUTE)),)
    )
    assert counted(running, deeds=(own,)) == Budget()


def test_a_plan_that_was_declined_is_no_run() -> None:
    assert counted(deeds=(deed(carried_out=False, wrong=True, alone=False),)) == Budget()


def test_an_earlier_plan_of_the_same_incident_counts() -> None:
    assert counted(deeds=(deed(incident="inc-1", plan="p0"),)).runs_today == 1


def test_a_fix_that_was_wrong_is_remembered_by_its_incident() -> None:
    assert counted(deeds=(deed(wrong=True),)).failed_before == ("inc-0",)


def test_a_fix_that_was_wrong_is_forgotten_after_the_time_of_the_policy() -> None:
    assert counted(deeds=(deed(wrong=True, at=NOW - DAY),)).failed_before == ()


def test_a_fix_that_was_wrong_elsewhere_is_not_held_against_this_one() -> None:
    assert counted(deeds=(deed(wrong=True, service="payment"),)).failed_before == ()


def test_a_run_under_way_counts_before_it_has_ended() -> None:
    budget = counted(ticket(proposals=(proposal(),)))
    assert (budget.running_on_target, budget.runs_today, budget.alone_in_hour) == (("inc-2",), 1, 1)


def test_a_run_under_way_that_a_human_approved_is_not_alone() -> None:
    assert counted(ticket(proposals=(proposal(Verdict.ASK),))).alone_in_hour == 0


def test_a_run_under_way_on_a_shared_repository_is_on_the_same_target() -> None:
    assert counted(ticket(proposals=(proposal(service="payment"),))).running_on_target == ("inc-2",)


def test_a_run_under_way_on_other_targets_is_in_nobodys_way() -> None:
    assert counted(ticket(proposals=(proposal(service="payment", steps=()),))).running_on_target == ()


def test_a_plan_that_waits_for_approval_is_not_at_work() -> None:
    waiting = ticket(status="waiting_for_approval", proposals=(proposal(),))
    assert counted(waiting) == Budget()


def test_after_one_attempt_the_second_proposal_is_at_work() -> None:
    proposals = (proposal(), proposal(id="p2", service="payment", steps=()))
    assert counted(ticket(proposals=proposals, attempts=(attempt(),))).running_on_target == ()


def test_an_attempt_that_failed_counts_before_it_was_learned_from() -> None:
    budget = counted(ticket(status="planning", attempts=(attempt(),)))
    assert (budget.runs_today, budget.failed_before) == (1, ("inc-2",))


def test_an_attempt_that_a_person_approved_was_not_alone() -> None:
    assert counted(ticket(status="planning", attempts=(attempt(approved_by=("bob",)),))).alone_in_day == 0


def test_an_attempt_that_did_nothing_is_no_run() -> None:
    stopped = StepResult(step="first", action="memory.act", key="k", status=StepStatus.STOPPED)
    idle = (attempt(results=()), attempt(results=(stopped,)))
    assert counted(ticket(status="planning", attempts=idle)) == Budget()


def test_a_run_that_ticket_and_deed_both_tell_is_counted_once() -> None:
    told = ticket(status="recovered", attempts=(attempt(AttemptStatus.RECOVERED),))
    assert counted(told, deeds=(deed(incident="inc-2"),)).runs_today == 1


def test_a_lock_of_another_plan_on_a_target_is_named() -> None:
    locks = tuple(
        Lock(target=target, owner=owner, fence=1, until=NOW + 60)
        for target, owner in (("cart", "inc-2/p1"), ("other", "inc-3/p1"), ("cart", "inc-1/p1"))
    )
    assert counted(held=locks).held == (Hold(target="cart", owner="inc-2/p1"),)


def test_only_the_tickets_of_open_incidents_are_read() -> None:
    incidents = MemoryIncidents()
    for name in ("aaaaaaaa", "bbbbbbbb"):
        incidents.open_or_join(Alert(fingerprint=name, raised_at=NOW), frozenset(), 0.0)
    over = incidents.get("inc-aaaaaaaa-1")
    incidents.put(over.model_copy(update={"ended_at": NOW}))
    assert [read.id for read in at_work(incidents)] == ["inc-bbbbbbbb-1"]
