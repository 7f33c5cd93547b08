"""The conversation about one plan, within its workflow: from the question to its answer, or to silence.

The rules are `playbooks.approval`; here is what happens when: durable timers for escalation and expiry, a
look from time to time whether the trouble went away by itself, and for every change of the question a row in
the audit log, a new state where people and the door find it, and a line in the ticket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from playbooks import approval
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Handover, Plan
from playbooks.ticket import TicketStatus
from workers.policies import WRITE, step
from workers.remediation_agent import RemediationAgent
from workers.story import News, asked, news
from workers.telling import Teller

FIRST_PAUSE, LONGEST_PAUSE = 15.0, 120.0
AT_ONCE = 0.001


@dataclass
class Conversation:
    """Asks about one plan, once, and takes answers; ``gone`` looks whether the trouble is over since then."""

    plan: Plan
    asked_by: tuple[str, ...]
    teller: Teller
    gone: Callable[[float], Awaitable[bool]]
    request: ApprovalRequest | None = field(default=None, init=False)

    async def ask(self) -> ApprovalRequest:
        """Ask, and wait until somebody decided, nobody did in time, or there is nothing left to decide."""
        unsealed = approval.question(self.plan, asked_by=self.asked_by, now=_now())
        self.request = request = await step(RemediationAgent.seal_approval, unsealed, WRITE)
        await self.tell(request, [asked(request)])
        pause = FIRST_PAUSE
        while request.status == "open":
            after = await self.after(request, pause)
            await self.tell(after, list(news(request, after)))
            request, pause = after, min(pause * 1.1, LONGEST_PAUSE)
        return request

    def take(self, answer: ApprovalAnswer) -> ApprovalRequest:
        """Take an answer that `refuse_answer` let pass."""
        self.request = approval.answered(self.asked, answer, now=_now())
        return self.request

    def refuse_answer(self, answer: ApprovalAnswer) -> None:
        """Refuse an answer that does not count, with its reason."""
        _refuse(approval.refusal(self.request, answer, now=_now()))

    def hand_over(self, wish: Handover) -> ApprovalRequest:
        """Hand a vote over, as `refuse_handover` let pass."""
        self.request = approval.handed_over(self.asked, wish, now=_now())
        return self.request

    def refuse_handover(self, wish: Handover) -> None:
        """Refuse to hand a vote over that cannot be, with its reason."""
        _refuse(approval.handover_refusal(self.request, wish, now=_now()))

    @property
    def asked(self) -> ApprovalRequest:
        """The question; there is one."""
        assert self.request is not None  # noqa: S101  nothing is let pass before something was asked
        return self.request

    async def after(self, before: ApprovalRequest, pause: float) -> ApprovalRequest:
        """The question a while later: changed by a person, by the time, or because the trouble is gone."""
        left = approval.next_turn(before) - _now()
        if await self.changed_within(before, min(pause, left)):
            return self.asked
        turned = approval.turned(before, now=_now())
        if turned is before and await self.gone(before.asked_at):
            turned = approval.ended(before, "withdrawn", "the trouble went away by itself")
        if self.request is before:  # else an answer came in the very last moment
            self.request = turned
        return self.asked

    async def changed_within(self, before: ApprovalRequest, seconds: float) -> bool:
        """Wait for an answer or a handover, for so long at most."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self.request is not before, timeout=max(seconds, AT_ONCE))
        return self.request is not before

    async def tell(self, request: ApprovalRequest, happened: list[News]) -> None:
        """Write down what became of the question, keep it, and show it."""
        for each in happened:
            await self.teller.audit(each.event, each.says, part=each.part, **each.facts)
        if happened:
            await step(RemediationAgent.keep_approval, request, WRITE)
            self.teller.approval = request
        status: TicketStatus = "executing" if request.status == "approved" else "waiting_for_approval"
        for each in happened:
            await self.teller.ticket(status, each.says)


def _refuse(reason: str | None) -> None:
    if reason:
        raise ApplicationError(reason, type="Refused", non_retryable=True)


def _now() -> float:
    return workflow.now().timestamp()
