"""The remediation agent: plans, asks, acts, and writes down each of these before it does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import structlog
from temporalio import activity

from causal.errors import AitiaError, Conflict, MalformedSettings, Refused
from integrations.connections import Connections, service_facts
from integrations.ports import (
    Actions,
    Approvals,
    AuditEntry,
    AuditLog,
    Checks,
    Incidents,
    Journal,
    KillSwitch,
    Locks,
    Notifier,
    PriorStore,
)
from playbooks.approval import askers, flaw, sealed
from playbooks.catalog import Catalog
from playbooks.gate import Policy
from playbooks.lookups import fill_effect
from playbooks.people import People, who_is_missing
from playbooks.planning import plans_for
from playbooks.remedy import (
    ApprovalRequest,
    AttemptStatus,
    PlannedCall,
    Proposal,
    StepResult,
    StepStatus,
    Verdict,
)
from playbooks.ticket import Ticket
from workers.deciding import Gatekeeper
from workers.deeds import Deeds
from workers.messages import Admission, Diagnosed, Held, LockOrder, Note, PlanOrder, StepOrder

log = structlog.get_logger()


@dataclass(frozen=True)
class RemediationAgent:
    """Carries out playbooks within the gate; every write is idempotent by its key.

    ``people`` are those who may answer, None where nobody is named; ``approval_key`` is what one-shot tokens
    are made with.
    """

    catalog: Catalog
    policy: Callable[[], Policy]
    connections: Callable[[], Connections]
    people: Callable[[], People | None]
    approval_key: Callable[[], bytes]
    actions: Actions
    checks: Checks
    priors: PriorStore
    incidents: Incidents
    journal: Journal
    approvals: Approvals
    audit: AuditLog
    locks: Locks
    kill_switch: KillSwitch
    notifiers: tuple[Notifier, ...] = ()
    clock: Callable[[], float] = time.time

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """Everything that workflows ask of this agent."""
        return [
            self.propose,
            self.write_audit,
            self.publish,
            self.seal_approval,
            self.keep_approval,
            self.lock,
            self.unlock,
            self.admit,
            self.run_step,
            self.look_at_step,
            self.undo_step,
        ]

    @activity.defn
    def propose(self, verdict: Diagnosed) -> tuple[Proposal, ...]:
        """The plans that may cure what was diagnosed, best first, each with the gate's decision."""
        seen, priors, connections = verdict.observation, self.priors.current(), self.connections()
        planning = plans_for(
            verdict.diagnosis,
            seen.alert,
            seen.incident.id,
            self.catalog,
            priors,
            facts=lambda service: service_facts(connections, service),
        )
        for reason in planning.skipped:
            log.info("playbook skipped", incident=seen.incident.id, reason=reason)
        trace_id, asked_by = seen.incident.trace_id, askers(seen.alert)
        return tuple(
            Proposal(plan=plan, decision=self.gate.decide(plan, "planned", trace_id), asked_by=asked_by)
            for plan in planning.plans
        )

    @activity.defn(no_thread_cancel_exception=True)
    def write_audit(self, note: Note) -> int:
        """Write one row; gives its number."""
        entry = AuditEntry(
            incident=note.incident,
            trace_id=note.trace_id,
            actor=note.actor,
            event=note.event,
            summary=note.summary,
            facts=dict(note.facts),
            key=note.key,
        )
        return self.audit.append(entry).seq

    @activity.defn(no_thread_cancel_exception=True)
    def publish(self, ticket: Ticket) -> None:
        """Keep the ticket and show it; a notifier that is down does not hold up the incident."""
        self.incidents.put(ticket)
        for notifier in self.notifiers:
            try:
                notifier.publish(ticket)
            except AitiaError as error:
                log.warning(
                    "ticket not shown", incident=ticket.id, notifier=type(notifier).__name__, error=str(error)
                )

    @activity.defn
    def seal_approval(self, request: ApprovalRequest) -> ApprovalRequest:
        """Put its seals on a question, and what approvers should know of who may answer it."""
        try:
            note = who_is_missing(self.people(), request)
        except MalformedSettings as error:
            note = f"nobody can answer before this is mended: {error}"
        return sealed(request, self.approval_key()).model_copy(update={"note": note})

    @activity.defn(no_thread_cancel_exception=True)
    def keep_approval(self, request: ApprovalRequest) -> None:
        """Keep a question, or its answer, where people and the door find it."""
        self.approvals.put(request)

    @activity.defn(no_thread_cancel_exception=True)
    def lock(self, order: LockOrder) -> Held:
        """Lock what a plan acts on, or hold it for longer; says who holds it where it cannot be had."""
        try:
            fence = self.locks.acquire(
                frozenset(order.targets), order.owner, now=self.clock(), lease=order.lease
            )
        except Conflict as taken:
            return Held(because=str(taken))
        return Held(fence=fence)

    @activity.defn(no_thread_cancel_exception=True)
    def unlock(self, owner: str) -> None:
        """Let go of everything that a plan held."""
        self.locks.release(owner)

    @activity.defn
    def admit(self, order: PlanOrder) -> Admission:
        """Ask the gate again and look at approval and preconditions with the facts of now."""
        decision = self.gate.decide(order.plan, order.moment, order.trace_id)
        if decision.verdict in {Verdict.LEAVE, Verdict.SUGGEST}:
            return Admission(decision=decision, ends=AttemptStatus.LEFT, because=" ".join(decision.reasons))
        if order.approval is None and decision.verdict is Verdict.ASK:
            return Admission(decision=decision, must_ask=True)
        if order.approval and (reason := flaw(order.approval, order.plan, now=self.clock())):
            return Admission(decision=decision, ends=AttemptStatus.EXPIRED, because=reason)
        if broken := self._broken_precondition(order):
            return Admission(decision=decision, ends=AttemptStatus.FAILED, because=broken)
        return Admission(decision=decision)

    @activity.defn(no_thread_cancel_exception=True)
    def run_step(self, order: StepOrder) -> StepResult:
        """Do one step, unless its effect is there already."""
        return self.deeds.do(order, order.step, StepStatus.DONE, StepStatus.FAILED)

    @activity.defn(no_thread_cancel_exception=True)
    def look_at_step(self, order: StepOrder) -> StepResult:
        """Ask the target whether a step took effect whose end is not known."""
        return self.deeds.look(order)

    @activity.defn(no_thread_cancel_exception=True)
    def undo_step(self, order: StepOrder) -> StepResult:
        """Take one step back: all calls of its undo, each once those before it took effect."""
        if order.step.undo is None or order.done is None:
            raise Refused(f"step {order.step.id} of {order.plan} declares no undo")
        results: list[StepResult] = []
        for part, call in enumerate(order.step.undo.calls):
            params = fill_effect(call.params, order.done.effect, self.actions[call.action].Params)
            filled = PlannedCall(action=call.action, params=params, target=call.target)
            results.append(
                self.deeds.do(order.of_part(part), filled, StepStatus.UNDONE, StepStatus.UNDO_FAILED)
            )
            if results[-1].status is not StepStatus.UNDONE:
                break
        return _together(order.key, results)

    @cached_property
    def gate(self) -> Gatekeeper:
        """The gate, with its record."""
        return Gatekeeper(
            self.policy, self.priors, self.incidents, self.locks, self.kill_switch, self.audit, self.clock
        )

    @cached_property
    def deeds(self) -> Deeds:
        """What changes anything outside."""
        return Deeds(self.actions, self.journal, self.audit, self.locks, self.kill_switch, self.clock)

    def _broken_precondition(self, order: PlanOrder) -> str:
        for planned in order.plan.preconditions:
            check = self.checks[planned.action]
            if reason := check.holds(check.Params.model_validate(planned.params)):
                return f"precondition {planned.action}: {reason}"
        return ""


def _together(key: str, results: Sequence[StepResult]) -> StepResult:
    """Make one result of the parts of an undo: it went as far as the last of them."""
    first, last = results[0], results[-1]
    return last.model_copy(
        update={
            "key": key,
            "action": ", ".join(each.action for each in results),
            "detail": "; ".join(each.detail for each in results),
            "started_at": first.started_at,
        }
    )
