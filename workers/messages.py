"""What workflows and agents hand each other: small values and references, never telemetry itself."""

from __future__ import annotations

import hashlib

from causal.evidence import Alert, Diagnosis, Fact, Fault, Symptom, Window
from playbooks.remedy import (
    ApprovalRequest,
    Attempt,
    AttemptStatus,
    Decision,
    Outcome,
    Plan,
    PlannedStep,
    StepResult,
)
from playbooks.ticket import KnownCause, TicketStatus


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
    """One step of one plan, to be done (or undone, given the result of doing it).

    ``part`` counts the calls of an undo that has several. ``targets`` are locked by ``owner`` with this
    ``fence`` while the plan is at work.
    """

    incident: str
    trace_id: str
    plan: str
    plan_digest: str
    step: PlannedStep
    done: StepResult | None = None
    part: int = 0
    targets: tuple[str, ...] = ()
    owner: str = ""
    fence: int = 0

    @property
    def key(self) -> str:
        """The idempotency key: the same for every attempt, another one for each call of the undo."""
        undo = f"/undo/{self.part}" if self.part else "/undo"
        return f"{self.incident}/{self.plan}/{self.step.id}" + (undo if self.done else "")

    def of_part(self, part: int) -> StepOrder:
        """The order for one call of an undo that has several, counted from 0."""
        return self.model_copy(update={"part": part})


class PlanOrder(Fact):
    """One plan of one incident, about to begin.

    ``moment`` names this asking of the gate, ``approval`` is the question as it was answered, if there was
    one.
    """

    incident: str
    trace_id: str
    plan: Plan
    moment: str = "admitted"
    approval: ApprovalRequest | None = None


class Admission(Fact):
    """Whether a plan may begin now: not where it ``ends``, and not before somebody is asked if it must."""

    decision: Decision
    ends: AttemptStatus | None = None
    because: str = ""
    must_ask: bool = False


class LockOrder(Fact):
    """Hold what a plan acts on for ``lease`` seconds from now."""

    owner: str
    targets: tuple[str, ...]
    lease: float


class Held(Fact):
    """The fence of what is held, or who holds it."""

    fence: int = 0
    because: str = ""


class CheckOrder(Fact):
    """Look whether a symptom is gone since a moment, compared with the quiet time of a snapshot."""

    incident: str
    snapshot: str
    symptom: Symptom
    services: tuple[str, ...]
    baseline: Window
    since: float
    quiet_for: float


class Arrivals(Fact):
    """Alerts that an open incident has got at one time, new to it or not.

    Those that there is room for stand in ``alerts``; of ``others`` the fingerprints, for the count.
    """

    alerts: tuple[Alert, ...] = ()
    others: tuple[str, ...] = ()


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
    """What the priors say after a lesson; ``cause`` is what a person had said that it was."""

    says: str
    playbook: str | None = None
    fault: Fault | None = None
    confidence: float | None = None
    cause: KnownCause | None = None


class Relearned(Fact):
    """The quiet profile before and after it was learned anew at a moment: digests, and minutes remembered."""

    at: float
    before: str
    after: str
    minutes_before: int
    minutes_after: int


class Retrained(Fact):
    """What a retraining of the baselines changed: digests before and after, and what they rest on."""

    profile: Relearned
    calibration_before: str
    calibration_after: str
    labels: int = 0
    deeds_forgotten: int = 0

    @property
    def says(self) -> str:
        """All of it in one sentence."""
        profile = self.profile
        moved = "moved" if self.calibration_before != self.calibration_after else "unchanged"
        return (
            f"quiet profile of {profile.minutes_after} minutes (before {profile.minutes_before}), "
            f"calibration {moved} on {self.labels} labels, {self.deeds_forgotten} deeds forgotten"
        )
