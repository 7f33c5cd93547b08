"""One effect on the outside: intent first, then a look whether it was done, then the deed, then its record.

Right before each effect two questions are asked once more, so that they hold for what was queued long ago:
is everything stopped, and are the targets still locked for this plan? A lease that is over is no lock; the
same fence given again says that nobody came in between (`integrations.ports.Locks`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from causal.errors import AitiaError, Conflict, Unavailable, UnknownEffect
from integrations.ports import Actions, AuditEntry, AuditLog, Effect, Intent, Journal, KillSwitch, Locks
from playbooks.remedy import PlannedCall, StepResult, StepStatus
from workers.messages import StepOrder

LEASE_BEYOND_A_STEP = 180.0

Found = TypeVar("Found")


@dataclass(frozen=True)
class Deeds:
    """Carries out calls; each takes effect once, by its key."""

    actions: Actions
    journal: Journal
    audit: AuditLog
    locks: Locks
    kill_switch: KillSwitch
    clock: Callable[[], float] = time.time

    def do(self, order: StepOrder, call: PlannedCall, done: StepStatus, failed: StepStatus) -> StepResult:
        """Carry out one call, unless its effect is there already."""
        started = self.clock()
        intent = self.journal.begin(_intent(order, call, started))
        if intent.result is not None:
            return intent.result
        self._record(
            order, call, "before", f"about to {call.action} on {call.target}", {"params": call.params}
        )
        result = self._timed(self._attempt(order, call, done, failed), intent.started_at)
        self._record_end(order, call, result)
        if not result.again:
            self.journal.finish(order.key, result)
        return result

    def look(self, order: StepOrder) -> StepResult:
        """Ask the target whether a step took effect whose end is not known; changes nothing there."""
        began = self.clock()
        found = self._tried(order, order.step, StepStatus.FAILED, lambda: self._observed(order, order.step))
        if found is None:
            found = _ended(order, order.step, StepStatus.FAILED, "looked again: it did not take effect")
        result = self._timed(found, began)
        self._record_end(order, order.step, result, moment="looked")
        return result

    def _attempt(
        self, order: StepOrder, call: PlannedCall, done: StepStatus, failed: StepStatus
    ) -> StepResult:
        already = self._tried(order, call, failed, lambda: self._observed(order, call))
        if already is not None:
            there = already.status is StepStatus.ALREADY_DONE and done is not StepStatus.DONE
            return already.model_copy(update={"status": done}) if there else already
        if forbidden := self._forbidden(order, call, failed):
            return forbidden
        action = self.actions[call.action]
        params = action.Params.model_validate(call.params)

        def execute() -> StepResult:
            effect = action.execute(params, key=order.key, timeout=order.step.timeout)
            return _ended(order, call, done, effect.says, effect)

        return self._tried(order, call, failed, execute)

    def _observed(self, order: StepOrder, call: PlannedCall) -> StepResult | None:
        action = self.actions[call.action]
        found = action.observe(action.Params.model_validate(call.params), key=order.key)
        return None if found is None else _ended(order, call, StepStatus.ALREADY_DONE, found.says, found)

    def _tried(
        self, order: StepOrder, call: PlannedCall, failed: StepStatus, deed: Callable[[], Found]
    ) -> Found | StepResult:
        try:
            return deed()
        except UnknownEffect as error:
            return _ended(order, call, StepStatus.UNKNOWN, str(error), again=True)
        except Unavailable as error:
            return _ended(order, call, failed, str(error), again=True)
        except AitiaError as error:
            return _ended(order, call, failed, str(error))
        except ValidationError as error:  # what a step reported may not be what its undo takes
            wrong = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in wrong["loc"])
            return _ended(order, call, failed, f"{call.action} does not take this {where}: {wrong['msg']}")

    def _forbidden(self, order: StepOrder, call: PlannedCall, failed: StepStatus) -> StepResult | None:
        """Why the effect may not be brought about now; what cannot be asked raises, and is asked again."""
        if (stop := self.kill_switch.state()).stopped:
            return _ended(
                order, call, StepStatus.STOPPED, f"{stop.by} stopped everything ({stop.because}); not done"
            )
        now, lease = self.clock(), order.step.timeout + LEASE_BEYOND_A_STEP
        try:
            fence = self.locks.acquire(frozenset(order.targets), order.owner, now=now, lease=lease)
        except Conflict as taken:
            return _ended(order, call, failed, f"not done, the lock was lost: {taken}")
        if fence != order.fence:
            return _ended(order, call, failed, "not done: others were at work on its targets meanwhile")
        return None

    def _timed(self, result: StepResult, began: float) -> StepResult:
        return result.model_copy(update={"started_at": began, "ended_at": self.clock()})

    def _record_end(
        self, order: StepOrder, call: PlannedCall, result: StepResult, moment: str = "after"
    ) -> None:
        summary = f"{call.action} on {call.target}: {result.detail}"
        self._record(order, call, f"{moment}/{result.status}", summary, result.effect)

    def _record(
        self, order: StepOrder, call: PlannedCall, moment: str, summary: str, facts: Mapping[str, object]
    ) -> None:
        known = {
            "key": order.key,
            "action": call.action,
            "target": call.target,
            "plan": order.plan_digest,
            "fence": order.fence,
        }
        entry = AuditEntry(
            incident=order.incident,
            trace_id=order.trace_id,
            actor="remediation agent",
            event=f"step.{moment}",
            summary=summary,
            facts={**known, **facts},
            key=f"{order.key}/{moment}",
        )
        self.audit.append(entry)


def _ended(
    order: StepOrder,
    call: PlannedCall,
    status: StepStatus,
    detail: str,
    effect: Effect | None = None,
    *,
    again: bool = False,
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
