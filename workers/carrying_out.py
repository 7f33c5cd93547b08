"""Doing the steps of a plan and taking them back, within its workflow; the effects are the agent's.

What is not known is looked up, never assumed: a step whose answer was lost counts as "not known", and before
it is taken back the target is asked whether there is anything to take back. Where that cannot be told either,
nothing is done to it and people are told so.

The order of everything stands here; how an agent is reached and how time passes does not, so that a rehearsal
(`workers.rehearsal`) runs the same order without a server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from temporalio import workflow

from playbooks.gate import targets
from playbooks.remedy import AttemptStatus, Plan, PlannedStep, StepResult, StepStatus
from playbooks.ticket import TicketStatus
from workers.budget import owner
from workers.messages import StepOrder
from workers.policies import WRITE, step
from workers.remediation_agent import RemediationAgent
from workers.story import step_done, step_undone

LOOKS, UNDO_TRIES = 5, 5
Method = Callable[[RemediationAgent, StepOrder], StepResult]


class Tells(Protocol):
    """Shows people how far a plan has come."""

    async def ticket(self, status: TicketStatus, says: str) -> None: ...


async def through_temporal(method: Method, order: StepOrder, seconds: float = 0.0) -> StepResult:
    """Have the remediation agent do one thing, as an activity."""
    return await step(method, order, WRITE, seconds=seconds)


@dataclass
class Execution:
    """One plan being carried out; ``fence`` is that of the locks on its targets."""

    plan: Plan
    trace_id: str
    teller: Tells
    fence: int = 0
    act: Callable[..., Awaitable[StepResult]] = through_temporal
    wait: Callable[[float], Awaitable[None]] = workflow.sleep
    results: tuple[StepResult, ...] = field(default=(), init=False)
    undone: tuple[StepResult, ...] = field(default=(), init=False)

    @property
    def owner(self) -> str:
        """Who holds the locks."""
        return owner(self.plan.incident, self.plan.id)

    async def carry_out_all(self) -> tuple[AttemptStatus, str] | None:
        """Do every step in its order; how and why that ended early, with what was done taken back."""
        for planned in self.plan.steps:
            result = await self.carry_out(planned)
            if result.status is StepStatus.STOPPED:
                return AttemptStatus.STOPPED, result.detail
            if not result.stands:
                await self.undo()
                return AttemptStatus.FAILED, f"step {planned.id}: {result.detail}"
        return None

    async def carry_out(self, planned: PlannedStep) -> StepResult:
        """Do one step, trying again where that may help."""
        await self.teller.ticket("executing", f"step {planned.id}: {planned.action} on {planned.target}")
        order = self.order(planned)
        result = await self.tried(
            lambda: self.act(RemediationAgent.run_step, order, planned.timeout),
            planned.attempts,
            planned.backoff,
        )
        self.results = (*self.results, result)
        await self.teller.ticket("executing", step_done(result))
        return result

    async def undo(self) -> None:
        """Take back what was done, last step first, where the playbook says how."""
        planned = {each.id: each for each in self.plan.steps}
        for at in reversed(range(len(self.results))):
            one = planned[self.results[at].step]
            if self.results[at].status is StepStatus.UNKNOWN:
                await self.look(at, one)
            if self.results[at].stands and one.undo is not None:
                await self.take_back(one, self.results[at])

    async def look(self, at: int, planned: PlannedStep) -> None:
        """Find out whether a step took effect whose end is not known."""
        order = self.order(planned)
        found = await self.tried(
            lambda: self.act(RemediationAgent.look_at_step, order), LOOKS, planned.backoff
        )
        self.results = (*self.results[:at], found, *self.results[at + 1 :])
        await self.teller.ticket("executing", step_done(found))

    async def take_back(self, planned: PlannedStep, done: StepResult) -> None:
        """Undo one step whose effect is in place."""
        order = self.order(planned, done=done)
        undone = await self.tried(
            lambda: self.act(RemediationAgent.undo_step, order, planned.timeout),
            UNDO_TRIES,
            planned.backoff,
        )
        self.undone = (*self.undone, undone)
        await self.teller.ticket("executing", step_undone(undone))

    async def tried(self, deed: Callable[[], Awaitable[StepResult]], times: int, pause: float) -> StepResult:
        """Try until it is certain how it ended, so often at most, with growing pauses."""
        result = await deed()
        for tried in range(1, times):
            if not result.again:
                break
            await self.wait(pause * 2 ** (tried - 1))
            result = await deed()
        return result

    def order(self, planned: PlannedStep, done: StepResult | None = None) -> StepOrder:
        return StepOrder(
            incident=self.plan.incident,
            trace_id=self.trace_id,
            plan=self.plan.id,
            plan_digest=self.plan.digest(),
            step=planned,
            done=done,
            targets=tuple(sorted(targets(self.plan))),
            owner=self.owner,
            fence=self.fence,
        )
