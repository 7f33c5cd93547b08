"""How long things may take and how they are tried again: one policy for each kind of work.

READ looks at the outside and may simply be repeated. THINK computes and may take minutes of a busy machine;
what fails four times will fail for ever, and the incident goes on without it; unless it was the database or
another outside that did not answer, which is no reason to go on without a verdict.
WRITE changes something: it is repeated for as long as it takes, because every write carries an idempotency
key and asks first whether its effect is there; a workflow that is cancelled meanwhile waits for its end, so
that what follows (letting go of locks) does not overtake it. HUMAN timers live in the workflows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from causal.errors import Unavailable

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

METRIC, ROOT_CAUSE, REMEDIATION, LEARNING = "metric", "root-cause", "remediation", "learning"
QUEUES = {
    "MetricAgent": METRIC,
    "RootCauseAgent": ROOT_CAUSE,
    "RemediationAgent": REMEDIATION,
    "LearningAgent": LEARNING,
}
HEARTBEAT = timedelta(seconds=10)
OUTAGE_PAUSE = timedelta(seconds=10)


@dataclass(frozen=True)
class Kind:
    """Start-to-close timeout of one attempt, and how attempts follow each other."""

    timeout: timedelta
    retry: RetryPolicy
    when_cancelled: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL


_PATIENT = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=20))
READ = Kind(timedelta(seconds=60), _PATIENT)
THINK = Kind(timedelta(minutes=5), RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=4))
WRITE = Kind(timedelta(minutes=2), _PATIENT, ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)


async def step(method: Callable[[Any, Ask], Answer], ask: Ask, kind: Kind, *, seconds: float = 0.0) -> Answer:
    """Have an agent do one thing; ``seconds`` is time that the work itself asks for, beyond the usual.

    An outside that does not answer (`causal.errors.Unavailable`) is waited for, whatever the kind.
    """
    while True:
        try:
            answer = await _tried(method, ask, kind, seconds)
            break
        except ActivityError as error:
            if not isinstance(error.cause, ApplicationError) or error.cause.type != Unavailable.__name__:
                raise
            await workflow.sleep(OUTAGE_PAUSE)
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError  # it was let finish; now the cancellation goes on
    return answer


async def _tried(method: Callable[[Any, Ask], Answer], ask: Ask, kind: Kind, seconds: float) -> Answer:
    agent = method.__qualname__.split(".")[0]
    return await workflow.execute_activity_method(
        method,
        ask,
        task_queue=QUEUES[agent],
        start_to_close_timeout=kind.timeout + timedelta(seconds=seconds),
        heartbeat_timeout=HEARTBEAT,
        retry_policy=kind.retry,
        cancellation_type=kind.when_cancelled,
    )
