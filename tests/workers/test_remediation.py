"""One plan and everything that can come between: people, locks, the kill switch, a target that is silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client, WorkflowUpdateFailedError

from causal.evidence import Fault
from integrations.audit_review import Reviewer
from integrations.memory import MemoryLocks
from integrations.memory_actions import MemoryAction, MemoryCheck, MemoryParams
from integrations.ports import Effect
from playbooks.approval import raised_by, token_of
from playbooks.gate import Policy
from playbooks.remedy import AttemptStatus, Correction, Outcome, StepStatus, Verdict
from tests.workers.stage import ALERT, PLAYBOOK, Script, Stage, eventually

OTHER = "inc-other-1/p1"
QUICK = PLAYBOOK.replace("id: second", "id: second\n    retry: {attempts: 1, backoff: 20ms}")
ALONE = PLAYBOOK.replace("impact: high", "impact: low")
BOLD = Policy(autonomy="auto", suggest_above=0.1, act_above=0.1, min_verified_successes=0)


@dataclass
class Meddled(MemoryAction):
    """An action during which something else happens."""

    meanwhile: Callable[[str], None] = field(default=lambda _: None)

    def execute(self, params: MemoryParams, *, key: str, timeout: float) -> Effect:
        effect = super().execute(params, key=key, timeout=timeout)
        self.meanwhile(params.target)
        return effect


@dataclass(frozen=True)
class MeddledLocks(MemoryLocks):
    """Locks before which something else happens."""

    before: list[Callable[[], None]] = field(default_factory=list)

    def acquire(self, targets: frozenset[str], owner: str, *, now: float, lease: float) -> int:
        while self.before:
            self.before.pop()()
        return super().acquire(targets, owner, now=now, lease=lease)


@pytest.fixture
def stage(client: Client) -> Stage:
    """A stage on which everything goes well."""
    return Stage(client, Script(), MemoryAction())


def rule(approval: str) -> str:
    """The playbook with another rule for approvals."""
    return PLAYBOOK.replace("{approvers: [sre], quorum: 1, expires: 30m}", approval)


def hold(stage: Stage) -> None:
    """Somebody else acts on the cart."""
    stage.locks.acquire(frozenset({"cart"}), OTHER, now=time.time(), lease=600.0)


async def approved(stage: Stage) -> Outcome:
    """Raise an alert, approve, and see it end; others resolve what is not resolved."""
    return await stage.resolved_by_others()


# People


async def test_a_quorum_of_two_takes_two_people(stage: Stage) -> None:
    stage.playbook = rule("{approvers: [sre], quorum: 2, expires: 30m}")
    async with stage.at_work():
        handle = await stage.alert()
        first = await stage.answer(await stage.question())
        executed = list(stage.action.executed)
        await stage.answer(first, by="bob")
        outcome = await handle.result()
    assert (first.status, executed) == ("open", [])
    assert outcome.attempts[0].approved_by == ("ada", "bob")


async def test_every_vote_is_on_record_before_the_first_step(stage: Stage) -> None:
    stage.playbook = rule("{approvers: [sre], quorum: 2, expires: 30m}")
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.answer(await stage.question()), by="bob")
        await handle.result()
    events = [row.entry.event for row in stage.audit.rows()]
    assert events[: events.index("step.before")].count("approval.voted") == 2


async def test_where_nobody_decides_others_are_asked_and_told_in_the_ticket(stage: Stage) -> None:
    stage.playbook = rule("{approvers: [sre], expires: 30m, escalate_to: [sre-lead], escalate_after: 1s}")
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        await eventually(lambda: stage.approvals.get(question.id).escalated_at)
        await stage.answer(question, by="eve", roles=("sre-lead",))
        outcome = await handle.result()
    assert outcome.attempts[0].approved_by == ("eve",)
    assert any("sre-lead may answer too" in line.says for line in stage.ticket().timeline)


async def test_before_that_their_answer_does_not_count(stage: Stage) -> None:
    stage.playbook = rule("{approvers: [sre], expires: 30m, escalate_to: [sre-lead]}")
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stage.answer(question, by="eve", roles=("sre-lead",))
    assert "only once nobody else did" in str(refused.value.cause)


async def test_whom_a_vote_was_handed_to_answers_in_its_owners_place(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.delegate(await stage.question(), "ada", "kim")
        await stage.answer(question, by="kim", roles=())
        outcome = await handle.result()
    request = outcome.attempts[0].approval
    assert request is not None
    assert [(vote.by, vote.right) for vote in request.votes] == [("kim", "for ada")]


async def test_a_vote_that_is_not_ones_own_can_not_be_handed_over(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        await stage.delegate(question, "ada", "kim")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stage.delegate(question, "ada", "joe")
    assert "handed their vote to kim" in str(refused.value.cause)


async def test_who_raised_the_alert_does_not_approve_its_fix(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert(raised_by(ALERT, "ada"))
        question = await stage.question()
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await stage.answer(question)
    assert "ada asked for this" in str(refused.value.cause)


async def test_what_it_was_instead_goes_with_the_attempt(stage: Stage) -> None:
    stage.script.recovers = False
    async with stage.at_work():
        it_was = Correction(service="till", fault=Fault.CPU)
        outcome = await stage.resolved_by_others(approve=False, it_was=it_was, because="")
    attempt = outcome.attempts[0]
    assert attempt.status is AttemptStatus.DECLINED
    assert attempt.corrected is not None
    assert (attempt.corrected.service, attempt.corrected.fault, attempt.corrected.by) == (
        "till",
        Fault.CPU,
        "ada",
    )


async def test_a_site_that_names_nobody_says_so_to_approvers(stage: Stage) -> None:
    stage.people = None
    async with stage.at_work():
        await stage.alert()
        assert "no people.yaml" in (await stage.question()).note


async def test_no_token_is_in_what_the_workflow_keeps(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        await stage.answer(question)
        await handle.result()
        history = await stage.client.get_workflow_handle(question.id).fetch_history()
    assert token_of(question, stage.key) not in history.to_json()


# The gate, again


async def test_what_no_longer_holds_when_it_is_approved_keeps_the_plan_from_beginning(stage: Stage) -> None:
    check = MemoryCheck()
    stage.checks = {check.name: check}
    stage.playbook = PLAYBOOK.replace(
        "steps:", "preconditions: [{check: memory.check, with: {target: x}}]\nsteps:"
    )
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        check.reason = "somebody mended it"
        await stage.answer(question)
        attempt = (await eventually(lambda: stage.ticket().attempts))[0]
    assert (attempt.status, stage.action.executed) == (AttemptStatus.FAILED, [])
    assert "somebody mended it" in attempt.because


async def test_an_approval_does_not_help_against_a_policy_that_forbids_meanwhile(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        stage.policy = Policy(autonomy="observe")
        await stage.answer(question)
        attempt = (await eventually(lambda: stage.ticket().attempts))[0]
    assert (attempt.status, stage.action.executed) == (AttemptStatus.LEFT, [])


async def test_a_plan_that_may_act_alone_asks_nobody(client: Client) -> None:
    stage = Stage(client, Script(), MemoryAction(), policy=BOLD, playbook=ALONE)
    async with stage.at_work():
        outcome = await (await stage.alert()).result()
    assert (outcome.status, outcome.attempts[0].approval) == (AttemptStatus.RECOVERED, None)


async def test_a_plan_that_may_no_longer_act_alone_asks_before_it_begins(client: Client) -> None:
    locks = MeddledLocks()
    stage = Stage(client, Script(), MemoryAction(), policy=BOLD, playbook=ALONE, locks=locks)
    locks.before.append(lambda: setattr(stage, "policy", Policy(suggest_above=0.1)))
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        executed = list(stage.action.executed)
        await stage.answer(question)
        outcome = await handle.result()
    assert (executed, outcome.attempts[0].approved_by) == ([], ("ada",))


async def test_both_decisions_are_on_record_and_can_be_made_again(stage: Stage) -> None:
    async with stage.at_work():
        await approved(stage)
    reviewer = Reviewer()
    for row in stage.audit.rows():
        reviewer.take(row.model_dump(mode="json"))
    review = reviewer.review()
    assert (review.decisions, review.recomputed, review.steps, review.findings) == (2, 2, 2, ())


async def test_the_decision_that_counts_is_the_last_one(stage: Stage) -> None:
    async with stage.at_work():
        outcome = await approved(stage)
    assert outcome.attempts[0].decision.verdict is Verdict.ASK


# Locks


async def test_while_it_is_at_work_nobody_else_may_act_on_its_targets(client: Client) -> None:
    action = Meddled()
    stage = Stage(client, Script(), action)
    owners: set[str] = set()
    action.meanwhile = lambda _: owners.update(lock.owner for lock in stage.locks.held(now=time.time()))
    async with stage.at_work():
        await approved(stage)
    assert owners == {"inc-ffffffff-1/p1"}


@pytest.mark.parametrize("recovers", [True, False], ids=["recovered", "undone"])
async def test_at_the_end_it_lets_go_of_its_targets(stage: Stage, recovers: bool) -> None:
    stage.script.recovers = recovers
    async with stage.at_work():
        await approved(stage)
    assert stage.locks.held(now=time.time()) == ()


async def test_a_plan_that_is_cancelled_lets_go_of_its_targets(stage: Stage) -> None:
    stage.script.recovers = False
    stage.playbook = PLAYBOOK.replace("within: 4s", "within: 10m")
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        await stage.answer(question)
        await eventually(lambda: len(stage.action.executed) == 2)
        await stage.client.get_workflow_handle(question.id).cancel()
        assert await eventually(lambda: not stage.locks.held(now=time.time()))


async def test_it_waits_until_others_let_go_and_then_goes_on(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        question = await stage.question()
        hold(stage)
        await stage.answer(question)
        await eventually(lambda: any("waiting: " in line.says for line in stage.ticket().timeline))
        executed = list(stage.action.executed)
        stage.locks.release(OTHER)
        outcome = await handle.result()
    assert (executed, outcome.status) == ([], AttemptStatus.RECOVERED)


async def test_where_others_do_not_let_go_it_is_left_to_humans_with_their_name(stage: Stage) -> None:
    stage.playbook = rule("{approvers: [sre], expires: 3s}")
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        hold(stage)
        await stage.answer(question)
        attempt = (await eventually(lambda: stage.ticket().attempts))[0]
    assert (attempt.status, stage.action.executed) == (AttemptStatus.LEFT, [])
    assert OTHER in attempt.because


async def test_who_lost_the_lock_does_nothing_more(client: Client) -> None:
    action = Meddled()
    stage = Stage(client, Script(), action)

    def taken(_: str) -> None:
        stage.locks.release("inc-ffffffff-1/p1")
        hold(stage)

    action.meanwhile = taken
    async with stage.at_work():
        outcome = await approved(stage)
    assert action.executed == ["first-cart"]
    assert "lock was lost" in outcome.attempts[0].results[1].detail
    assert "not surely taken back: first" in outcome.attempts[0].because


# The kill switch


@pytest.fixture
async def stopped(client: Client) -> Stage:
    """Somebody stops everything while the first step is at work."""
    action = Meddled()
    stage = Stage(client, Script(), action)
    action.meanwhile = lambda _: _throw(stage)
    async with stage.at_work():
        await approved(stage)
    return stage


def _throw(stage: Stage) -> None:
    stage.kill_switch.throw(by="ada", because="wrong shop", at=1.0)


async def test_a_stop_holds_for_the_steps_that_are_queued_already(stopped: Stage) -> None:
    assert stopped.action.executed == ["first-cart"]


async def test_after_a_stop_nothing_is_taken_back_either(stopped: Stage) -> None:
    attempt = stopped.ticket().attempts[0]
    assert (attempt.status, attempt.undone) == (AttemptStatus.STOPPED, ())


async def test_after_a_stop_the_ticket_says_what_is_in_place(stopped: Stage) -> None:
    assert "in place: first; not done: second" in stopped.ticket().attempts[0].because


async def test_after_a_stop_the_ticket_says_who_stopped_it_and_why(stopped: Stage) -> None:
    assert "ada stopped everything (wrong shop)" in stopped.ticket().attempts[0].because


async def test_while_everything_is_stopped_an_approved_plan_does_not_begin(stage: Stage) -> None:
    async with stage.at_work():
        await stage.alert()
        question = await stage.question()
        _throw(stage)
        await stage.answer(question)
        attempt = (await eventually(lambda: stage.ticket().attempts))[0]
    assert (attempt.status, stage.action.executed) == (AttemptStatus.LEFT, [])


# What is not known


async def test_before_it_is_taken_back_a_lost_step_is_looked_up(client: Client) -> None:
    stage = Stage(client, Script(), MemoryAction(lose_answer_of={"second-cart"}), playbook=QUICK)
    async with stage.at_work():
        outcome = await approved(stage)
    assert outcome.attempts[0].results[1].status is StepStatus.ALREADY_DONE
    assert stage.action.executed == ["first-cart", "second-cart", "undo-second", "undo-first"]


async def test_a_step_that_can_not_be_looked_up_is_left_alone_and_told_plainly(client: Client) -> None:
    stage = Stage(client, Script(), MemoryAction(blind={"second-cart"}), playbook=QUICK)
    async with stage.at_work():
        outcome = await approved(stage)
    assert stage.action.executed == ["first-cart", "undo-first"]
    assert "taken back: first; not known whether in place: second" in outcome.attempts[0].because


async def test_the_timeline_says_that_it_is_not_known(client: Client) -> None:
    stage = Stage(client, Script(), MemoryAction(blind={"second-cart"}), playbook=QUICK)
    async with stage.at_work():
        await approved(stage)
    assert any("it is not known whether it took effect" in line.says for line in stage.ticket().timeline)
