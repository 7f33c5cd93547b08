"""The agents at work: one process that serves the task queues it is told to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from causal.network import load
from workers.heartbeat import Heartbeats
from workers.house import House
from workers.incident_workflow import IncidentWorkflow
from workers.policies import LEARNING, METRIC, REMEDIATION, ROOT_CAUSE
from workers.remediation_workflow import RemediationWorkflow
from workers.schedules import keep_anchors, keep_tail, keep_upkeep, keep_watch
from workers.temporal import connect
from workers.upkeep_workflow import AnchorWorkflow, DriftWorkflow, RetrainWorkflow
from workers.watch_workflow import TailWorkflow, WatchWorkflow

log = structlog.get_logger()

ALL_QUEUES = (METRIC, ROOT_CAUSE, REMEDIATION, LEARNING)
THREADS = 8
GRACE = timedelta(seconds=5)


async def work(house: House, queues: Sequence[str] = ALL_QUEUES) -> None:
    """Serve task queues until SIGINT or SIGTERM."""
    client = await connect(house.settings)
    house.hand_over(client)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(THREADS))
        for worker in workers(client, house, queues, threads):
            await stack.enter_async_context(worker)
        if METRIC in queues:
            await keep_watch(client, house.settings.watch_every)
            await keep_tail(client, house.settings.watch_every)
            await house.intake.resume()
        if LEARNING in queues:
            await keep_upkeep(client)
            if house.anchors:
                await keep_anchors(client, house.settings.audit_anchor_every)
        log.info("at work", queues=list(queues))
        if ROOT_CAUSE in queues:
            await asyncio.to_thread(load)  # else the first incident would wait for the imports
        await stop.wait()


def workers(client: Client, house: House, queues: Sequence[str], threads: ThreadPoolExecutor) -> list[Worker]:
    """One Temporal worker for each task queue."""
    metric, root_cause = house.metric_agent, house.root_cause_agent
    remediation, learning = house.remediation_agent, house.learning_agent
    duties: dict[str, tuple[list[type], list[Callable[..., Any]]]] = {
        METRIC: (
            [IncidentWorkflow, WatchWorkflow, TailWorkflow],
            [metric.watch, metric.catch_up, metric.observe, metric.verify, metric.relearn],
        ),
        ROOT_CAUSE: ([], [root_cause.diagnose]),
        REMEDIATION: ([RemediationWorkflow], remediation.activities),
        LEARNING: (
            [RetrainWorkflow, DriftWorkflow, AnchorWorkflow],
            [learning.learn, learning.retrain, learning.check_drift, learning.anchor_head],
        ),
    }
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=duties[queue][0],
            activities=duties[queue][1],
            activity_executor=threads,
            max_concurrent_activities=THREADS,
            interceptors=[Heartbeats()],
            graceful_shutdown_timeout=GRACE,
        )
        for queue in queues
    ]
