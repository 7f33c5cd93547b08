"""What an ended incident teaches, lesson by lesson: its plans, and what people said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from causal.evidence import Deed, Hypothesis, Lesson
from playbooks.recovery import Credit, Spell, Survival, by_itself, credit, first_effect
from playbooks.remedy import Attempt, AttemptStatus, Outcome, Verdict
from playbooks.ticket import KnownCause, Ticket

_WORKED = {
    AttemptStatus.RECOVERED: True,
    AttemptStatus.NOT_RECOVERED: False,
    AttemptStatus.FAILED: False,
}


def lessons_of(outcome: Outcome, ticket: Ticket, spells: Sequence[Spell]) -> Iterator[Lesson]:
    """A lesson for each plan that was carried out or declined; ``spells`` tell how incidents last."""
    for attempt in outcome.attempts:
        if carried_out(attempt):
            yield _of_deed(attempt, outcome, ticket, by_itself(spells, attempt.plan.fault))
        elif attempt.status is AttemptStatus.DECLINED:
            yield _of_decline(attempt, outcome)


def carried_out(attempt: Attempt) -> bool:
    """Whether a plan was carried out, as far as it went; one that was stopped by people teaches nothing."""
    return attempt.status in _WORKED and bool(attempt.results)


def cause_told(outcome: Outcome, ticket: Ticket) -> KnownCause | None:
    """The cause that a person named when declining a plan, if one did."""
    for attempt in outcome.attempts:
        if (told := attempt.corrected) is not None:
            first = _first(ticket)
            return KnownCause(
                service=told.service,
                fault=told.fault,
                confirmed=first is not None and first.service == told.service,
                by=told.by,
                at=told.at,
                because=told.because,
            )
    return None


def word_of(cause: KnownCause, ticket: Ticket) -> Lesson:
    """What a person's word about the cause teaches."""
    first = _first(ticket)
    return Lesson(
        incident=ticket.id,
        service=cause.service,
        fault=cause.fault,
        confirmed=cause.confirmed,
        raw_probability=first.raw_probability if first else None,
        probability=first.probability if first else None,
        unexplained=ticket.diagnosis.unexplained if ticket.diagnosis else 0.0,
        at=cause.at,
    )


def _of_deed(attempt: Attempt, outcome: Outcome, ticket: Ticket, curve: Survival) -> Lesson:
    plan, first, worked = attempt.plan, _first(ticket), _WORKED[attempt.status]
    merit = credit(attempt, ticket, curve) if worked else Credit.none()
    proven = merit.credit > 0.0  # what would have come as soon by itself confirms no cause
    right = proven and first is not None and first.service == plan.service
    at = max(result.ended_at for result in attempt.results) or outcome.ended_at
    return Lesson(
        incident=outcome.incident,
        plan=plan.id,
        playbook=plan.playbook,
        service=plan.service,
        fault=plan.fault,
        worked=worked,
        credit=merit.credit,
        debit=merit.debit,
        confirmed=True if proven else None,
        raw_probability=first.raw_probability if right and first else None,
        probability=first.probability if right and first else None,
        unexplained=ticket.diagnosis.unexplained if ticket.diagnosis else 0.0,
        at=at,
        deed=_deed(attempt, outcome.incident, at, merit) if first_effect([attempt]) is not None else None,
    )


def _deed(attempt: Attempt, incident: str, at: float, merit: Credit) -> Deed:
    plan, decision = attempt.plan, attempt.decision
    return Deed(
        incident=incident,
        plan=plan.id,
        playbook=plan.playbook,
        fault=plan.fault,
        service=plan.service,
        environment=plan.environment,
        chance=decision.probability * decision.confidence_floor,
        alone=decision.verdict is Verdict.EXECUTE and not attempt.approved_by,
        wrong=attempt.status is not AttemptStatus.RECOVERED,
        at=at,
        credit=merit.credit,
    )


def _of_decline(attempt: Attempt, outcome: Outcome) -> Lesson:
    return Lesson(
        incident=outcome.incident,
        plan=attempt.plan.id,
        playbook=attempt.plan.playbook,
        service=attempt.plan.service,
        fault=attempt.plan.fault,
        declined=True,
        at=outcome.ended_at,
        deed=_deed_spared(attempt, outcome) if _was_elsewhere(attempt) else None,
    )


def _was_elsewhere(attempt: Attempt) -> bool:
    told = attempt.corrected
    return told is not None and told.service != attempt.plan.service


def _deed_spared(attempt: Attempt, outcome: Outcome) -> Deed:
    """What automation alone would have done wrongly; without these, deeds would look better than they are."""
    deed = _deed(attempt, outcome.incident, outcome.ended_at, Credit.none())
    return deed.model_copy(update={"alone": False, "carried_out": False})


def _first(ticket: Ticket) -> Hypothesis | None:
    return ticket.diagnosis.first if ticket.diagnosis else None
