"""Shadow mode: what automation would have done, set beside what people did, on the incidents on record.

Of each incident that has ended, the first proposal is what automation would have begun with. The gate is
asked again as it was asked then, with the level of autonomy at `auto`: would it have acted alone? Then what
people did says whether that would have been right:

    right      the plan was carried out and brought recovery, or a person named its service as the cause
    wrong      it was carried out and brought none, people declined it, or they named another service
    needless   it recovered before anything was done
    unknown    nobody answered and nobody said what it was: that counts for nothing

Wrong ones that would have touched a service that was well, and those after which something could not be taken
back, would have harmed. Rates have exact intervals (Clopper and Pearson, "The use of confidence or fiducial
limits illustrated in the case of the binomial", Biometrika 26, 1934); autonomy may be raised where even the
upper end of the rate of wrong ones is within the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from causal.evidence import Fact, Fault, Probability
from playbooks.gate import GateInput, Policy, decide
from playbooks.policy import ErrorBudget
from playbooks.recovery import well_before
from playbooks.remedy import Attempt, AttemptStatus, Plan, StepStatus, Verdict
from playbooks.risk import lower_limit, upper_limit
from playbooks.ticket import Ticket

Asked = Callable[[str, Plan], GateInput | None]
_OPEN_ENDS = {StepStatus.UNKNOWN, StepStatus.UNDO_FAILED}


class Judgement(StrEnum):
    """What would have come of a first proposal."""

    RIGHT = "right"
    WRONG = "wrong"
    HARMFUL = "harmful"
    NEEDLESS = "needless"
    UNKNOWN = "unknown"


class Shadowed(Fact):
    """One incident: what would have been done, what people did, and what that says.

    ``alone`` is whether the gate would have let it act alone at the level `auto`, ``kept_by`` why not.
    """

    incident: str
    playbook: str
    fault: Fault
    service: str
    alone: bool
    kept_by: str = ""
    people: str
    judgement: Judgement
    says: str


class Rate(Fact):
    """So many of so many, and the interval that holds the true rate with 95 %."""

    count: int
    of: int
    low: Probability
    high: Probability

    @classmethod
    def exact(cls, count: int, of: int) -> Rate:
        """The interval of Clopper and Pearson."""
        if not of:
            return cls(count=0, of=0, low=0.0, high=1.0)
        return cls(count=count, of=of, low=lower_limit(count, of, 0.025), high=upper_limit(count, of, 0.025))


class Score(Fact):
    """A playbook with one kind of fault, or all together (empty): how it would have done.

    ``agreement``, ``wrong`` and ``harmful`` are shares of those of which something is known; ``alone`` counts
    what the gate would have let it do alone, ``wrong_alone`` which of these were wrong. ``worst`` is the rate
    of wrong ones that is exceeded with 5 % at most, ``enough`` whether it is within the budget, and
    ``lacking`` how many more right ones in a row would bring it there.
    """

    playbook: str = ""
    fault: Fault | None = None
    incidents: int
    agreement: Rate
    wrong: Rate
    harmful: Rate
    needless: int
    unknown: int
    alone: int
    wrong_alone: Rate
    worst: Probability
    enough: bool
    lacking: int


class Report(Fact):
    """All incidents, and the scores: first all together, then playbook by playbook and fault by fault."""

    incidents: tuple[Shadowed, ...] = ()
    scores: tuple[Score, ...] = ()


def shadow(tickets: Iterable[Ticket], asked: Asked, budget: ErrorBudget) -> Report:
    """Compare; ``asked`` gives what the gate looked at when a plan was made (None: it is not on record)."""
    seen = tuple(found for ticket in tickets if (found := shadowed(ticket, asked)) is not None)
    kinds = sorted({(each.playbook, each.fault) for each in seen})
    scores = [_score("", None, seen, budget)] if seen else []
    for playbook, fault in kinds:
        mine = [each for each in seen if (each.playbook, each.fault) == (playbook, fault)]
        scores.append(_score(playbook, fault, mine, budget))
    return Report(incidents=seen, scores=tuple(scores))


def shadowed(ticket: Ticket, asked: Asked) -> Shadowed | None:
    """What automation would have made of an ended incident; None where nothing was proposed."""
    if ticket.ended_at is None or not ticket.proposals:
        return None
    plan = ticket.proposals[0].plan
    attempt = next((each for each in ticket.attempts if each.plan.id == plan.id), None)
    judgement, says = _judged(plan, attempt, ticket)
    kept_by = _kept_by(asked(ticket.id, plan))
    return Shadowed(
        incident=ticket.id,
        playbook=plan.playbook,
        fault=plan.fault,
        service=plan.service,
        alone=not kept_by,
        kept_by=kept_by,
        people=attempt.status.replace("_", " ") if attempt else "not asked",
        judgement=judgement,
        says=says,
    )


def at_level_auto(policy: Policy) -> Policy:
    """The same policy with all autonomy that there is; everything else that it asks for still holds."""
    rules = tuple(rule.model_copy(update={"autonomy": "auto"}) for rule in policy.rules)
    return policy.model_copy(update={"autonomy": "auto", "rules": rules})


def _kept_by(given: GateInput | None) -> str:
    if given is None:
        return "what the gate looked at is not on record"
    decision = decide(given.model_copy(update={"policy": at_level_auto(given.policy)}))
    return "" if decision.verdict is Verdict.EXECUTE else " ".join(decision.reasons)


def _judged(plan: Plan, attempt: Attempt | None, ticket: Ticket) -> tuple[Judgement, str]:
    named = _named_cause(attempt, ticket)
    if named is not None and named != plan.service:
        return Judgement.HARMFUL, f"{plan.service} would have been treated, and it was {named}"
    status = attempt.status if attempt else None
    if attempt is not None and attempt.results and status is not AttemptStatus.STOPPED:
        return _carried_out(attempt)
    if named is not None:
        return Judgement.RIGHT, f"people said that it was {named}"
    if status is AttemptStatus.DECLINED:
        return Judgement.WRONG, f"people declined it: {attempt.because if attempt else ''}"
    if status is AttemptStatus.GONE:
        return Judgement.NEEDLESS, "it recovered before anybody answered"
    return Judgement.UNKNOWN, "nobody said what it was"


def _carried_out(attempt: Attempt) -> tuple[Judgement, str]:
    if attempt.status is AttemptStatus.RECOVERED:
        if well_before(attempt):
            return Judgement.NEEDLESS, "it was well before the first step"
        return Judgement.RIGHT, "it was carried out and brought recovery"
    left = [each.step for each in (*attempt.results, *attempt.undone) if each.status in _OPEN_ENDS]
    if left:
        return Judgement.HARMFUL, f"it brought no recovery, and {', '.join(left)} could not be taken back"
    return Judgement.WRONG, "it was carried out and brought no recovery"


def _named_cause(attempt: Attempt | None, ticket: Ticket) -> str | None:
    if ticket.cause is not None:
        return ticket.cause.service
    return attempt.corrected.service if attempt is not None and attempt.corrected is not None else None


_WRONG = {Judgement.WRONG, Judgement.HARMFUL}


def _score(playbook: str, fault: Fault | None, seen: Iterable[Shadowed], budget: ErrorBudget) -> Score:
    seen = tuple(seen)
    known = [each for each in seen if each.judgement in {Judgement.RIGHT, *_WRONG}]
    alone = [each for each in known if each.alone]
    wrong = _count(known, *_WRONG)
    worst = upper_limit(wrong, len(known), 1.0 - budget.certainty)
    return Score(
        playbook=playbook,
        fault=fault,
        incidents=len(seen),
        agreement=Rate.exact(_count(known, Judgement.RIGHT), len(known)),
        wrong=Rate.exact(wrong, len(known)),
        harmful=Rate.exact(_count(known, Judgement.HARMFUL), len(known)),
        needless=_count(seen, Judgement.NEEDLESS),
        unknown=_count(seen, Judgement.UNKNOWN),
        alone=sum(each.alone for each in seen),
        wrong_alone=Rate.exact(_count(alone, *_WRONG), len(alone)),
        worst=worst,
        enough=worst <= budget.wrong_at_most,
        lacking=_lacking(wrong, len(known), budget),
    )


def _count(seen: Iterable[Shadowed], *judgements: Judgement) -> int:
    return sum(each.judgement in judgements for each in seen)


def _lacking(wrong: int, known: int, budget: ErrorBudget) -> int:
    """How many more right ones in a row would be evidence enough: found by bisection, for it only falls."""

    def enough(more: int) -> bool:
        return upper_limit(wrong, known + more, 1.0 - budget.certainty) <= budget.wrong_at_most

    few, many = -1, 1
    while not enough(many):
        few, many = many, many * 2
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if enough(middle) else (middle, many)
    return many
