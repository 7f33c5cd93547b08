"""The sentences that tickets and audit rows are told in."""

from __future__ import annotations

from causal.evidence import Alert, Diagnosis
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    AttemptStatus,
    Outcome,
    Plan,
    Proposal,
    StepResult,
    Verdict,
)

_ENDINGS = {
    AttemptStatus.RECOVERED: "recovered",
    AttemptStatus.NOT_RECOVERED: "no plan brought recovery",
    AttemptStatus.FAILED: "the plan could not be carried out",
    AttemptStatus.DECLINED: "the plan was declined",
    AttemptStatus.EXPIRED: "nobody approved in time",
    AttemptStatus.GONE: "not needed",
    AttemptStatus.LEFT: "left to humans",
}


def opened(alert: Alert) -> str:
    """What an alert says, in one line."""
    if alert.summary:
        return alert.summary
    return f"{alert.symptom.signal} on {alert.symptom.service or alert.system or 'an unnamed system'}"


def diagnosed(diagnosis: Diagnosis) -> str:
    """The verdict in one line."""
    first = diagnosis.first
    if first is None:
        return "no cause found in the telemetry"
    blame = f" ({first.change.title or first.change.id[:12]})" if first.change else ""
    return f"{first.service}: {first.fault.replace('_', ' ')}{blame}, {first.probability:.0%} sure"


def planned(proposals: tuple[Proposal, ...]) -> str:
    """The first plan and what the gate says to it."""
    if not proposals:
        return "no playbook cures this; left to humans"
    plan, decision = proposals[0].plan, proposals[0].decision
    reasons = " ".join(decision.reasons)
    return f"{plan.playbook} on {plan.service}: {decision.verdict.replace('_', ' ')}. {reasons}"


def worth_more_than_showing(proposals: tuple[Proposal, ...]) -> bool:
    """Whether somebody is asked about the first plan, or it is carried out."""
    return bool(proposals) and proposals[0].decision.verdict in {Verdict.ASK, Verdict.EXECUTE}


def asking(plan: Plan, *, now: float) -> ApprovalRequest:
    """The question that a plan needs answered."""
    return ApprovalRequest(
        id=f"{plan.incident}-{plan.id}",
        incident=plan.incident,
        plan=plan.id,
        plan_digest=plan.digest(),
        title=f"{plan.playbook} on {plan.service}",
        approvers=plan.approvers,
        quorum=plan.quorum,
        asked_at=now,
        expires_at=now + plan.approval_expires,
    )


def step_done(result: StepResult) -> str:
    """How a step ended."""
    return f"step {result.step}: {result.status.replace('_', ' ')}. {result.detail}".strip()


def step_undone(result: StepResult) -> str:
    """How taking back a step ended."""
    return f"step {result.step} taken back: {result.status.replace('_', ' ')}. {result.detail}".strip()


def ended(incident: str, attempts: tuple[Attempt, ...], *, at: float) -> Outcome:
    """What an incident came to, by its last attempt."""
    if not attempts:
        return Outcome(
            incident=incident, status=AttemptStatus.LEFT, says="no plan; left to humans", ended_at=at
        )
    last = attempts[-1]
    status = last.status if last.status in _ENDINGS else AttemptStatus.LEFT
    because = f" ({last.because})" if last.because else ""
    says = f"{last.plan.playbook} on {last.plan.service}: {_ENDINGS[status]}{because}"
    return Outcome(incident=incident, status=status, says=says, attempts=attempts, ended_at=at)
