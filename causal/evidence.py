"""The words up to the verdict: what was seen, what it may mean, and how sure that is.

Every value is frozen. Unknown fields are ignored and new fields have defaults, so that values written by an
older or a newer Aitia can still be read. Times are Unix seconds, durations seconds, probabilities 0 to 1,
evidence in nats (a log Bayes factor: positive speaks for "changed", negative for "as always").
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Signal = Literal["latency", "errors", "availability", "traffic", "saturation", "task_failure", "unknown"]


class Fact(BaseModel):
    """A frozen value; tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON of this value."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class Window(Fact):
    """A stretch of time, both ends included."""

    start: float
    end: float

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"a window ends ({self.end}) before it starts ({self.start})")
        return self

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def holds(self, moment: float) -> bool:
        """Whether a moment lies within."""
        return self.start <= moment <= self.end


class Symptom(Fact):
    """What hurts, as the alert tells it: nothing here says why."""

    service: str | None = None
    signal: Signal = "unknown"
    operation: str | None = None


class Alert(Fact):
    """Somebody or something says that a system is unwell.

    ``fingerprint`` is stable over repeats of the same alert; ``began_at`` is when the trouble began, where
    that is known. Labels are other people's text: never build a command or a query from them.
    """

    fingerprint: str
    source: str = "unknown"
    system: str = ""
    symptom: Symptom = Symptom()
    raised_at: float
    began_at: float | None = None
    summary: str = ""
    labels: dict[str, str] = {}
    url: str | None = None


class EntityKind(StrEnum):
    """What can be at fault."""

    SERVICE = "service"
    INSTANCE = "instance"
    OPERATION = "operation"
    EDGE = "edge"
    RESOURCE = "resource"
    CHANGE = "change"
    AGENT = "agent"
    TOOL = "tool"
    MODEL = "model"
    PROMPT = "prompt"
    MEMORY = "memory"


class Entity(Fact):
    """Something that can be at fault; ``service`` is the service it belongs to (a service is its own)."""

    kind: EntityKind
    name: str
    service: str

    @classmethod
    def of_service(cls, name: str) -> Self:
        """The service itself."""
        return cls(kind=EntityKind.SERVICE, name=name, service=name)

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"


class Fault(StrEnum):
    """The kinds of fault a hypothesis may name; playbooks say which of them they cure."""

    CONFIG_CHANGE = "config_change"
    DEPLOYMENT = "deployment"
    PROMPT_CHANGE = "prompt_change"
    LATENCY = "latency"
    NETWORK_DELAY = "network_delay"
    ERRORS = "errors"
    UNAVAILABLE = "unavailable"
    CPU = "cpu"
    MEMORY = "memory"
    POOL_EXHAUSTED = "pool_exhausted"
    TRAFFIC = "traffic"
    BAD_OUTPUT = "bad_output"
    DEPENDENCY = "dependency"
    CREDENTIALS = "credentials"
    CONFIGURATION = "configuration"
    RATE_LIMITED = "rate_limited"
    RESOURCE_LIMIT = "resource_limit"
    CONTENTION = "contention"
    CODE_ERROR = "code_error"
    BAD_DATA = "bad_data"
    MODEL_LIMIT = "model_limit"
    UNKNOWN = "unknown"


class Change(Fact):
    """Something that somebody changed: a commit, a version, a prompt.

    ``id`` is a commit hash or a version; ``previous`` the one before, where known.
    """

    id: str
    kind: Literal["config", "deployment", "prompt", "unknown"] = "unknown"
    service: str | None = None
    at: float
    repository: str | None = None
    title: str = ""
    author: str = ""
    previous: str | None = None
    files: tuple[str, ...] = ()


class Anomaly(Fact):
    """One signal of one entity that differs from quiet time.

    ``log_bayes_factor`` (nats) weighs "changed" against "as variable as quiet time shows"; ``amount`` is how
    much more there is of it in the incident (extra seconds waited, extra requests failed, in ``unit``);
    ``level_before`` and ``level_now`` are the signal's usual and present level for the reader. ``step`` is
    the place in a run of agents that it is about.
    """

    entity: Entity
    signal: str
    log_bayes_factor: float
    amount: float = 0.0
    unit: str = ""
    level_before: float | None = None
    level_now: float | None = None
    onset: float | None = None
    step: int | None = None
    says: str
    exemplars: tuple[str, ...] = ()


class CauseEdge(Fact):
    """One way that trouble spreads: from the key of a cause to the key of its effect."""

    source: str
    target: str
    mechanism: str
    strength: Probability
    reason: str


class CausalGraph(Fact):
    """Entities (by key) and how trouble spreads among them."""

    nodes: tuple[Entity, ...] = ()
    edges: tuple[CauseEdge, ...] = ()


class Evidence(Fact):
    """One reason to believe a hypothesis (positive weight, nats) or to doubt it (negative)."""

    says: str
    signal: str
    log_bayes_factor: float
    exemplars: tuple[str, ...] = ()


class Hypothesis(Fact):
    """One possible cause.

    ``raw_probability`` is the posterior of the network, ``probability`` the calibrated one. ``path`` names
    the services from the cause to the symptom. ``next_check`` is what would settle most for or against it.
    ``step`` is the decisive place in a failed run of agents, counted from 0.
    """

    service: str
    entity: Entity
    fault: Fault
    probability: Probability
    raw_probability: Probability
    path: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    against: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    next_check: str = ""
    change: Change | None = None
    onset: float | None = None
    step: int | None = None


class Diagnosis(Fact):
    """The verdict: ranked hypotheses, and how much probability none of them has.

    The probabilities of all hypotheses and ``none_of_these`` add up to one. ``minimal_set`` holds the keys of
    the entities that, had they been healthy, would have prevented the symptom. ``method`` says how the
    posterior was computed, ``calibration`` on what the probabilities rest; ``unexplained`` is the evidence
    (nats) that the first hypothesis does not explain; ``inputs`` is the digest of alert,
    telemetry and priors.
    """

    engine: str
    hypotheses: tuple[Hypothesis, ...] = ()
    none_of_these: Probability = 1.0
    minimal_set: tuple[str, ...] = ()
    missing_evidence: tuple[str, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    graph: CausalGraph = CausalGraph()
    method: str = ""
    calibration: str = ""
    unexplained: float = 0.0
    inputs: str = ""

    @property
    def first(self) -> Hypothesis | None:
        return self.hypotheses[0] if self.hypotheses else None


class PlaybookRecord(Fact):
    """How often a playbook cured a kind of fault, beyond what its author claimed beforehand.

    ``service`` is empty for the runs on all services together; ``at`` is the moment (Unix seconds) that the
    counts were last decayed to. ``declined`` counts how often people would not have it.
    """

    playbook: str
    fault: Fault
    service: str = ""
    successes: float = 0.0
    failures: float = 0.0
    declined: float = 0.0
    at: float = 0.0


class Deed(Fact):
    """One plan as the error budget counts it: carried out, or known to be wrong before it could be.

    ``chance`` is P(hypothesis) x floor of the playbook's confidence when it was decided, ``alone`` whether no
    human was asked. ``wrong``: no verified recovery, or a human said that the cause was something else.
    ``credit`` is what its recovery added to the playbook's successes. Not ``carried_out`` is one that a human
    declined because it was wrong: automation alone would have done it.
    """

    incident: str
    plan: str = ""
    playbook: str
    fault: Fault
    service: str
    environment: str = ""
    chance: Probability
    alone: bool
    wrong: bool
    at: float
    credit: Probability = 0.0
    carried_out: bool = True


class CauseRecord(Fact):
    """How often an entity was confirmed to be the cause of an incident."""

    service: str
    fault: Fault
    confirmed: float = 0.0


Weights = tuple[float, float, float, float]


class Label(Fact):
    """An incident whose true cause became known: what the engine had made of its first hypothesis.

    ``probability`` is the calibrated one that people were told, ``at`` when the cause became known.
    """

    incident: str
    raw_probability: Probability
    unexplained: float = 0.0
    right: bool
    probability: Probability | None = None
    at: float = 0.0


class Calibration(Fact):
    """How raw probabilities become calibrated ones, and how well that is known.

    ``weights`` are those of a one, of the log odds of the raw probability, of these as far as they are above
    nine to one, and of ln(1 + nats that the first hypothesis leaves unexplained); ``covariance`` is theirs,
    row by row; ``at`` is the mean of the four over the labels that they were fitted on. ``provenance`` says
    which these were, ``labels`` how many, ``site_labels`` how many of a site's own have moved the weights.
    """

    version: int
    engine: str = ""
    weights: Weights
    covariance: tuple[Weights, Weights, Weights, Weights]
    at: Weights = (1.0, 0.0, 0.0, 0.0)
    labels: int = 0
    site_labels: int = 0
    provenance: str = ""


class Demotion(Fact):
    """Autonomy withdrawn: a playbook (all of them where none is named) asks people, and why."""

    playbook: str = ""
    because: str
    at: float


class Restoration(Fact):
    """Autonomy given back, by a person or by the measure that had withdrawn it; what was before is over."""

    playbook: str = ""
    by: str
    because: str
    at: float


class Priors(Fact):
    """What earlier incidents taught; ``version`` grows by one with every lesson.

    ``calibration`` is the shipped line moved by this site's ``labels``; none before the first. At most one
    demotion and one restoration are kept for each playbook, the latest.
    """

    version: int = 0
    playbooks: tuple[PlaybookRecord, ...] = ()
    causes: tuple[CauseRecord, ...] = ()
    labels: tuple[Label, ...] = ()
    calibration: Calibration | None = None
    deeds: tuple[Deed, ...] = ()
    demotions: tuple[Demotion, ...] = ()
    restorations: tuple[Restoration, ...] = ()

    def record(self, playbook: str, fault: Fault, service: str = "") -> PlaybookRecord:
        """The record of a playbook for a kind of fault, on one service or on all; empty at first."""
        for known in self.playbooks:
            if (known.playbook, known.fault, known.service) == (playbook, fault, service):
                return known
        return PlaybookRecord(playbook=playbook, fault=fault, service=service)

    def demotion(self, playbook: str) -> Demotion | None:
        """Why a playbook may not act alone just now, if it may not."""
        return next((known for known in self.demotions if known.playbook in {"", playbook}), None)


class Lesson(Fact):
    """What one ended incident teaches.

    ``worked`` is whether the playbook brought recovery (None: it was not run). Of a recovery, ``credit`` is
    how far it speaks for the playbook and ``debit`` how far against it: what would have come as soon by
    itself is no merit. ``declined`` is whether people would not have the plan. ``confirmed`` is whether the
    first hypothesis was right, as far as anybody knows (None: nobody knows); ``raw_probability``,
    ``probability`` and ``unexplained`` are what the engine had made of it. ``service`` and ``fault`` are the
    true ones once something is known. ``demotion`` and ``restoration`` are learned like all else.
    """

    incident: str
    plan: str = ""
    playbook: str | None = None
    service: str | None = None
    fault: Fault = Fault.UNKNOWN
    worked: bool | None = None
    credit: Probability = 1.0
    debit: Probability = 0.0
    declined: bool = False
    confirmed: bool | None = None
    raw_probability: Probability | None = None
    probability: Probability | None = None
    unexplained: float = 0.0
    at: float = 0.0
    deed: Deed | None = None
    demotion: Demotion | None = None
    restoration: Restoration | None = None

    @property
    def key(self) -> str:
        """What of an incident this lesson is about: each is learned once, however often it is told."""
        return "/".join(part for part in (self.playbook, self.plan) if part)
