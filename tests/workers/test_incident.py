"""An incident from the alert to the lesson, on a real Temporal server."""

from __future__ import annotations

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from causal.evidence import Diagnosis, Entity
from integrations.memory_actions import MemoryAction
from playbooks.policy import Policy
from playbooks.remedy import AttemptStatus, StepStatus
from tests.workers.stage import ALERT, PLAYBOOK, Script, Stage, eventually, hypothesis


@pytest.fixture
def stage(client: Client) -> Stage:
    """A stage on which everything goes well."""
    return Stage(client, Script(), MemoryAction())


async def test_an_approved_plan_is_carried_out_and_brings_recovery(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        outcome = await handle.result()
    assert outcome.status is AttemptStatus.RECOVERED
    assert stage.action.executed == ["first-cart", "second-cart"]


async def test_the_next_incident_reads_what_this_one_taught(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        await handle.result()
    assert stage.priors.current().record("mend", hypothesis().fault).successes == 1.0


async def test_nothing_is_done_before_somebody_approves(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert()
        await stage.question()
        assert stage.action.executed == []


async def test_a_declined_plan_is_never_carried_out(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question(), approve=False, because="not now")
        outcome = await handle.result()
    assert (outcome.status, stage.action.executed) == (AttemptStatus.DECLINED, [])


async def test_silence_means_no(client: Client) -> None:
    hasty = PLAYBOOK.replace("expires: 30m", "expires: 1s")
    stage = Stage(client, Script(), MemoryAction(), playbook=hasty)
    async with stage.at_work():
        outcome = await (await stage.alert()).result()
    assert (outcome.status, stage.action.executed) == (AttemptStatus.EXPIRED, [])


async def test_a_question_is_withdrawn_when_the_trouble_goes_away_by_itself(stage: Stage) -> None:
    stage.script.goes_away = True
    async with stage.at_work():
        outcome = await (await stage.alert()).result()
    assert (outcome.status, stage.action.executed) == (AttemptStatus.GONE, [])
    assert stage.priors.current().version == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"binding": "0" * 64}, "another plan"), ({"approval": "inc-other-p1"}, "inc-other-p1")],
    ids=["another plan", "another approval"],
)
async def test_an_approval_for_something_else_is_refused(
    stage: Stage, changes: dict[str, object], reason: str
) -> None:
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stage.answer(question, **changes)
    assert reason in str(refused.value.cause)


async def test_a_replayed_approval_is_refused(stage: Stage) -> None:
    stage.script.recovers = False
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        await stage.answer(question)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stage.answer(question)
    assert "already" in str(refused.value.cause)


async def test_a_failed_step_undoes_the_steps_before_it_in_reverse_order(client: Client) -> None:
    stage = Stage(client, Script(), MemoryAction(refuse={"second-cart"}))
    async with stage.at_work():
        outcome = await stage.resolved_by_others()
    assert outcome.attempts[0].status is AttemptStatus.FAILED
    assert stage.action.executed == ["first-cart", "undo-first"]


async def test_a_plan_that_does_not_help_is_taken_back_last_step_first(stage: Stage) -> None:
    stage.script.recovers = False
    async with stage.at_work():
        outcome = await stage.resolved_by_others()
    assert outcome.status is AttemptStatus.NOT_RECOVERED
    assert stage.action.executed[2:] == ["undo-second", "undo-first"]


async def test_a_lost_answer_is_looked_up_and_not_done_again(client: Client) -> None:
    retrying = PLAYBOOK.replace("id: first", "id: first\n    retry: {attempts: 3, backoff: 100ms}")
    stage = Stage(client, Script(), MemoryAction(lose_answer_of={"first-cart"}), playbook=retrying)
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        outcome = await handle.result()
    assert outcome.attempts[0].results[0].status is StepStatus.ALREADY_DONE
    assert stage.action.executed == ["first-cart", "second-cart"]


async def test_an_unlikely_cause_is_shown_and_nobody_is_asked(stage: Stage) -> None:
    stage.script.diagnosis = Diagnosis(engine="test", hypotheses=(hypothesis(0.4),), none_of_these=0.6)
    async with stage.at_work():
        handle = await stage.alert()
        outcome = await handle.result()
    assert outcome.status is AttemptStatus.LEFT
    assert stage.approvals.open() == ()


async def test_no_hypothesis_leaves_the_incident_to_humans(stage: Stage) -> None:
    stage.script.diagnosis = Diagnosis(engine="test")
    async with stage.at_work():
        outcome = await (await stage.alert()).result()
    assert outcome.status is AttemptStatus.LEFT


async def test_an_engine_that_fails_leaves_the_incident_to_humans_and_says_so(stage: Stage) -> None:
    stage.script.engine_fails = True
    async with stage.at_work():
        outcome = await (await stage.alert()).result()
    verdict = stage.ticket().diagnosis
    assert outcome.status is AttemptStatus.LEFT
    assert verdict is not None
    assert "divides by zero" in verdict.missing_evidence[0]


async def test_a_duplicate_alert_joins_the_running_incident(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert()
        await stage.question()
        await stage.alert(ALERT.model_copy(update={"raised_at": 1005.0}))
        await eventually(lambda: stage.ticket().duplicates)
        assert len(stage.incidents.all()) == 1


async def test_every_deed_has_its_audit_row_before_and_after_it(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        await handle.result()
    events = [row.entry.event for row in stage.audit.rows()]
    deeds = [event for event in events if event.startswith("step.")]
    assert deeds == ["step.before", "step.after/done"] * 2
    assert events.index("approval.approved") < events.index("step.before")


async def test_every_audit_row_carries_the_incidents_trace_id(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        await handle.result()
    assert {row.entry.trace_id for row in stage.audit.rows()} == {stage.ticket().trace_id}


async def test_the_ticket_tells_the_story_to_its_end(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        await handle.result()
    shown = stage.ticket()
    assert shown.status == "recovered"
    assert shown.ended_at is not None


# Never the same fix again


def two_causes(client: Client, second: str) -> Stage:
    """A stage whose diagnosis has two hypotheses, and on which nothing helps."""
    other = hypothesis(0.8).model_copy(update={"service": second, "entity": Entity.of_service(second)})
    verdict = Diagnosis(engine="test", hypotheses=(hypothesis(0.9), other), none_of_these=0.1)
    return Stage(client, Script(diagnosis=verdict, recovers=False), MemoryAction())


async def test_after_a_plan_that_did_not_help_the_next_hypothesis_has_its_turn(client: Client) -> None:
    stage = two_causes(client, "payment")
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        question = await eventually(lambda: [each for each in stage.approvals.open() if each.plan == "p2"])
        await stage.answer(question[0], approve=False, because="enough")
        await handle.signal("resolved")
        outcome = await handle.result()
    assert [attempt.status for attempt in outcome.attempts] == [
        AttemptStatus.NOT_RECOVERED,
        AttemptStatus.DECLINED,
    ]


async def test_another_plan_for_a_cause_that_was_treated_in_vain_is_left_to_people(client: Client) -> None:
    again = PLAYBOOK.replace("name: mend", "name: heal").replace("first-", "other-")
    stage = two_causes(client, "cart")
    stage.more = (again,)
    async with stage.at_work():
        outcome = await stage.resolved_by_others()
    assert [attempt.plan.id for attempt in outcome.attempts] == ["p1"]
    assert [attempt.status for attempt in stage.ticket().attempts[1:]] == [AttemptStatus.LEFT]


async def test_a_plan_that_the_gate_leaves_does_not_hide_the_next_one(client: Client) -> None:
    stage = two_causes(client, "payment")
    stage.policy = Policy(frozen_targets=("first-cart",))
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        await stage.answer(question, approve=False, because="enough")
        await handle.signal("resolved")
        outcome = await handle.result()
    assert [attempt.status for attempt in outcome.attempts] == [AttemptStatus.LEFT, AttemptStatus.DECLINED]
