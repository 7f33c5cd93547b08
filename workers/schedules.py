"""What Temporal starts by itself: the watch, the reading of sources, retraining, the look for drift, anchors.

A schedule is made once and brought up to date at each start. What was missed while nobody was at work is
made up for once, if it is not older than its period; a look of the watch is not worth making up for.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workers.policies import LEARNING, METRIC
from workers.upkeep_workflow import AnchorWorkflow, DriftWorkflow, RetrainWorkflow
from workers.watch_workflow import CATCH_UP_SECONDS, TailWorkflow, WatchWorkflow

WATCH, TAIL, RETRAIN = "aitia-watch", "aitia-tail", "aitia-retrain"
DRIFT, ANCHOR = "aitia-drift", "aitia-anchor"
SUNDAY = 0
NIGHT = ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(17)], comment="each night, UTC")
SUNDAYS = ScheduleCalendarSpec(
    day_of_week=[ScheduleRange(SUNDAY)], hour=[ScheduleRange(4)], comment="Sundays at 4, UTC"
)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


async def keep_watch(client: Client, every: float) -> None:
    """The metric agent's own watch, every so many seconds."""
    action = ScheduleActionStartWorkflow(
        WatchWorkflow.run, id=WATCH, task_queue=METRIC, execution_timeout=timedelta(seconds=90)
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=every))])
    await _keep(client, WATCH, action, spec, catchup=timedelta(seconds=10))


async def keep_tail(client: Client, every: float) -> None:
    """What others keep is copied every so many seconds; a run that takes longer lets the next ones out."""
    action = ScheduleActionStartWorkflow(
        TailWorkflow.run, id=TAIL, task_queue=METRIC, execution_timeout=timedelta(seconds=CATCH_UP_SECONDS)
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=every))])
    await _keep(client, TAIL, action, spec, catchup=timedelta(seconds=10))


async def keep_upkeep(client: Client) -> None:
    """The weekly retraining of the baselines and the daily look for drift."""
    retrain = ScheduleActionStartWorkflow(
        RetrainWorkflow.run, id=RETRAIN, task_queue=LEARNING, execution_timeout=timedelta(hours=12)
    )
    await _keep(client, RETRAIN, retrain, ScheduleSpec(calendars=[SUNDAYS]), catchup=WEEK)
    drift = ScheduleActionStartWorkflow(
        DriftWorkflow.run, id=DRIFT, task_queue=LEARNING, execution_timeout=timedelta(hours=12)
    )
    await _keep(client, DRIFT, drift, ScheduleSpec(calendars=[NIGHT]), catchup=DAY)


async def keep_anchors(client: Client, every: float) -> None:
    """The head of the audit log goes out every so many seconds."""
    action = ScheduleActionStartWorkflow(
        AnchorWorkflow.run, id=ANCHOR, task_queue=LEARNING, execution_timeout=timedelta(minutes=10)
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=every))])
    await _keep(client, ANCHOR, action, spec, catchup=timedelta(seconds=10))


async def _keep(
    client: Client,
    name: str,
    action: ScheduleActionStartWorkflow,
    spec: ScheduleSpec,
    *,
    catchup: timedelta,
) -> None:
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=catchup)
    schedule = Schedule(action=action, spec=spec, policy=policy)

    def renewed(_: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(schedule)

    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(renewed)
