"""One plan: gate, ask, lock, admit, execute, verify; undo on failure. Human silence means no."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from playbooks.gate import targets
    from playbooks.remedy import (
        ApprovalAnswer,
        ApprovalRequest,
        Attempt,
        AttemptStatus,
        Handover,
        Proposal,
        Verdict,
        Verification,
    )
    from workers.asking import Conversation
    from workers.carrying_out import Execution
    from workers.messages import CheckOrder, LockOrder, Observation, PlanOrder
    from workers.metric_agent import MetricAgent
    from workers.policies import READ, WRITE, step
    from workers.remediation_agent import RemediationAgent
    from workers.story import what_stands
    from workers.telling import Teller

LOOK_EVERY_SECONDS = 5.0
GONE_FOR = 30.0
LOCK_PATIENCE, LOCK_PAUSE, LEASE_BEYOND_WORK = 300.0, 5.0, 600.0
NO = {
    "declined": AttemptStatus.DECLINED,
    "expired": AttemptStatus.EXPIRED,
    "withdrawn": AttemptStatus.GONE,
}


@workflow.defn
class RemediationWorkflow:
    """Carries out one proposal as far as the gate and the humans let it."""

    @workflow.init
    def __init__(self, proposal: Proposal, seen: Observation) -> None:
        self.plan, self.decision, self.seen = proposal.plan, proposal.decision, seen
        self.teller = Teller(self.plan, seen.incident.trace_id)
        self.conversation = Conversation(self.plan, proposal.asked_by, self.teller, self.gone)
        self.execution = Execution(self.plan, seen.incident.trace_id, self.teller)
        self.verification: Verification | None = None
        self.because = ""

    @workflow.run
    async def run(self, proposal: Proposal, seen: Observation) -> Attempt:
        del proposal, seen
        try:
            status = await self.story()
        except (asyncio.CancelledError, FailureError):
            await self.unlock()
            raise
        await self.unlock()
        return self.ended(status)

    async def story(self) -> AttemptStatus:
        """What happens to a plan, in this order; how it ended."""
        if no := await self.gate():
            return no
        if no := await self.lock():
            return no
        if no := await self.admit():
            return no

        if early := await self.execution.carry_out_all():
            return self.broken(*early)

        if not await self.recovered():
            await self.execution.undo()
            return self.broken(
                AttemptStatus.NOT_RECOVERED, self.verification.says if self.verification else ""
            )
        return AttemptStatus.RECOVERED

    @workflow.update
    async def answer(self, answer: ApprovalAnswer) -> ApprovalRequest:
        """A human's answer; what does not count is refused at once."""
        return self.conversation.take(answer)

    @answer.validator
    def _answer_is_valid(self, answer: ApprovalAnswer) -> None:
        self.conversation.refuse_answer(answer)

    @workflow.update
    async def delegate(self, wish: Handover) -> ApprovalRequest:
        """An approver hands their vote to another person."""
        return self.conversation.hand_over(wish)

    @delegate.validator
    def _delegation_is_valid(self, wish: Handover) -> None:
        self.conversation.refuse_handover(wish)

    @workflow.query
    def waiting_for(self) -> ApprovalRequest | None:
        """The question that is open, or was last asked."""
        return self.conversation.request

    async def gate(self) -> AttemptStatus | None:
        """What was decided when the plan was made; None lets it go on."""
        match self.decision.verdict:
            case Verdict.LEAVE:
                return self.left(AttemptStatus.LEFT, " ".join(self.decision.reasons))
            case Verdict.SUGGEST:
                return self.left(AttemptStatus.SUGGESTED, " ".join(self.decision.reasons))
            case Verdict.ASK:
                return await self.ask()
        return None

    async def ask(self) -> AttemptStatus | None:
        """Ask for approval and wait for the answer; None means yes."""
        request = await self.conversation.ask()
        no = NO.get(request.status)
        return self.left(no, request.because) if no else None

    async def lock(self) -> AttemptStatus | None:
        """Wait until nobody else acts on the targets, for a while; None means that they are ours."""
        give_up = workflow.now().timestamp() + LOCK_PATIENCE
        if self.conversation.request:
            give_up = min(give_up, self.conversation.request.expires_at)
        told = ""
        while held := await self.hold(LEASE_BEYOND_WORK):
            if workflow.now().timestamp() > give_up:
                return self.left(AttemptStatus.LEFT, held)
            if not told:
                await self.teller.ticket("executing", told := f"waiting: {held}")
            await workflow.sleep(LOCK_PAUSE)
        return None

    async def hold(self, lease: float) -> str:
        """Hold the targets for so long from now; who holds them, where they cannot be had."""
        order = LockOrder(owner=self.execution.owner, targets=tuple(sorted(targets(self.plan))), lease=lease)
        held = await step(RemediationAgent.lock, order, WRITE)
        self.execution.fence = self.execution.fence or held.fence  # a later one would hide who was there
        return held.because

    async def unlock(self) -> None:
        """Let go of the targets, if they are ours."""
        await step(RemediationAgent.unlock, self.execution.owner, WRITE)
        self.execution.fence = 0

    async def admit(self) -> AttemptStatus | None:
        """Everything once more, with the facts of now; None lets the first step begin."""
        admission = await step(RemediationAgent.admit, self.order("admitted"), READ)
        if admission.must_ask:  # it might have acted alone when it was planned
            self.decision = admission.decision
            await self.unlock()
            if no := await self.ask() or await self.lock():
                return no
            admission = await step(RemediationAgent.admit, self.order("admitted again"), READ)
        self.decision = admission.decision
        return self.left(admission.ends, admission.because) if admission.ends else None

    async def gone(self, since: float) -> bool:
        """Whether the trouble has been gone for a while."""
        return (await step(MetricAgent.verify, self.check_order(since, GONE_FOR), READ)).recovered

    async def recovered(self) -> bool:
        """Look with the detectors that found the symptom until it stays away, or time is up."""
        since = workflow.now().timestamp()
        await self.hold(self.plan.within + LEASE_BEYOND_WORK)
        await self.teller.ticket("verifying", f"watching for recovery, at most {self.plan.within:.0f} s")
        order = self.check_order(since, self.plan.quiet_for)
        while True:
            await workflow.sleep(min(LOOK_EVERY_SECONDS, self.plan.quiet_for / 2))
            self.verification = found = await step(MetricAgent.verify, order, READ)
            if found.recovered or workflow.now().timestamp() > since + self.plan.within:
                break
        await self.teller.audit(
            "verified", found.says, recovered=found.recovered, healthy_for=found.healthy_for
        )
        await self.teller.ticket("verifying", found.says)
        return found.recovered

    def left(self, status: AttemptStatus, because: str) -> AttemptStatus:
        """Nothing was done, and this is why."""
        self.because = because
        return status

    def broken(self, status: AttemptStatus, because: str) -> AttemptStatus:
        """Something was done, and this is why it ended and what is known of it."""
        stands = what_stands(self.plan, self.execution.results, self.execution.undone)
        self.because = f"{because}; {stands}" if because else stands
        return status

    def ended(self, status: AttemptStatus) -> Attempt:
        request = self.conversation.request
        return Attempt(
            plan=self.plan,
            decision=self.decision,
            status=status,
            approved_by=tuple(vote.by for vote in request.votes) if request else (),
            approval=request,
            corrected=request.corrected if request else None,
            because=self.because,
            results=self.execution.results,
            undone=self.execution.undone,
            verification=self.verification,
        )

    def check_order(self, since: float, quiet_for: float) -> CheckOrder:
        return CheckOrder(
            incident=self.plan.incident,
            snapshot=self.seen.snapshot,
            symptom=self.seen.alert.symptom,
            services=(self.plan.service,),
            baseline=self.seen.baseline,
            since=since,
            quiet_for=quiet_for,
        )

    def order(self, moment: str) -> PlanOrder:
        return PlanOrder(
            incident=self.plan.incident,
            trace_id=self.seen.incident.trace_id,
            plan=self.plan,
            moment=moment,
            approval=self.conversation.request,
        )
