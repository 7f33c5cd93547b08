"""Replay: what would be decided today about the incidents on record, if something of it were changed.

Autonomy that was earned with one engine, policy or set of playbooks is not earned with another. So before a
change goes in, the site's own incidents are put through it: the telemetry that was frozen then, what had been
learned until then, the budgets and the kill switch of that moment, as far as the record has them. Only the
changed thing differs; what differs in the answers is its doing. (To judge by a record a policy that did not
make it is off-policy evaluation; here decisions are deterministic, so that nothing has to be estimated: each
one either changes or does not.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from causal.errors import AitiaError
from causal.evidence import Alert, Diagnosis, Fact, Lesson, Priors
from causal.learn import learn
from causal.telemetry import Telemetry
from integrations.audit_review import DECIDED
from integrations.ports import AuditLog
from playbooks.catalog import Catalog
from playbooks.gate import Budget, GateInput, Policy, consider, decide
from playbooks.known import KnownAction, KnownActions
from playbooks.planning import Planning, ServiceFacts, plans_for
from playbooks.remedy import Decision, JsonValue, Plan
from playbooks.ticket import Ticket

SAME_PROBABILITY = 1e-9
Recording = tuple[Alert, Telemetry]


class Answer(Fact):
    """What was decided about an incident: the first hypothesis, the first plan, and what the gate said.

    ``reasons`` are the gate's, or why there is no plan; they are told and not compared.
    """

    cause: str = ""
    fault: str = ""
    probability: float = 0.0
    plan: str = ""
    parameters: dict[str, JsonValue] = {}
    verdict: str = ""
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        diagnosis: Diagnosis | None,
        plan: Plan | None,
        decision: Decision | None,
        skipped: tuple[str, ...] = (),
    ) -> Answer:
        """Put together what was decided, as far as it came to that."""
        first = diagnosis.first if diagnosis else None
        return cls(
            cause=first.entity.key if first else "",
            fault=str(first.fault) if first else "",
            probability=first.probability if first else 0.0,
            plan=f"{plan.playbook} on {plan.service}" if plan else "",
            parameters=plan.parameters if plan else {},
            verdict=str(decision.verdict) if decision else "",
            reasons=decision.reasons if decision else skipped,
        )

    def differs(self, other: Answer, tolerance: float = SAME_PROBABILITY) -> tuple[str, ...]:
        """Name what is different; probabilities as near to each other as the ``tolerance`` are the same."""
        names = [
            name
            for name in ("cause", "fault", "plan", "parameters", "verdict")
            if getattr(self, name) != getattr(other, name)
        ]
        moved = abs(self.probability - other.probability) > tolerance
        return (*names, *(["probability"] if moved else []))


class Replayed(Fact):
    """One incident: what was decided, what would be today, and in what they differ.

    ``trouble`` says why it could not be replayed.
    """

    incident: str
    before: Answer = Answer()
    now: Answer = Answer()
    changed: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Past:
    """An incident on record; ``given`` is what the gate looked at then, ``priors`` what had been learned.

    ``plans`` are all that were proposed: what they were filled in with is what was known of the services.
    """

    incident: str
    alert: Alert
    recording: Callable[[], Recording]
    diagnosis: Diagnosis | None = None
    plan: Plan | None = None
    decision: Decision | None = None
    given: GateInput | None = None
    priors: Priors = field(default_factory=Priors)
    plans: tuple[Plan, ...] = ()

    @property
    def answer(self) -> Answer:
        """What was decided then."""
        return Answer.of(self.diagnosis, self.plan, self.decision)


@dataclass(frozen=True)
class Today:
    """What is replayed as it is now; the rest is taken from the record."""

    policy: Policy
    catalog: Catalog
    engine: bool = True
    policy_too: bool = True
    playbooks_too: bool = True
    facts: ServiceFacts = lambda _: {}

    def answer(self, past: Past) -> Answer:
        """Decide about an incident anew."""
        diagnosis, alert = past.diagnosis, past.alert
        if self.engine or diagnosis is None:
            from causal.diagnose import diagnose  # heavy, and a policy alone can be replayed without it

            alert, telemetry = past.recording()
            diagnosis = diagnose(alert, telemetry, past.priors)
        planning = self._planning(past, diagnosis, alert)
        if not planning.plans:
            return Answer.of(diagnosis, None, None, planning.skipped)
        plan = planning.plans[0]
        policy = self.policy if self.policy_too or past.given is None else past.given.policy
        return Answer.of(diagnosis, plan, decide(_given(plan, policy, past)))

    def _planning(self, past: Past, diagnosis: Diagnosis, alert: Alert) -> Planning:
        if not (self.engine or self.playbooks_too):
            return Planning(plans=(past.plan,) if past.plan else ())
        catalog = Catalog(self.catalog.playbooks, unlooked(self.catalog.actions), self.catalog.checks)
        known = _known_then(past.plans, self.catalog)

        def facts(service: str) -> Mapping[str, JsonValue]:
            return {**self.facts(service), **known.get(service, {})}

        return plans_for(diagnosis, alert, past.incident, catalog, past.priors, facts=facts)


def replayed(
    past: Past, today: Today, before: Answer | None = None, tolerance: float = SAME_PROBABILITY
) -> Replayed:
    """Replay one incident; compare with what was decided then, or with another answer."""
    was = before or past.answer
    try:
        now = today.answer(past)
    except AitiaError as error:
        return Replayed(incident=past.incident, before=was, trouble=str(error))
    return Replayed(incident=past.incident, before=was, now=now, changed=was.differs(now, tolerance))


def on_record(
    tickets: Iterable[Ticket],
    log: AuditLog,
    lessons: Iterable[Lesson],
    load: Callable[[str], Recording],
) -> Iterator[Past]:
    """Yield the incidents whose telemetry was kept, oldest first, each with what was known at its time."""
    then = _Learning(lessons)
    kept = [ticket for ticket in tickets if ticket.snapshot and ticket.diagnosis]
    for ticket in sorted(kept, key=lambda each: (each.opened_at, each.id)):
        first = ticket.proposals[0] if ticket.proposals else None
        yield Past(
            incident=ticket.id,
            alert=ticket.alert,
            recording=lambda reference=ticket.snapshot: load(reference),  # type: ignore[misc]
            diagnosis=ticket.diagnosis,
            plan=first.plan if first else None,
            decision=first.decision if first else None,
            given=_recorded(log, first.plan) if first else None,
            priors=then.at(ticket.opened_at),
            plans=tuple(proposal.plan for proposal in ticket.proposals),
        )


def _known_then(plans: Iterable[Plan], catalog: Catalog) -> Mapping[str, Mapping[str, JsonValue]]:
    """What was known of services when these plans were made, by what they were filled in with.

    Connections are dropped and moved; what a playbook could be filled in with then, it can be now.
    """
    known: dict[str, dict[str, JsonValue]] = {}
    for plan in plans:
        playbook = catalog.playbooks.get(plan.playbook)
        for name, parameter in playbook.parameters.items() if playbook else ():
            if parameter.source.startswith(_OF_SERVICE) and plan.parameters.get(name) is not None:
                facts = known.setdefault(plan.service, {})
                facts[parameter.source.removeprefix("$")] = plan.parameters[name]
    return known


_OF_SERVICE = "$service."


class _Learning:
    """What had been learned at one moment after the other."""

    def __init__(self, lessons: Iterable[Lesson]) -> None:
        self._left = sorted(lessons, key=lambda lesson: lesson.at)
        self._priors = Priors()

    def at(self, moment: float) -> Priors:
        while self._left and self._left[0].at <= moment:
            self._priors = learn(self._priors, self._left.pop(0))
        return self._priors


def _recorded(log: AuditLog, plan: Plan) -> GateInput | None:
    """What the gate looked at when it last decided about a plan before anybody was asked."""
    found = None
    for row in log.rows(plan.incident):
        if row.entry.event == DECIDED and row.entry.facts.get("moment") == "planned":
            given = GateInput.model_validate(row.entry.facts["given"])
            found = given if _is_about(given, plan) else found
    return found


def _is_about(given: GateInput, plan: Plan) -> bool:
    # Not by the plan's digest: what the store gives back may have its parameters in another order.
    names = ("playbook", "playbook_digest", "service", "fault", "probability", "confidence_floor")
    return given.plan == plan.id and all(getattr(given, name) == getattr(plan, name) for name in names)


def _given(plan: Plan, policy: Policy, past: Past) -> GateInput:
    """What the gate looks at, with the budgets, the kill switch and the clock of that time."""
    then = past.given
    if then is None:
        return consider(plan, policy, past.priors, Budget(), now=past.alert.raised_at)
    if plan is past.plan:
        return then.model_copy(update={"policy": policy})
    same = (plan.playbook, plan.service) == (then.playbook, then.service)
    given = consider(
        plan,
        policy,
        past.priors,
        then.budget if same else then.budget.model_copy(update=_RUNS_OF_ANOTHER),
        now=then.now,
        stopped=then.stopped,
        stopped_because=then.stopped_because,
    )
    learned: dict[str, Any] = {"history": then.history, "wrong_alone": then.wrong_alone}
    if plan.playbook == then.playbook:
        learned["withdrawn"] = then.withdrawn
    if (plan.playbook, plan.fault) == (then.playbook, then.fault):
        learned["successes"] = then.successes
    return given.model_copy(update=learned)


_RUNS_OF_ANOTHER: dict[str, Any] = {"runs_in_cooldown": 0, "runs_today": 0, "failed_before": ()}


class _Unlooked:
    """An action whose preview does not look at its target: today's target tells nothing of that time."""

    def __init__(self, action: KnownAction) -> None:
        self._action = action

    def __getattr__(self, name: str) -> Any:
        return getattr(self._action, name)

    def preview(self, params: Any) -> str:
        del params
        return ""


def unlooked(actions: KnownActions) -> KnownActions:
    """Return actions that plan as they do, and look at nothing."""
    return {name: cast("KnownAction", _Unlooked(action)) for name, action in actions.items()}
