"""One plan: ask, execute, undo on failure, verify. Human silence means no."""

from __future__ import annotations

import contextlib
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from playbooks.remedy import (
        ApprovalAnswer,
        ApprovalRequest,
        Attempt,
        AttemptStatus,
        PlannedStep,
        Proposal,
        StepResult,
        StepStatus,
        Verdict,
        Verification,
    )
    from playbooks.ticket import TicketStatus
    from workers.messages import CheckOrder, Note, Observation, PlanOrder, Progress, StepOrder
    from workers.metric_agent import MetricAgent
    from workers.policies import READ, WRITE, step
    from workers.protocol import refusal
    from workers.remediation_agent import RemediationAgent
    from workers.story import asking, step_done, step_undone

LOOK_EVERY_SECONDS = 5.0
FIRST_PAUSE, LONGEST_PAUSE, GONE_FOR = 15.0, 120.0, 30.0
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
        self.plan = proposal.plan
        self.decision = proposal.decision
        self.seen = seen
        self.request: ApprovalRequest | None = None
        self.results: tuple[StepResult, ...] = ()
        self.undone: tuple[StepResult, ...] = ()
        self.verification: Verification | None = None

    @workflow.run
    async def run(self, proposal: Proposal, seen: Observation) -> Attempt:
        del proposal, seen
        match self.decision.verdict:
            case Verdict.LEAVE:
                return self.ended(AttemptStatus.LEFT, "; ".join(self.decision.reasons))
            case Verdict.SUGGEST:
                return self.ended(AttemptStatus.SUGGESTED, "; ".join(self.decision.reasons))
            case Verdict.ASK if no := await self.ask():
                return self.ended(no, self.request.because if self.request else "")

        if broken := await step(RemediationAgent.check_preconditions, self.order(), READ):
            return self.ended(AttemptStatus.FAILED, broken)

        for planned in self.plan.steps:
            result = await self.carry_out(planned)
            if not result.stands:
                await self.undo()
                return self.ended(AttemptStatus.FAILED, f"step {planned.id}: {result.detail}")

        if not await self.recovered():
            await self.undo()
            return self.ended(
                AttemptStatus.NOT_RECOVERED, self.verification.says if self.verification else ""
            )
        return self.ended(AttemptStatus.RECOVERED)

    @workflow.update
    async def answer(self, answer: ApprovalAnswer) -> ApprovalRequest:
        """A human's answer. Refused at once if it is late, replayed, or for another plan."""
        request = self.request
        assert request is not None  # noqa: S101  the validator saw to it
        status = "approved" if answer.approve else "declined"
        changes = {
            "status": status,
            "answered_by": (*request.answered_by, answer.by),
            "because": answer.because,
        }
        self.request = request.model_copy(update=changes)
        return self.request

    @answer.validator
    def _answer_is_valid(self, answer: ApprovalAnswer) -> None:
        reason = refusal(self.request, answer, now=workflow.now().timestamp())
        if reason:
            raise ApplicationError(reason, type="Refused", non_retryable=True)

    @workflow.query
    def waiting_for(self) -> ApprovalRequest | None:
        """The question that is open, or was last asked."""
        return self.request

    async def ask(self) -> AttemptStatus | None:
        """Ask for approval and wait for the answer; None means yes."""
        self.request = asked = asking(self.plan, now=workflow.now().timestamp())
        await step(RemediationAgent.keep_approval, asked, WRITE)
        await self.note("approval.asked", f"{asked.title}; open until {int(asked.expires_at)}")
        await self.tell("waiting_for_approval", f"approval asked: {asked.title}", asked)
        self.request = request = await self.answered(asked)
        await step(RemediationAgent.keep_approval, request, WRITE)
        by = ", ".join(request.answered_by) or "nobody"
        ended = f"approval {request.status} by {by} {request.because}".strip()
        await self.note(f"approval.{request.status}", ended)
        await self.tell("executing" if request.status == "approved" else "waiting_for_approval", ended)
        return NO.get(request.status)

    async def answered(self, asked: ApprovalRequest) -> ApprovalRequest:
        """The question as it ended: answered, expired, or withdrawn because the trouble went away."""
        pause = FIRST_PAUSE
        while (left := asked.expires_at - workflow.now().timestamp()) > 0:
            if await self.answered_within(min(pause, left)):
                return self.request or asked
            if (await step(MetricAgent.verify, self.check_order(asked.asked_at, GONE_FOR), READ)).recovered:
                return self.closed(asked, "withdrawn", "the trouble went away by itself")
            pause = min(pause * 1.1, LONGEST_PAUSE)
        return self.closed(asked, "expired", "nobody answered in time")

    async def answered_within(self, seconds: float) -> bool:
        """Wait for an answer, for so long at most."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self.has_answer, timeout=seconds)
        return self.has_answer

    def closed(
        self, asked: ApprovalRequest, status: Literal["withdrawn", "expired"], because: str
    ) -> ApprovalRequest:
        """Close the question, unless an answer came in the very last moment."""
        if self.has_answer and self.request:
            return self.request
        return asked.model_copy(update={"status": status, "because": because})

    @property
    def has_answer(self) -> bool:
        return self.request is not None and self.request.status in {"approved", "declined"}

    async def carry_out(self, planned: PlannedStep) -> StepResult:
        """Do one step, trying again where that may help; its audit rows are written by the agent."""
        await self.tell("executing", f"step {planned.id}: {planned.action} on {planned.target}")
        order = self.step_order(planned)
        for tried in range(planned.attempts):
            if tried:
                await workflow.sleep(planned.backoff * 2 ** (tried - 1))
            result = await step(RemediationAgent.run_step, order, WRITE, seconds=planned.timeout)
            if not result.again:
                break
        self.results = (*self.results, result)
        await self.tell("executing", step_done(result))
        return result

    async def undo(self) -> None:
        """Take back what was done, last step first, where the playbook says how."""
        planned = {step.id: step for step in self.plan.steps}
        for result in reversed(self.results):
            if planned[result.step].undo is None or result.status is StepStatus.FAILED:
                continue
            order = self.step_order(planned[result.step], done=result)
            undone = await step(
                RemediationAgent.undo_step, order, WRITE, seconds=planned[result.step].timeout
            )
            self.undone = (*self.undone, undone)
            await self.tell("executing", step_undone(undone))

    async def recovered(self) -> bool:
        """Look with the detectors that found the symptom until it stays away, or time is up."""
        since = workflow.now().timestamp()
        await self.tell("verifying", f"watching for recovery, at most {self.plan.within:.0f} s")
        order = self.check_order(since, self.plan.quiet_for)
        while True:
            await workflow.sleep(min(LOOK_EVERY_SECONDS, self.plan.quiet_for / 2))
            self.verification = found = await step(MetricAgent.verify, order, READ)
            if found.recovered or workflow.now().timestamp() > since + self.plan.within:
                break
        await self.note("verified", found.says, recovered=found.recovered, healthy_for=found.healthy_for)
        await self.tell("verifying", found.says)
        return found.recovered

    def ended(self, status: AttemptStatus, because: str = "") -> Attempt:
        return Attempt(
            plan=self.plan,
            decision=self.decision,
            status=status,
            approved_by=self.request.answered_by if self.request else (),
            because=because,
            results=self.results,
            undone=self.undone,
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

    def order(self) -> PlanOrder:
        return PlanOrder(incident=self.plan.incident, trace_id=self.seen.incident.trace_id, plan=self.plan)

    def step_order(self, planned: PlannedStep, done: StepResult | None = None) -> StepOrder:
        return StepOrder(
            incident=self.plan.incident,
            trace_id=self.seen.incident.trace_id,
            plan=self.plan.id,
            plan_digest=self.plan.digest(),
            step=planned,
            done=done,
        )

    async def tell(self, status: TicketStatus, says: str, approval: ApprovalRequest | None = None) -> None:
        """Let the incident's ticket know."""
        parent = workflow.get_external_workflow_handle(self.plan.incident)
        progress = Progress(status=status, says=says, approval=approval or self.request)
        await parent.signal("progressed", progress)

    async def note(self, event: str, summary: str, **facts: object) -> None:
        """Write an audit row about this plan."""
        row = Note(
            incident=self.plan.incident,
            trace_id=self.seen.incident.trace_id,
            key=f"{self.plan.incident}/{self.plan.id}/{event}",
            actor="remediation agent",
            event=event,
            summary=summary,
            facts={"plan": self.plan.digest(), **facts},
        )
        await step(RemediationAgent.write_audit, row, WRITE)
