"""The learning agent: what does this incident teach the next one?"""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity

from causal.evidence import Lesson
from integrations.ports import PriorStore
from playbooks.catalog import Catalog
from playbooks.confidence import confidence
from playbooks.remedy import Attempt, AttemptStatus
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

    @activity.defn
    def learn(self, ending: Ending) -> Learned:
        """Take each carried-out plan's lesson once, and say what the last one changed."""
        carried_out = [attempt for attempt in ending.outcome.attempts if attempt.status in _WORKED]
        for attempt in carried_out:
            self.priors.learn(_lesson(ending.incident.id, attempt))
        return (
            self._told(carried_out[-1]) if carried_out else Learned(says="nothing was tried, nothing learned")
        )

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


def _lesson(incident: str, attempt: Attempt) -> Lesson:
    worked = _WORKED[attempt.status]
    return Lesson(
        incident=incident,
        playbook=attempt.plan.playbook,
        service=attempt.plan.service,
        fault=attempt.plan.fault,
        worked=worked,
        confirmed=True if worked else None,
    )
