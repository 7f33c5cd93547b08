"""The learning agent: what does this incident teach the next one?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from temporalio import activity

from causal.calibrate import shipped
from causal.errors import Conflict
from causal.evidence import Lesson, Priors
from integrations.anchors import Anchor, keep_head
from integrations.ports import AuditEntry, AuditLog, Incidents, PriorStore
from playbooks.catalog import Catalog
from playbooks.confidence import confidence_on
from playbooks.drift import Drift
from playbooks.gate import Policy
from playbooks.recovery import Spell, spells_of
from playbooks.remedy import Attempt
from playbooks.ticket import KnownCause, Ticket
from workers.autonomy import Autonomy
from workers.lessons import carried_out, cause_told, lessons_of, word_of
from workers.messages import Ending, Learned, Relearned, Retrained

INCIDENTS_REMEMBERED = 500


@dataclass(frozen=True)
class LearningAgent:
    """Turns outcomes into the priors that the next incident reads."""

    priors: PriorStore
    catalog: Catalog
    incidents: Incidents
    audit: AuditLog
    policy: Callable[[], Policy] = Policy
    anchors: tuple[Anchor, ...] = ()

    @activity.defn
    def learn(self, ending: Ending) -> Learned:
        """Take each plan's lesson once, and what people said of the cause; say what the last one changed."""
        outcome, ticket = ending.outcome, self.incidents.get(ending.incident.id)
        for lesson in lessons_of(outcome, ticket, self._spells(ticket, outcome.attempts)):
            self.priors.learn(lesson)
        cause = cause_told(outcome, ticket)
        if cause is not None:
            self._take(ticket, cause)
        self.autonomy.check(outcome.ended_at)
        tried = [attempt for attempt in outcome.attempts if carried_out(attempt)]
        told = self._told(tried[-1], outcome.ended_at) if tried else Learned(says=_untried(outcome.attempts))
        return told.model_copy(update={"cause": cause})

    @activity.defn
    def retrain(self, relearned: Relearned) -> Retrained:
        """Fit the calibration anew, forget deeds that are too old, and write down what has changed."""
        before = self.priors.current()
        at = relearned.at
        after = self.priors.learn(Lesson(incident="", plan=f"retrained/{at:.3f}", at=at))
        done = Retrained(
            profile=relearned,
            calibration_before=_calibration(before),
            calibration_after=_calibration(after),
            labels=len(after.labels),
            deeds_forgotten=max(len(before.deeds) - len(after.deeds), 0),
        )
        entry = AuditEntry(
            actor="learning agent",
            event="baselines.retrained",
            summary=done.says,
            facts=done.model_dump(mode="json"),
            key=f"baselines.retrained/{at:.3f}",
        )
        return Retrained.model_validate(self.audit.append(entry).entry.facts)

    @activity.defn
    def check_drift(self, at: float) -> Drift:
        """Withdraw autonomy where outcomes are worse than told, and give back what is earned again."""
        return self.autonomy.check(at)

    @activity.defn
    def anchor_head(self, at: float) -> str:
        """Hand the head of the audit log to the anchors; says who took it, nothing where nothing was new."""
        row = keep_head(self.audit, self.anchors, now=datetime.fromtimestamp(at, UTC))
        return row.entry.summary if row else ""

    @cached_property
    def autonomy(self) -> Autonomy:
        """What automation may do alone, as far as outcomes decide it."""
        return Autonomy(self.priors, self.audit, self.policy)

    def hear(self, incident: str, cause: KnownCause) -> Ticket:
        """Take a person's word for what the cause was; Conflict where it cannot be taken (any more)."""
        ticket = self.incidents.get(incident)
        if ticket.ended_at is None:
            raise Conflict(f"{incident} has not ended; say what its cause was when it has")
        self._take(ticket, cause)
        told = ticket.model_copy(update={"cause": cause})
        self.incidents.put(told)
        self.autonomy.check(cause.at)
        return told

    def _take(self, ticket: Ticket, cause: KnownCause) -> None:
        said = self.audit.append(_entry(ticket, cause)).entry
        if said.actor != cause.by or said.facts["service"] != cause.service:  # of two at once, one is first
            raise Conflict(f"{said.actor} has said already that it was {said.facts['service']}")
        self.priors.learn(word_of(cause, ticket))

    def _spells(self, ticket: Ticket, attempts: tuple[Attempt, ...]) -> tuple[Spell, ...]:
        """How long incidents lasted with nothing done, this one among them."""
        others = [known for known in self.incidents.all(INCIDENTS_REMEMBERED) if known.id != ticket.id]
        return spells_of([ticket.model_copy(update={"attempts": attempts}), *others])

    def _told(self, attempt: Attempt, at: float) -> Learned:
        plan = attempt.plan
        claim = self.catalog.get(plan.playbook).confidence
        known = confidence_on(claim, self.priors.current(), plan.playbook, plan.fault, plan.service, at=at)
        return Learned(
            says=f"{plan.playbook} for {plan.fault.replace('_', ' ')} of {plan.service} now works in "
            f"{known.mean:.0%} of cases (at least {known.floor:.0%} with 95 % certainty), "
            f"before {plan.confidence:.0%}",
            playbook=plan.playbook,
            fault=plan.fault,
            confidence=known.mean,
        )


def _untried(attempts: tuple[Attempt, ...]) -> str:
    declined = [attempt.plan.playbook for attempt in attempts if attempt.status == "declined"]
    return (
        f"{', '.join(declined)} was declined, which is kept"
        if declined
        else "nothing was tried, nothing learned"
    )


def _calibration(priors: Priors) -> str:
    return (priors.calibration or shipped()).digest()


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
