"""The learning agent: what does this incident teach the next one?"""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from causal.errors import Conflict
from causal.evidence import Lesson
from integrations.ports import AuditEntry, AuditLog, Incidents, PriorStore
from playbooks.catalog import Catalog
from playbooks.confidence import confidence
from playbooks.remedy import Attempt, AttemptStatus
from playbooks.ticket import KnownCause, Ticket
from workers.messages import Ending, Learned

_WORKED = {
    AttemptStatus.RECOVERED: True,
    AttemptStatus.NOT_RECOVERED: False,
    AttemptStatus.FAILED: False,
}


@dataclass(frozen=True)
class LearningAgent:
    """Turns outcomes into the priors that the next incident reads."""

    priors: PriorStore
    catalog: Catalog
    incidents: Incidents
    audit: AuditLog

    @activity.defn
    def learn(self, ending: Ending) -> Learned:
        """Take each carried-out plan's lesson once, and say what the last one changed."""
        carried_out = [attempt for attempt in ending.outcome.attempts if attempt.status in _WORKED]
        ticket = self.incidents.get(ending.incident.id) if carried_out else None
        for attempt in carried_out:
            self.priors.learn(_lesson(ending.incident.id, attempt, ticket))
        return (
            self._told(carried_out[-1]) if carried_out else Learned(says="nothing was tried, nothing learned")
        )

    def hear(self, incident: str, cause: KnownCause) -> Ticket:
        """Take a person's word for what the cause was; Conflict where it cannot be taken (any more)."""
        ticket = self.incidents.get(incident)
        first = ticket.diagnosis.first if ticket.diagnosis else None
        if ticket.ended_at is None:
            raise Conflict(f"{incident} has not ended; say what its cause was when it has")
        said = self.audit.append(_entry(ticket, cause)).entry
        if said.actor != cause.by or said.facts["service"] != cause.service:  # of two at once, one is first
            raise Conflict(f"{said.actor} has said already that it was {said.facts['service']}")
        self.priors.learn(
            Lesson(
                incident=incident,
                service=cause.service,
                fault=cause.fault,
                confirmed=cause.confirmed,
                raw_probability=first.raw_probability if first else None,
                unexplained=ticket.diagnosis.unexplained if ticket.diagnosis else 0.0,
            )
        )
        told = ticket.model_copy(update={"cause": cause})
        self.incidents.put(told)
        return told

    def _told(self, attempt: Attempt) -> Learned:
        plan = attempt.plan
        record = self.priors.current().record(plan.playbook, plan.fault)
        known = confidence(self.catalog.get(plan.playbook).confidence, record)
        return Learned(
            says=f"{plan.playbook} for {plan.fault.replace('_', ' ')} now works in {known.mean:.0%} of cases "
            f"(at least {known.floor:.0%} with 95 % certainty), before {plan.confidence:.0%}",
            playbook=plan.playbook,
            fault=plan.fault,
            confidence=known.mean,
        )


def _lesson(incident: str, attempt: Attempt, ticket: Ticket | None) -> Lesson:
    worked = _WORKED[attempt.status]
    verdict = ticket.diagnosis if ticket is not None else None
    first = verdict.first if verdict else None
    right = worked and first is not None and first.service == attempt.plan.service
    return Lesson(
        incident=incident,
        playbook=attempt.plan.playbook,
        service=attempt.plan.service,
        fault=attempt.plan.fault,
        worked=worked,
        confirmed=True if worked else None,
        raw_probability=first.raw_probability if right and first else None,
        unexplained=verdict.unexplained if verdict else 0.0,
    )


def _entry(ticket: Ticket, cause: KnownCause) -> AuditEntry:
    verb = "confirmed" if cause.confirmed else "corrected"
    return AuditEntry(
        incident=ticket.id,
        trace_id=ticket.trace_id,
        actor=cause.by,
        event=f"cause.{verb}",
        summary=f"{cause.by} {verb} the cause: {cause.service} ({cause.fault})",
        facts=cause.model_dump(mode="json"),
        key=f"{ticket.id}:cause",
    )
