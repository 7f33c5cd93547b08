"""From a diagnosis to plans: every hypothesis against every playbook that cures it, best first.

"Best" is the probability that the hypothesis is right times the mean belief that the playbook helps with such
a fault. A playbook that can not be filled in from this diagnosis is skipped, and the reason is told: it is
what a person needs to know who wonders why nothing was proposed. The same input gives the same plans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ValidationError

from causal.errors import MalformedPlaybook, Refused, Unavailable
from causal.evidence import Alert, Diagnosis, Fact, Hypothesis, Priors, Signal
from playbooks.catalog import Catalog, playbook_digest
from playbooks.confidence import Confidence, confidence_on
from playbooks.lookups import as_text, facts_of, fill, mentions, parameter_values
from playbooks.remedy import (
    ApprovalRule,
    Call,
    JsonValue,
    Plan,
    PlannedCall,
    PlannedStep,
    PlannedUndo,
    Playbook,
    Step,
    Undo,
    Verify,
)
from playbooks.walk import undo_arguments

MOST_PLANS = 10
ENVIRONMENT = "production"  # where nobody said where a service runs: the one with the strictest rules
ServiceFacts = Callable[[str], Mapping[str, JsonValue]]


class Planning(Fact):
    """The plans of an incident, best first (``p1``, ``p2``, ...), and why playbooks were left out."""

    plans: tuple[Plan, ...] = ()
    skipped: tuple[str, ...] = ()


def _nothing_known(service: str) -> Mapping[str, JsonValue]:
    del service
    return {}


@dataclass(frozen=True)
class _Candidate:
    hypothesis: Hypothesis
    playbook: Playbook
    confidence: Confidence

    @property
    def promise(self) -> float:
        return self.hypothesis.probability * self.confidence.mean

    @property
    def title(self) -> str:
        return f"{self.playbook.name} for {self.hypothesis.fault} of {self.hypothesis.entity.key}"


@dataclass(frozen=True)
class _Filled:
    """A candidate, what is ``known`` for its parameters, and the digest of the diagnosis."""

    candidate: _Candidate
    known: Mapping[str, JsonValue]
    catalog: Catalog
    evidence: str

    @cached_property
    def parameters(self) -> Mapping[str, JsonValue]:
        return parameter_values(self.candidate.playbook.parameters, self.known)

    @property
    def identity(self) -> tuple[object, ...]:
        return self.candidate.playbook.name, *sorted(
            (name, str(value)) for name, value in self.parameters.items()
        )


def plans_for(
    diagnosis: Diagnosis,
    alert: Alert,
    incident: str,
    catalog: Catalog,
    priors: Priors,
    *,
    facts: ServiceFacts = _nothing_known,
) -> Planning:
    """Plan what may be done about an alert, given its diagnosis.

    ``facts`` tells the ``service.*`` look-ups of a service (see `integrations.connections.service_facts`).
    Previews are taken from the catalogue's actions, so this looks at the targets, but changes nothing.
    """
    plans: list[Plan] = []
    skipped: list[str] = []
    seen: dict[tuple[object, ...], str] = {}
    evidence = diagnosis.digest()
    for candidate in _candidates(diagnosis, catalog, priors, at=alert.raised_at):
        if len(plans) == MOST_PLANS:
            break
        try:
            known = facts_of(candidate.hypothesis, alert, incident, facts(candidate.hypothesis.service))
            filled = _Filled(candidate, known, catalog, evidence)
            if (same := seen.get(filled.identity)) is not None:
                skipped.append(f"{candidate.title}: the same would be done by {same}")
                continue
            plan = _plan(filled, alert.symptom.signal, incident, f"p{len(plans) + 1}")
        except (Refused, MalformedPlaybook) as reason:
            skipped.append(f"{candidate.title}: {reason}")
            continue
        seen[filled.identity] = plan.id
        plans.append(plan)
    return Planning(plans=tuple(plans), skipped=tuple(skipped))


def _candidates(diagnosis: Diagnosis, catalog: Catalog, priors: Priors, *, at: float) -> list[_Candidate]:
    def all_of_them() -> Iterator[_Candidate]:
        for hypothesis in diagnosis.hypotheses:
            for book in catalog.that_cure(hypothesis):
                known = confidence_on(
                    book.confidence, priors, book.name, hypothesis.fault, hypothesis.service, at=at
                )
                yield _Candidate(hypothesis, book, known)

    return sorted(all_of_them(), key=lambda each: -each.promise)  # stable: equals keep the diagnosis' order


def _plan(filled: _Filled, signal: Signal, incident: str, name: str) -> Plan:
    playbook, hypothesis = filled.candidate.playbook, filled.candidate.hypothesis
    recovery = (playbook.verify or Verify(recovered_when={})).recovered_when
    return Plan(
        id=name,
        incident=incident,
        playbook=playbook.name,
        playbook_digest=playbook_digest(playbook),
        description=" ".join(playbook.description.split()),
        impact=playbook.impact,
        service=hypothesis.service,
        fault=hypothesis.fault,
        cause=hypothesis.entity.key,
        probability=hypothesis.probability,
        confidence=filled.candidate.confidence.mean,
        confidence_floor=filled.candidate.confidence.floor,
        parameters=dict(filled.parameters),
        preconditions=tuple(_preconditions(filled)),
        steps=tuple(_step(step, filled) for step in playbook.steps),
        signal=signal if recovery.signal == "$alert.signal" else recovery.signal,
        within=recovery.within,
        quiet_for=recovery.quiet_for,
        cooldown=playbook.limits.per_service_cooldown,
        max_runs_per_day=playbook.limits.max_runs_per_day,
        approvers=playbook.approval.approvers,
        quorum=playbook.approval.quorum,
        approval_expires=playbook.approval.expires,
        escalate_to=playbook.approval.escalate_to,
        escalate_after=_escalate_after(playbook.approval),
        blast_radius=playbook.limits.blast_radius,
        environment=as_text(filled.known.get("service.environment")) or ENVIRONMENT,
        evidence=filled.evidence,
    )


def _escalate_after(rule: ApprovalRule) -> float | None:
    """Return what was written; where nothing was, half of the time in which somebody may answer."""
    return (rule.escalate_after or rule.expires / 2) if rule.escalate_to else None


def _preconditions(filled: _Filled) -> Iterator[PlannedCall]:
    for condition in filled.candidate.playbook.preconditions:
        schema = filled.catalog.checks[condition.check].Params
        params = fill(condition.arguments, filled.parameters, schema)
        _checked(condition.check, schema, params)
        yield PlannedCall(action=condition.check, params=params)


def _step(step: Step, filled: _Filled) -> PlannedStep:
    action = filled.catalog.actions[step.action]
    params = fill(step.arguments, filled.parameters, action.Params)
    checked = _checked(step.action, action.Params, params)
    target = action.target(checked)
    try:
        preview = action.preview(checked)
    except Unavailable as error:
        preview = f"(no preview: {error})"
    return PlannedStep(
        id=step.id,
        action=step.action,
        params=params,
        target=target,
        timeout=step.timeout,
        attempts=step.retry.attempts,
        backoff=step.retry.backoff,
        undo=_undo(step.undo, filled, target) if step.undo else None,
        preview=preview,
    )


def _undo(undo: Undo, filled: _Filled, target: str) -> PlannedUndo:
    then = tuple(
        PlannedCall(action=call.action, params=_later(call, filled), target=_target(call, filled) or target)
        for call in undo.then
    )
    return PlannedUndo(action=undo.action, params=_later(undo, filled), target=target, then=then)


def _later(call: Call, filled: _Filled) -> dict[str, object]:
    schema = filled.catalog.actions[call.action].Params
    return fill(undo_arguments(call, schema), filled.parameters, schema, later=True)


def _target(call: Call, filled: _Filled) -> str:
    """Return what a call acts on; empty where only the step's effect will tell."""
    if any(mention.is_effect for mention in mentions(call.arguments)):
        return ""
    action = filled.catalog.actions[call.action]
    params = fill(call.arguments, filled.parameters, action.Params)
    return action.target(_checked(call.action, action.Params, params))


def _checked(called: str, schema: type[BaseModel], params: Mapping[str, object]) -> BaseModel:
    try:
        return schema.model_validate(params)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in wrong["loc"])
        raise Refused(f"{called} does not take this {name}: {wrong['msg']}") from error
