"""What automation may do alone, withdrawn and given back: by the watches for drift, or by a person.

Each is written to the audit log before it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from causal.errors import NotFound
from causal.evidence import Demotion, Lesson, Restoration
from integrations.ports import AuditEntry, AuditLog, PriorStore
from playbooks.drift import Drift, drift
from playbooks.gate import Policy

ACTOR = "learning agent"
ALL = "all playbooks"


@dataclass(frozen=True)
class Autonomy:
    """Withdraws autonomy where outcomes are worse than told, and gives it back."""

    priors: PriorStore
    audit: AuditLog
    policy: Callable[[], Policy] = Policy

    def look(self, at: float) -> Drift:
        """What the watches say; nothing is changed."""
        budget = self.policy().error_budget.wrong_at_most
        return drift(self.priors.current(), at=at, wrong_at_most=budget)

    def check(self, at: float) -> Drift:
        """Do what the watches ask for; a check that changes something is on record."""
        found = self.look(at)
        for demotion in found.demotions:
            self._demote(demotion)
        for restoration in found.restorations:
            self._restore(restoration)
        if found.changes:
            says = f"{len(found.demotions)} withdrawn, {len(found.restorations)} given back"
            self._record("drift.checked", ACTOR, says, f"{at:.3f}", found.model_dump(mode="json"))
        return found

    def give_back(self, playbook: str, *, by: str, because: str, at: float) -> tuple[Restoration, ...]:
        """A person gives autonomy back, to one playbook or (empty) to all; NotFound if there is nothing."""
        in_force = self.priors.current().demotions
        chosen = [known for known in in_force if playbook in {"", known.playbook}]
        if not chosen:
            withdrawn = ", ".join(known.playbook or ALL for known in in_force) or "nothing"
            raise NotFound(f"no autonomy of {playbook or ALL} was withdrawn; withdrawn is: {withdrawn}")
        given = tuple(Restoration(playbook=known.playbook, by=by, because=because, at=at) for known in chosen)
        for restoration in given:
            self._restore(restoration)
        return given

    def _demote(self, demotion: Demotion) -> None:
        name = demotion.playbook or ALL
        says = f"{name} must ask people: {demotion.because}"
        key = f"demoted/{name}/{demotion.at:.3f}"
        self._record("autonomy.demoted", ACTOR, says, key, demotion.model_dump(mode="json"))
        self.priors.learn(Lesson(incident="", plan=key, at=demotion.at, demotion=demotion))

    def _restore(self, restoration: Restoration) -> None:
        name = restoration.playbook or ALL
        says = f"{name} may act as the policy says: {restoration.because}"
        key = f"restored/{name}/{restoration.at:.3f}"
        self._record("autonomy.restored", restoration.by, says, key, restoration.model_dump(mode="json"))
        self.priors.learn(Lesson(incident="", plan=key, at=restoration.at, restoration=restoration))

    def _record(self, event: str, actor: str, summary: str, key: str, facts: dict[str, object]) -> None:
        entry = AuditEntry(actor=actor, event=event, summary=summary, facts=facts, key=f"{event}/{key}")
        self.audit.append(entry)
