"""What workflows and agents hand each other: small values and references, never telemetry itself."""

from __future__ import annotations

import hashlib

from causal.evidence import Alert, Diagnosis, Fact, Fault, Symptom, Window
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    Outcome,
    Plan,
    PlannedStep,
    StepResult,
)
from playbooks.ticket import TicketStatus


class Incident(Fact):
    """An incident as it is opened: its id and the alert that opened it.

    ``settle`` is how long (s) telemetry is given to arrive before it is frozen: the first seconds after an
    onset say little about its cause. Where the verdict is not sure enough to ask anybody, there are up to
    ``looks`` of them, each after a longer wait.
    """

    id: str
    alert: Alert
    settle: float = 8.0
    looks: int = 3

    @property
    def trace_id(self) -> str:
        return self.trace_of(self.id)

    @staticmethod
    def trace_of(incident: str) -> str:
        """The trace id (32 hex digits) of everything Aitia does about an incident."""
        return hashlib.sha256(f"aitia:{incident}".encode()).hexdigest()[:32]


class Observation(Fact):
    """What the metric agent saw: a reference to frozen telemetry and the windows it covers.

    ``missing`` says in words what could not be asked for.
    """

    incident: Incident
    alert: Alert
    snapshot: str
    baseline: Window
    window: Window
    missing: tuple[str, ...] = ()


class Diagnosed(Fact):
    """A diagnosis and what it was made from."""

    observation: Observation
    diagnosis: Diagnosis


class StepOrder(Fact):
    """One step of one plan, to be done (or undone, given the result of doing it)."""

    incident: str
    trace_id: str
    plan: str
    plan_digest: str
    step: PlannedStep
    done: StepResult | None = None

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt, another one for the undo."""
        return f"{self.incident}/{self.plan}/{self.step.id}" + ("/undo" if self.done else "")


class PlanOrder(Fact):
    """One plan of one incident."""

    incident: str
    trace_id: str
    plan: Plan


class CheckOrder(Fact):
    """Look whether a symptom is gone since a moment, compared with the quiet time of a snapshot."""

    incident: str
    snapshot: str
    symptom: Symptom
    services: tuple[str, ...]
    baseline: Window
    since: float
    quiet_for: float


class Progress(Fact):
    """How far a remediation has come, for the ticket."""

    status: TicketStatus
    says: str
    approval: ApprovalRequest | None = None


class Note(Fact):
    """One row for the audit log, in the words of a workflow."""

    incident: str
    trace_id: str
    key: str
    actor: str
    event: str
    summary: str
    facts: dict[str, object] = {}


class Ending(Fact):
    """A finished incident, to be learned from."""

    incident: Incident
    outcome: Outcome
    attempts: tuple[Attempt, ...] = ()


class Learned(Fact):
    """What the priors say after a lesson."""

    says: str
    playbook: str | None = None
    fault: Fault | None = None
    confidence: float | None = None
