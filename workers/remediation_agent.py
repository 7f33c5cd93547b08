"""The remediation agent: plans, asks, acts, and writes down each of these before it does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from temporalio import activity

from causal.errors import AitiaError, Refused, Unavailable, UnknownEffect
from integrations.connections import Connections, service_facts
from integrations.ports import (
    Actions,
    Approvals,
    AuditEntry,
    AuditLog,
    Checks,
    Effect,
    Incidents,
    Intent,
    Journal,
    Notifier,
    PriorStore,
)
from playbooks.catalog import Catalog
from playbooks.gate import Budget, Policy, decide
from playbooks.lookups import fill_effect
from playbooks.planning import plans_for
from playbooks.remedy import (
    ApprovalRequest,
    Plan,
    PlannedCall,
    Proposal,
    StepResult,
    StepStatus,
)
from playbooks.ticket import Ticket
from workers.budget import spent
from workers.messages import Diagnosed, Note, PlanOrder, StepOrder

log = structlog.get_logger()


@dataclass(frozen=True)
class RemediationAgent:
    """Carries out playbooks within the gate; every write is idempotent by its key."""

    catalog: Catalog
    policy: Callable[[], Policy]
    connections: Callable[[], Connections]
    actions: Actions
    checks: Checks
    priors: PriorStore
    incidents: Incidents
    journal: Journal
    approvals: Approvals
    audit: AuditLog
    notifiers: tuple[Notifier, ...] = ()
    clock: Callable[[], float] = time.time

    @activity.defn
    def propose(self, verdict: Diagnosed) -> tuple[Proposal, ...]:
        """The plans that may cure what was diagnosed, best first, each with the gate's decision."""
        seen, priors, policy = verdict.observation, self.priors.current(), self.policy()
        connections = self.connections()
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
        return tuple(
            Proposal(plan=plan, decision=decide(plan, policy, priors, self._spent(plan)))
            for plan in planning.plans
        )

    @activity.defn
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

    @activity.defn
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
    def keep_approval(self, request: ApprovalRequest) -> None:
        """Keep a question, or its answer, where people and the door find it."""
        self.approvals.put(request)

    @activity.defn
    def check_preconditions(self, order: PlanOrder) -> str:
        """Why the plan may not start after all; an empty string if it may."""
        for planned in order.plan.preconditions:
            check = self.checks[planned.action]
            if reason := check.holds(check.Params.model_validate(planned.params)):
                return f"precondition {planned.action}: {reason}"
        return ""

    @activity.defn
    def run_step(self, order: StepOrder) -> StepResult:
        """Do one step, unless its effect is there already."""
        return self._act(order, order.step, StepStatus.DONE, StepStatus.FAILED)

    @activity.defn
    def undo_step(self, order: StepOrder) -> StepResult:
        """Take one step back."""
        if order.step.undo is None or order.done is None:
            raise Refused(f"step {order.step.id} of {order.plan} declares no undo")
        schema = self.actions[order.step.undo.action].Params
        params = fill_effect(order.step.undo.params, order.done.effect, schema)
        undo = order.step.undo.model_copy(update={"params": params})
        return self._act(order, undo, StepStatus.UNDONE, StepStatus.UNDO_FAILED)

    def _act(self, order: StepOrder, call: PlannedCall, done: StepStatus, failed: StepStatus) -> StepResult:
        """Intent first, then a look whether it was done, then the deed, then its record."""
        started = self.clock()
        intent = self.journal.begin(_intent(order, call, started))
        if intent.result is not None:
            return intent.result
        self._record(
            order, call, "before", f"about to {call.action} on {call.target}", {"params": call.params}
        )
        result = self._attempt(order, call, done, failed).model_copy(
            update={"started_at": intent.started_at, "ended_at": self.clock()}
        )
        self._record(
            order,
            call,
            f"after/{result.status}",
            f"{call.action} on {call.target}: {result.detail}",
            result.effect,
        )
        if not result.again:
            self.journal.finish(order.key, result)
        return result

    def _attempt(
        self, order: StepOrder, call: PlannedCall, done: StepStatus, failed: StepStatus
    ) -> StepResult:
        action = self.actions[call.action]
        params = action.Params.model_validate(call.params)

        def ended(
            status: StepStatus, detail: str, effect: Effect | None = None, *, again: bool = False
        ) -> StepResult:
            return StepResult(
                step=order.step.id,
                action=call.action,
                key=order.key,
                status=status,
                detail=detail,
                effect=effect.facts if effect else {},
                again=again,
            )

        try:
            if (found := action.observe(params, key=order.key)) is not None:
                already = StepStatus.ALREADY_DONE if done is StepStatus.DONE else done
                return ended(already, found.says, found)
            effect = action.execute(params, key=order.key, timeout=order.step.timeout)
        except UnknownEffect as error:
            return ended(StepStatus.UNKNOWN, str(error), again=True)
        except Unavailable as error:
            return ended(failed, str(error), again=True)
        except AitiaError as error:
            return ended(failed, str(error))
        return ended(done, effect.says, effect)

    def _record(
        self, order: StepOrder, call: PlannedCall, moment: str, summary: str, facts: Mapping[str, object]
    ) -> None:
        entry = AuditEntry(
            incident=order.incident,
            trace_id=order.trace_id,
            actor="remediation agent",
            event=f"step.{moment}",
            summary=summary,
            facts={
                "key": order.key,
                "action": call.action,
                "target": call.target,
                "plan": order.plan_digest,
                **facts,
            },
            key=f"{order.key}/{moment}",
        )
        self.audit.append(entry)

    def _spent(self, plan: Plan) -> Budget:
        return spent(plan, self.incidents.all(), now=self.clock())


def _intent(order: StepOrder, call: PlannedCall, started: float) -> Intent:
    return Intent(
        key=order.key,
        incident=order.incident,
        plan=order.plan,
        step=order.step.id,
        action=call.action,
        params=call.params,
        started_at=started,
    )
