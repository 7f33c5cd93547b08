"""The sections of a page that tell what may be done, who is asked, and what was done."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from playbooks.page import Code, Line, Section
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    Decision,
    Plan,
    PlannedStep,
    Proposal,
    StepResult,
    Verdict,
)
from playbooks.ticket import Ticket
from playbooks.words import ATTEMPTS, FAULTS, STEPS, VERDICTS, Tone, duration, percent, plain, when


def proposals(ticket: Ticket, *, detailed: bool = True) -> Section:
    """Show the plans with the gate's answers; only the one that matters shows each step's preview.

    Without details the other plans are left out.
    """
    first = _chosen(ticket)
    lines: list[Line | Code] = []
    shown = [each for each in ticket.proposals if detailed or each is first]
    for each in sorted(shown, key=lambda proposal: proposal is not first):
        lines.extend(_proposal(each, in_full=detailed and each is first))
    return Section("What may be done", tuple(lines))


def _chosen(ticket: Ticket) -> Proposal | None:
    asked = ticket.approval.plan if ticket.approval else None
    tried = {attempt.plan.id for attempt in ticket.attempts}
    ranked = sorted(
        ticket.proposals,
        key=lambda each: (
            each.plan.id != asked,
            each.plan.id not in tried,
            each.decision.verdict is Verdict.LEAVE,
        ),
    )
    return ranked[0] if ranked else None


def _proposal(proposal: Proposal, *, in_full: bool) -> Iterator[Line | Code]:
    plan, decision = proposal.plan, proposal.decision
    yield Line(f"{plan.playbook}: {plan.description}", mark="▸", tone="strong")
    yield Line(_impact(plan), label="impact", level=1)
    yield from _gate(decision)
    for number, step in enumerate(plan.steps, start=1):
        yield from _step(number, step, in_full=in_full)
    if in_full:
        yield Line(_recovery(plan), label="verify", level=1)


def _impact(plan: Plan) -> str:
    chance = f"chance to work {percent(plan.confidence)}, at least {percent(plan.confidence_floor)}"
    return f"{plan.impact}, for {plan.service}: {FAULTS[plan.fault]}; {chance}"


def _gate(decision: Decision) -> Iterator[Line]:
    tone: Tone = "plain" if decision.verdict is Verdict.EXECUTE else "strong"
    yield Line(VERDICTS[decision.verdict], label="gate", level=1, tone=tone)
    yield from (Line(reason, label="because", level=1) for reason in decision.reasons)


def _step(number: int, step: PlannedStep, *, in_full: bool) -> Iterator[Line | Code]:
    target = f" on {step.target}" if step.target else ""
    undo = f"; undo: {', '.join(call.action for call in step.undo.calls)}" if step.undo else ""
    yield Line(f"{step.id}: {step.action}{target}{undo}", label="step", figure=f"{number}.", level=1)
    if in_full and step.preview.strip():
        yield Code(step.preview, language=_language(step.preview), level=2)


def _language(preview: str) -> str:
    starts = tuple(line[:3] for line in preview.splitlines())
    return (
        "diff" if {"---", "+++"} <= set(starts) or any(each.startswith("@@") for each in starts) else "text"
    )


def _recovery(plan: Plan) -> str:
    signal = "the signal" if plan.signal == "unknown" else plan.signal.replace("_", " ")
    quiet = duration(plan.quiet_for)
    return f"{signal} back to normal within {duration(plan.within)}, and for {quiet} on end"


def approval(ticket: Ticket, began: float) -> Section:
    """Show the open question with how to answer it, or the answer."""
    request = ticket.approval
    if request is None:
        return Section("", ())
    if request.status == "open":
        return Section("Your answer", tuple(_question(request, began)), must=True)
    return Section("Approval", tuple(_answer(request)))


def _question(request: ApprovalRequest, began: float) -> Iterator[Line]:
    name = shlex.quote(plain(request.id))
    yield Line(f"aitia approve {name}", label="yes", level=1, form="command", tone="good")
    yield Line(f"aitia decline {name} --because ...", label="no", level=1, form="command", tone="bad")
    yield Line(f"{when(request.expires_at, began)}; silence means no", label="until", level=1, tone="wait")
    yield Line(
        f"aitia decline {name} --it-was SERVICE:FAULT", label="or", level=1, form="command", tone="bad"
    )
    yield Line(_who_may(request, began), label="who", level=1)
    if request.asked_by:
        yield Line(f"{', '.join(request.asked_by)}, who asked for it", label="not", level=1)
    if request.answered_by:
        yield Line(", ".join(request.answered_by), label="so far", level=1)
    yield from (Line(f"{each.to} for {each.by}", label="handed on", level=1) for each in request.delegations)
    if request.note:
        yield Line(request.note, label="note", level=1, tone="wait")


def _who_may(request: ApprovalRequest, began: float) -> str:
    who = f"{request.quorum} of: {', '.join(request.approvers) or 'anyone with access'}"
    if not request.escalate_to:
        return who
    later = ", ".join(request.escalate_to)
    if request.escalated_at is not None:
        return f"{who}; and of: {later}, asked {when(request.escalated_at, began)}"
    return f"{who}; from {when(request.escalate_at or request.expires_at, began)} on also of: {later}"


def _answer(request: ApprovalRequest) -> Iterator[Line]:
    by = f" by {', '.join(request.answered_by)}" if request.answered_by else ""
    because = f": {request.because}" if request.because else ""
    yield Line(f"{request.status}{by}{because}", label="answer", level=1)
    if request.corrected:
        was = request.corrected
        yield Line(f"{was.service}: {FAULTS[was.fault]}", label="it was", level=1)


def attempts(ticket: Ticket, *, detailed: bool = True) -> Section:
    """Show what was done: each step with its result, what was undone, and whether it helped."""
    lines: list[Line] = []
    for number, attempt in enumerate(ticket.attempts, start=1):
        lines.extend(_attempt(number, attempt, detailed=detailed))
    return Section("What was done", tuple(lines))


def _attempt(number: int, attempt: Attempt, *, detailed: bool) -> Iterator[Line]:
    words, tone = ATTEMPTS[attempt.status]
    yield Line(f"{attempt.plan.playbook}: {words}", mark=f"{number}.", tone=tone)
    if attempt.approved_by:
        yield Line(", ".join(attempt.approved_by), label="allowed", level=1)
    if attempt.because:
        yield Line(attempt.because, label="because", level=1)
    yield from (_result(result, detailed=detailed) for result in attempt.results)
    yield from (_result(result, detailed=detailed) for result in attempt.undone)
    if attempt.verification:
        seen = attempt.verification
        yield Line(seen.says, label="after", level=1, tone="good" if seen.recovered else "bad")


def _result(result: StepResult, *, detailed: bool) -> Line:
    mark, words, tone = STEPS[result.status]
    detail = f": {result.detail}" if result.detail else ""
    took = f" in {duration(result.ended_at - result.started_at)}" if detailed and result.ended_at else ""
    says = f"{result.step} ({result.action}) {words}{took}{detail}"
    return Line(says, label="step", figure=mark, level=1, tone=tone)
