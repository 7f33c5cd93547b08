"""The words after the verdict: what somebody wrote, what is proposed, what was allowed, done and seen.

`Written` is what people write: an unknown field is an error. All else is a `causal.evidence.Fact`: it travels
through workflows and tolerates fields of a newer version.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from causal.evidence import EntityKind, Fact, Fault, Probability, Signal

JsonValue = str | int | float | bool | None
Impact = Literal["low", "high"]

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: object) -> object:
    """Read a duration such as ``250ms``, ``60s``, ``10m``, ``2h`` or ``1d``; numbers are seconds already."""
    if not isinstance(text, str):
        return text
    match = _DURATION.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 60s, 10m or 2h")
    return float(match[1]) * _SECONDS[match[2]]


_WRITTEN_DURATION = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": r"^\s*(?!0*(\.0*)?[a-z])\d+(\.\d+)?(ms|s|m|h|d)\s*$"},
        ],
        "examples": ["250ms", "60s", "10m", "2h", "1d"],
    },
    mode="validation",
)

Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0), _WRITTEN_DURATION]


class Written(BaseModel):
    """Something that a person writes; a field we do not know is a mistake that we name."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Cure(Written):
    """A kind of fault, on a kind of entity, that a playbook is for."""

    fault: Fault
    entity: EntityKind | None = None


class Claim(Written):
    """What the author believes before any run: ``prior`` is the chance to work, worth ``weight`` runs."""

    prior: Probability = 0.5
    weight: float = Field(default=2.0, gt=0)


class Parameter(Written):
    """A typed look-up: where a value comes from and what it must look like."""

    source: str = Field(alias="from")
    pattern: str | None = None
    default: JsonValue = None


class Retry(Written):
    """How often a step is tried, with exponentially growing waits."""

    attempts: int = Field(default=1, ge=1, le=20)
    backoff: Duration = 2.0


class Call(Written):
    """An action with its parameters; ``$name`` and ``${name}`` stand for the playbook's parameters."""

    action: str
    arguments: dict[str, Any] = Field(default_factory=dict, alias="with")


class Undo(Call):
    """How a step is taken back; ``then`` follows in order, each once all before it took effect.

    What took up the step's effect (a reload, a restart) must take up its undo as well.
    """

    then: tuple[Call, ...] = ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """All of it, in order."""
        return self, *self.then


class Step(Call):
    """One step of a playbook."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    timeout: Duration = 60.0
    retry: Retry = Retry()
    undo: Undo | None = None


class Precondition(Written):
    """Something that must hold just before the first step."""

    check: str
    arguments: dict[str, Any] = Field(default_factory=dict, alias="with")


class Recovery(Written):
    """Recovered means: the signal is back within its baseline and stays so for ``quiet_for``."""

    signal: str = "$alert.signal"
    within: Duration = 600.0
    quiet_for: Duration = 60.0


class Verify(Written):
    """How recovery is recognised."""

    recovered_when: Recovery


class Limits(Written):
    """How often and how widely a playbook may act."""

    per_service_cooldown: Duration | None = None
    max_runs_per_day: int | None = Field(default=None, ge=1)
    blast_radius: int | None = Field(default=None, ge=1)


class ApprovalRule(Written):
    """Who may approve, how many of them, and until when; silence means no."""

    approvers: tuple[str, ...] = ()
    quorum: int = Field(default=1, ge=1)
    expires: Duration = 1800.0
    escalate_to: tuple[str, ...] = ()
    escalate_after: Duration | None = None


class Playbook(Written):
    """What may be done about a kind of fault."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    description: str
    cures: tuple[Cure, ...] = Field(min_length=1)
    impact: Impact
    confidence: Claim = Claim()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    preconditions: tuple[Precondition, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    verify: Verify | None = None
    limits: Limits = Limits()
    approval: ApprovalRule = ApprovalRule()


def _in_order(value: Any) -> Any:
    """The same value with its names in order, however deep: what is equal has one digest."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list | tuple) else value


Params = Annotated[dict[str, Any], AfterValidator(_in_order)]


class PlannedCall(Fact):
    """An action with every parameter filled in; ``target`` is what it acts on, for locks and readers."""

    action: str
    params: Params = {}
    target: str = ""


class PlannedUndo(PlannedCall):
    """How a step is taken back, ready but for what the step will report."""

    then: tuple[PlannedCall, ...] = ()

    @property
    def calls(self) -> tuple[PlannedCall, ...]:
        """All of it, in order."""
        return self, *self.then


class PlannedStep(PlannedCall):
    """One step, ready to run; ``preview`` is what the approver sees, a diff where there is one."""

    id: str
    timeout: float = 60.0
    attempts: int = 1
    backoff: float = 2.0
    undo: PlannedUndo | None = None
    preview: str = ""


class Plan(Fact):
    """A playbook applied to one hypothesis of one incident: everything an approver must know.

    ``id`` is unique within the incident. ``digest()`` identifies the exact plan: an approval is for a digest.
    ``approvers`` and ``escalate_to`` are roles; ``escalate_after`` (s) is half of the time to expiry where
    nothing else was written. ``evidence`` is the digest of the diagnosis that the plan answers,
    ``environment`` where its service runs.
    """

    id: str
    incident: str
    playbook: str
    playbook_digest: str = ""
    description: str = ""
    impact: Impact = "high"
    service: str
    fault: Fault
    cause: str = ""
    probability: Probability = 0.0
    confidence: Probability = 0.0
    confidence_floor: Probability = 0.0
    parameters: Annotated[dict[str, JsonValue], AfterValidator(_in_order)] = {}
    preconditions: tuple[PlannedCall, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    signal: Signal = "unknown"
    within: float = 600.0
    quiet_for: float = 60.0
    cooldown: float | None = None
    max_runs_per_day: int | None = None
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    approval_expires: float = 1800.0
    escalate_to: tuple[str, ...] = ()
    escalate_after: float | None = None
    blast_radius: int | None = None
    environment: str = "production"
    evidence: str = ""


class Verdict(StrEnum):
    """What the gate lets happen."""

    EXECUTE = "execute"
    ASK = "ask"
    SUGGEST = "suggest"
    LEAVE = "leave_to_humans"


class Decision(Fact):
    """The gate's answer with its reasons and the numbers it rests on.

    ``act_above`` is the threshold for acting alone that was in force (None: no chance was high enough) and
    ``act_above_because`` where it came from; ``policy`` is the digest of the policy, ``rule`` the number of
    its rule that applied (None: its defaults).
    """

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    probability: Probability = 0.0
    confidence_floor: Probability = 0.0
    autonomy: str = ""
    suggest_above: Probability = 0.7
    act_above: Probability | None = 0.99
    act_above_because: str = ""
    policy: str = ""
    rule: int | None = None


class Proposal(Fact):
    """A plan and what the gate says to it; ``asked_by`` names the people who brought it about, if any did."""

    plan: Plan
    decision: Decision
    asked_by: tuple[str, ...] = ()


class Vote(Fact):
    """A yes that counts: whose, when, and by what right (a role, or a vote that was handed over)."""

    by: str
    at: float
    right: str


class Delegation(Fact):
    """An approver's vote, handed to another person until the question expires."""

    by: str
    to: str
    at: float = 0.0


class Correction(Fact):
    """What a person who declined says that it was instead."""

    service: str
    fault: Fault = Fault.UNKNOWN
    by: str = ""
    because: str = ""
    at: float = 0.0


class ApprovalRequest(Fact):
    """A question to humans, bound to one exact plan; answered once, and only until ``expires_at``.

    ``binding`` is the digest of all that an approval is for (`playbooks.approval.binding`). ``seals`` are the
    digests of the one-shot tokens, one for each vote, in the order in which they are used up. ``asked_by``
    are the people who may not approve. ``escalate_to`` are the roles that may answer too from
    ``escalate_at`` on; ``escalated_at`` is when they were told. ``note`` is what approvers should know
    about the question itself.
    """

    id: str
    incident: str
    plan: str
    plan_digest: str
    binding: str = ""
    seals: tuple[str, ...] = ()
    title: str = ""
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    asked_by: tuple[str, ...] = ()
    asked_at: float
    expires_at: float
    escalate_to: tuple[str, ...] = ()
    escalate_at: float | None = None
    escalated_at: float | None = None
    status: Literal["open", "approved", "declined", "expired", "withdrawn"] = "open"
    votes: tuple[Vote, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    answered_by: tuple[str, ...] = ()
    because: str = ""
    corrected: Correction | None = None
    note: str = ""


class ApprovalAnswer(Fact):
    """A person's answer; valid only for what it is bound to, with a token that was not used yet.

    ``by`` and ``roles`` are whoever the door recognised, never what a request says of itself. ``proof``
    is made of the one-shot token (`playbooks.approval.proof_of`).
    """

    approval: str
    binding: str
    proof: str = ""
    approve: bool
    by: str
    roles: tuple[str, ...] = ()
    because: str = ""
    it_was: Correction | None = None


class Handover(Fact):
    """An approver's wish that another person answers in their place."""

    approval: str
    binding: str
    by: str
    roles: tuple[str, ...] = ()
    to: str
    to_roles: tuple[str, ...] = ()


class StepStatus(StrEnum):
    """How a step ended."""

    DONE = "done"
    ALREADY_DONE = "already_done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    STOPPED = "stopped"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class StepResult(Fact):
    """What a step did; ``effect`` is what the action reported, for people and for its undo.

    ``again`` says that trying once more may help.
    """

    step: str
    action: str
    key: str
    status: StepStatus
    detail: str = ""
    effect: dict[str, JsonValue] = {}
    again: bool = False
    started_at: float = 0.0
    ended_at: float = 0.0

    @property
    def stands(self) -> bool:
        """Whether the step's effect is in place now."""
        return self.status in {StepStatus.DONE, StepStatus.ALREADY_DONE}


class Verification(Fact):
    """Whether the symptom is gone, by the detectors that found it, on a window after the fix.

    ``well_since`` is when the unbroken healthy stretch began, be it before the fix (None: it is not well).
    """

    recovered: bool
    says: str
    since: float = 0.0
    checked_at: float = 0.0
    healthy_for: float = 0.0
    well_since: float | None = None


class AttemptStatus(StrEnum):
    """How carrying out a plan ended; gone means that the trouble went away before anybody answered."""

    RECOVERED = "recovered"
    NOT_RECOVERED = "not_recovered"
    FAILED = "failed"
    DECLINED = "declined"
    EXPIRED = "expired"
    SUGGESTED = "suggested"
    LEFT = "left_to_humans"
    GONE = "gone"
    STOPPED = "stopped"


IN_VAIN = frozenset({AttemptStatus.NOT_RECOVERED, AttemptStatus.FAILED})
"""How a plan ends that was carried out and did not help."""


class Attempt(Fact):
    """One plan, from the gate to the verification.

    ``approval`` is its question as it ended; ``corrected`` what a person who declined said that it was.
    """

    plan: Plan
    decision: Decision
    status: AttemptStatus
    approved_by: tuple[str, ...] = ()
    approval: ApprovalRequest | None = None
    corrected: Correction | None = None
    because: str = ""
    results: tuple[StepResult, ...] = ()
    undone: tuple[StepResult, ...] = ()
    verification: Verification | None = None


class Outcome(Fact):
    """How an incident ended."""

    incident: str
    status: AttemptStatus
    says: str = ""
    attempts: tuple[Attempt, ...] = ()
    ended_at: float = 0.0
