"""One case, one engine: who was blamed, in which order, how surely, how fast, and was it right.

An engine is given everything but the truth. A hypothesis is right when it names a service (or the pod, where
the truth has one) that was truly to blame, by its exact name; the kind of fault and the decisive step of a
run of agents are judged apart, where the truth knows them. An engine that fails is wrong, and said to fail.
"""

import time
from collections.abc import Callable, Sequence

from benchmarks.cases import Case, Incident
from benchmarks.memory import forget_peak, peak_bytes
from benchmarks.truth import KINDS, Cause, Told
from causal.evidence import Alert, Diagnosis, Fault, Hypothesis
from causal.telemetry import Telemetry

Engine = Callable[[Alert, Telemetry], Diagnosis]
Ranking = Callable[[Alert, Telemetry], Sequence[str]]
"""A method that only puts services in an order; it says nothing about how sure it is."""


class Guess(Told):
    """One hypothesis, as far as grading needs it."""

    service: str
    right: bool
    fault: Fault | None = None
    probability: float | None = None
    step: int | None = None


class Grade(Told):
    """What an engine made of one case; ``problem`` is why it could not. ``seconds`` are its own alone."""

    case: str
    set_name: str = ""
    system: str = ""
    signal: str = ""
    causes: tuple[Cause, ...] = ()
    guesses: tuple[Guess, ...] = ()
    seconds: float = 0.0
    peak_bytes: int | None = None
    problem: str = ""
    engine: str = ""
    """The version that an engine gives itself, where it does."""

    @property
    def rank(self) -> int | None:
        """The place (from 1) of the first right hypothesis."""
        return next((place for place, guess in enumerate(self.guesses, 1) if guess.right), None)

    @property
    def right(self) -> bool:
        return self.rank == 1

    @property
    def probability(self) -> float:
        """What the engine gave its first hypothesis; 0 if it had none."""
        return (self.guesses[0].probability or 0.0) if self.guesses else 0.0

    @property
    def kind_right(self) -> bool | None:
        """Whether the first hypothesis, being right, names the kind of fault too; None where unknown."""
        known = [KINDS[cause.fault] for cause in self.causes if cause.fault in KINDS]
        if not known or not self.right:
            return None
        return any(self.guesses[0].fault in kinds for kinds in known)

    @property
    def step_right(self) -> bool | None:
        """Whether the first hypothesis names the decisive step, whoever it blames; None where unknown."""
        known = {cause.step for cause in self.causes if cause.step is not None}
        if not known:
            return None
        return bool(self.guesses) and self.guesses[0].step in known


def ungraded(case: Case, causes: tuple[Cause, ...], problem: str, incident: Incident | None = None) -> Grade:
    """Grade a case that got no answer: it is wrong, and it is said why."""
    alert = incident[0] if incident else None
    return Grade(
        case=case.name,
        set_name=case.set_name,
        system=alert.system if alert else "",
        signal=alert.symptom.signal if alert else "",
        causes=causes,
        problem=problem or "no answer",
    )


def grade_engine(case: Case, causes: tuple[Cause, ...], incident: Incident, engine: Engine) -> Grade:
    """Have one incident diagnosed and compare with its truth."""
    forget_peak()
    began = time.perf_counter()
    try:
        verdict = engine(*incident)
    except Exception as error:  # noqa: BLE001  one bad case must not cost the figures of the others
        return ungraded(case, causes, f"{type(error).__name__}: {error}", incident)
    seconds, peak = time.perf_counter() - began, peak_bytes()
    guesses = tuple(_guess(hypothesis, causes) for hypothesis in verdict.hypotheses)
    graded = _graded(case, causes, incident, guesses, seconds)
    return graded.model_copy(update={"peak_bytes": peak, "engine": verdict.engine})


def grade_order(
    case: Case, causes: tuple[Cause, ...], incident: Incident, order: Sequence[str], seconds: float
) -> Grade:
    """Compare an order of services with the truth; what is named again does not count again."""
    return _graded(case, causes, incident, guesses_of(order, causes), seconds)


def guesses_of(order: Sequence[str], causes: Sequence[Cause]) -> tuple[Guess, ...]:
    """Judge each service of an order, each once."""
    return tuple(
        Guess(service=name, right=any(cause.is_among({name}) for cause in causes))
        for name in dict.fromkeys(order)
    )


def grade_ranking(case: Case, causes: tuple[Cause, ...], incident: Incident, ranking: Ranking) -> Grade:
    """Have one incident's services put in an order; a method that finds nothing to order has no answer."""
    began = time.perf_counter()
    order = ranking(*incident)
    seconds = time.perf_counter() - began
    if not order:
        return ungraded(case, causes, "nothing to go on", incident)
    return grade_order(case, causes, incident, order, seconds)


def _graded(
    case: Case, causes: tuple[Cause, ...], incident: Incident, guesses: tuple[Guess, ...], seconds: float
) -> Grade:
    return Grade(
        case=case.name,
        set_name=case.set_name,
        system=incident[0].system,
        signal=incident[0].symptom.signal,
        causes=causes,
        guesses=guesses,
        seconds=seconds,
    )


def _guess(hypothesis: Hypothesis, causes: Sequence[Cause]) -> Guess:
    named = {hypothesis.service, hypothesis.entity.name}
    return Guess(
        service=hypothesis.service,
        fault=hypothesis.fault,
        probability=hypothesis.probability,
        step=getattr(hypothesis, "step", None),
        right=any(cause.is_among(named) for cause in causes),
    )
