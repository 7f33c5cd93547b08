"""The metric agent's own watch, and its reading of sources: once each, started by Temporal schedules."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from workers.metric_agent import MetricAgent
    from workers.policies import METRIC

CATCH_UP_SECONDS = 900.0


@workflow.defn
class WatchWorkflow:
    """Finds incidents that nobody alerted on."""

    @workflow.run
    async def run(self) -> tuple[str, ...]:
        return await workflow.execute_activity_method(
            MetricAgent.watch,
            task_queue=METRIC,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),  # the next look comes by itself
        )


@workflow.defn
class TailWorkflow:
    """Copies what others keep of the watched systems."""

    @workflow.run
    async def run(self) -> int:
        return await workflow.execute_activity_method(
            MetricAgent.catch_up,
            task_queue=METRIC,
            start_to_close_timeout=timedelta(seconds=CATCH_UP_SECONDS),
            retry_policy=RetryPolicy(maximum_attempts=1),  # the next time comes by itself
        )
