"""Asking the gate, on the record: each answer is an audit row with all that it was made from.

Where an activity is tried again, the row that is there already is the decision: what was decided once is not
decided anew, by whatever clock. So the log and the deeds can not disagree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from integrations.audit_review import gate_version
from integrations.masking import without_secrets
from integrations.ports import AuditEntry, AuditLog, Incidents, KillSwitch, Locks, PriorStore
from playbooks.gate import GateInput, Policy, consider, decide
from playbooks.remedy import Decision, Plan
from workers.budget import at_work, spent


@dataclass(frozen=True)
class Gatekeeper:
    """Puts together what the gate looks at, asks it, and writes down both."""

    policy: Callable[[], Policy]
    priors: PriorStore
    incidents: Incidents
    locks: Locks
    kill_switch: KillSwitch
    audit: AuditLog
    clock: Callable[[], float] = time.time

    def decide(self, plan: Plan, moment: str, trace_id: str) -> Decision:
        """Ask about a plan at a moment of its life (``planned``, ``admitted``)."""
        now, stop = self.clock(), self.kill_switch.state()
        policy, priors = self.policy(), self.priors.current()
        held = self.locks.held(now=now)
        given = consider(
            plan,
            policy,
            priors,
            spent(plan, policy, at_work(self.incidents), priors.deeds, held, now=now),
            now=now,
            stopped=stop.stopped,
            stopped_because=f"{stop.by}: {stop.because}" if stop.stopped else "",
        )
        # decided on what the log will keep, so that its reader decides the same
        given = GateInput.model_validate(without_secrets(given.model_dump(mode="json")))
        decision = decide(given)
        row = self.audit.append(
            AuditEntry(
                incident=plan.incident,
                trace_id=trace_id,
                actor="gate",
                event="gate.decided",
                summary=f"{plan.playbook} on {plan.service}, {moment}: {decision.verdict.replace('_', ' ')}. "
                + " ".join(decision.reasons),
                facts={
                    "moment": moment,
                    "gate": gate_version(),
                    "given": given.model_dump(mode="json"),
                    "decision": decision.model_dump(mode="json"),
                },
                key=f"{plan.incident}/{plan.digest()}/gate/{moment}",
            )
        )
        return Decision.model_validate(row.entry.facts["decision"])
