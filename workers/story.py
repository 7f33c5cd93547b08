"""The sentences that tickets and audit rows are told in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from causal.evidence import Alert, Diagnosis
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    AttemptStatus,
    Outcome,
    Plan,
    Proposal,
    StepResult,
    StepStatus,
    Verdict,
)
from playbooks.words import iso

_ENDINGS = {
    AttemptStatus.RECOVERED: "recovered",
    AttemptStatus.NOT_RECOVERED: "no plan brought recovery",
    AttemptStatus.FAILED: "the plan could not be carried out",
    AttemptStatus.DECLINED: "the plan was declined",
    AttemptStatus.EXPIRED: "nobody approved in time",
    AttemptStatus.GONE: "not needed",
    AttemptStatus.LEFT: "left to humans",
    AttemptStatus.STOPPED: "stopped before its end",
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


@dataclass(frozen=True)
class News:
    """Something that happened to a question: an event of the audit log, and what people are told of it."""

    event: str
    says: str
    part: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


def asked(request: ApprovalRequest) -> News:
    """The question that a plan needs answered."""
    who = ", ".join(request.approvers) or "anyone with access"
    note = f"; {request.note}" if request.note else ""
    says = (
        f"approval asked: {request.title}, {request.quorum} of {who}, until {iso(request.expires_at)}{note}"
    )
    bound = {"binding": request.binding, "asked_by": request.asked_by, "expires_at": request.expires_at}
    return News(
        "approval.asked", says, facts={**bound, "approvers": request.approvers, "quorum": request.quorum}
    )


def news(before: ApprovalRequest, after: ApprovalRequest) -> Iterator[News]:
    """What became of a question since."""
    for number, handed in enumerate(after.delegations[len(before.delegations) :], len(before.delegations)):
        says = f"{handed.by} hands their vote to {handed.to}"
        yield News("approval.delegated", says, str(number), {"by": handed.by, "delegated_to": handed.to})
    for number, vote in enumerate(after.votes[len(before.votes) :], len(before.votes) + 1):
        says = f"{vote.by} approves ({vote.right}): {number} of {after.quorum}"
        yield News("approval.voted", says, str(number), {"by": vote.by, "right": vote.right})
    if after.escalated_at != before.escalated_at:
        says = f"nobody decided yet: {', '.join(after.escalate_to)} may answer too from now on"
        yield News("approval.escalated", says, facts={"escalate_to": after.escalate_to})
    if after.status != before.status:
        yield _closed(after)


def _closed(request: ApprovalRequest) -> News:
    by = ", ".join(request.answered_by) or "nobody"
    was = request.corrected
    instead = f"it was {was.service}: {was.fault.replace('_', ' ')}" if was else ""
    says = f"approval {request.status} by {by} {request.because} {instead}".strip()
    facts = {"binding": request.binding, "by": request.answered_by}
    corrected = {"corrected": was.model_dump(mode="json")} if was else {}
    return News(f"approval.{request.status}", says, facts={**facts, **corrected})


def step_done(result: StepResult) -> str:
    """How a step ended, and where that is not known, that it is not."""
    if result.status is StepStatus.UNKNOWN:
        return f"step {result.step}: it is not known whether it took effect. {result.detail}".strip()
    return f"step {result.step}: {result.status.replace('_', ' ')}. {result.detail}".strip()


def step_undone(result: StepResult) -> str:
    """How taking back a step ended."""
    return f"step {result.step} taken back: {result.status.replace('_', ' ')}. {result.detail}".strip()


def what_stands(plan: Plan, results: tuple[StepResult, ...], undone: tuple[StepResult, ...]) -> str:
    """What is in place, what is not, and what is not known, once a plan ended before its end."""
    back = {result.step for result in undone if result.status is StepStatus.UNDONE}
    untouched = {result.step for result in undone if result.status is StepStatus.STOPPED}
    doubtful = {result.step for result in undone} - back - untouched
    status = {result.step: result.status for result in results}
    named = {step.id: _standing(step.id, status, back, doubtful) for step in plan.steps}
    told = [
        f"{words}: {', '.join(step for step, said in named.items() if said == words)}"
        for words in dict.fromkeys(named.values())
    ]
    return "; ".join(told)


def _standing(step: str, status: Mapping[str, StepStatus], back: set[str], doubtful: set[str]) -> str:
    if step in back:
        return "taken back"
    if step in doubtful:
        return "not surely taken back"
    if status.get(step) is StepStatus.UNKNOWN:
        return "not known whether in place"
    return "in place" if status.get(step) in {StepStatus.DONE, StepStatus.ALREADY_DONE} else "not done"


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
