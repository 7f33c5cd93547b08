"""How a plan is shown to who wrote its playbook: everything that an approver would see, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from causal.evidence import Alert, Diagnosis
from playbooks.remedy import Plan, PlannedStep, Proposal
from playbooks.words import VERDICTS, blamed, duration, percent, plain, plain_lines


@dataclass(frozen=True)
class Asked:
    """A plan with the gate's answer, and each precondition with why it does not hold (empty: it does)."""

    proposal: Proposal
    conditions: tuple[tuple[str, str], ...] = ()


def plan_text(diagnosis: Diagnosis, alert: Alert, asked: tuple[Asked, ...], skipped: tuple[str, ...]) -> str:
    """Say what would be done, and what would not and why."""
    return "\n".join(_lines(diagnosis, alert, asked, skipped))


def _lines(
    diagnosis: Diagnosis, alert: Alert, asked: tuple[Asked, ...], skipped: tuple[str, ...]
) -> Iterator[str]:
    first = diagnosis.first
    said = f"{blamed(first)} ({percent(first.probability)})" if first else "no cause found"
    yield plain(f"{alert.summary or alert.fingerprint}: {said}")
    for each in asked:
        yield ""
        yield from _plan(each)
    if skipped:
        yield ""
        yield "Not proposed:" if asked else "It would not be proposed:"
        yield from (f"  - {plain(reason)}" for reason in skipped)
    yield ""
    yield "Nothing was changed, and nobody was asked."


def _plan(asked: Asked) -> Iterator[str]:
    plan, decision = asked.proposal.plan, asked.proposal.decision
    yield plain(f"{plan.id}  {plan.playbook} on {plan.service} ({plan.environment}): {plan.description}")
    yield _row("cause", f"{plan.cause}, {plan.fault}, {percent(plan.probability)}")
    chance = f"{percent(plan.confidence)}, at least {percent(plan.confidence_floor)}"
    yield _row("impact", f"{plan.impact}; chance to help {chance}")
    yield _row("gate", VERDICTS[decision.verdict])
    yield from (_row("", f"because: {reason}") for reason in decision.reasons)
    yield _row("approval", _approval(plan))
    yield from (_row("with", f"{name} = {value}") for name, value in plan.parameters.items())
    for check, broken in asked.conditions:
        yield _row("if", f"{check}: {'does not hold: ' + broken if broken else 'holds now'}")
    for number, step in enumerate(plan.steps, start=1):
        yield from _step(number, step)
    signal = "the alert's signal" if plan.signal == "unknown" else plan.signal.replace("_", " ")
    quiet = f"quiet for {duration(plan.quiet_for)} within {duration(plan.within)}"
    yield _row("verify", f"{signal}, {quiet}")
    yield _row("digest", plan.digest())


def _approval(plan: Plan) -> str:
    who = ", ".join(plan.approvers) or "anybody who is known"
    later = (
        f"; {', '.join(plan.escalate_to)} too after {duration(plan.escalate_after)}"
        if plan.escalate_to and plan.escalate_after
        else ""
    )
    return f"{plan.quorum} of {who}, within {duration(plan.approval_expires)}{later}"


def _step(number: int, step: PlannedStep) -> Iterator[str]:
    tries = "1 try" if step.attempts == 1 else f"{step.attempts} tries"
    yield _row(f"{number}.", f"{step.id}: {step.action} on {step.target} ({duration(step.timeout)}, {tries})")
    yield from (f"             | {line}" for line in plain_lines(step.preview))
    undo = ", then ".join(call.action for call in step.undo.calls) if step.undo else "none is declared"
    yield _row("", f"undo: {undo}")


def _row(label: str, says: str) -> str:
    return f"  {label:9}{plain(says)}"
