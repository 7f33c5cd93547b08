"""How a remediation tells what it does: to the incident's ticket, and to the audit log before it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow

from playbooks.remedy import ApprovalRequest, Plan
from playbooks.ticket import TicketStatus
from workers.messages import Note, Progress
from workers.policies import WRITE, step
from workers.remediation_agent import RemediationAgent


@dataclass
class Teller:
    """Speaks for one plan of one incident, from within its workflow; every ticket shows its ``approval``."""

    plan: Plan
    trace_id: str
    approval: ApprovalRequest | None = None

    async def ticket(self, status: TicketStatus, says: str) -> None:
        """Let the incident's ticket know."""
        parent = workflow.get_external_workflow_handle(self.plan.incident)
        progress = Progress(status=status, says=says, approval=self.approval)
        await parent.signal("progressed", progress)

    async def audit(self, event: str, summary: str, *, part: str = "", **facts: object) -> None:
        """Write a row about this plan; ``part`` tells apart what may happen several times."""
        row = Note(
            incident=self.plan.incident,
            trace_id=self.trace_id,
            key="/".join(filter(None, (self.plan.incident, self.plan.id, event, part))),
            actor="remediation agent",
            event=event,
            summary=summary,
            facts={"plan": self.plan.digest(), **facts},
        )
        await step(RemediationAgent.write_audit, row, WRITE)
