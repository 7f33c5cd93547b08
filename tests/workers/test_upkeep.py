"""The learning agent's own upkeep, on a real Temporal server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from temporalio import activity
from temporalio.client import Client, ScheduleActionStartWorkflow
from temporalio.worker import Worker

from causal.evidence import Deed, Fault, Lesson
from integrations.memory import MemoryAuditLog, MemoryIncidents, MemoryPriorStore
from playbooks.catalog import Catalog
from workers.learning_agent import LearningAgent
from workers.messages import Relearned
from workers.policies import LEARNING, METRIC
from workers.schedules import DRIFT, RETRAIN, keep_upkeep
from workers.upkeep_workflow import DriftWorkflow, RetrainWorkflow


@activity.defn(name="relearn")
async def relearn(at: float) -> Relearned:
    """Play the metric agent."""
    return Relearned(at=at, before="a", after="b", minutes_before=1, minutes_after=2)


@asynccontextmanager
async def at_work(client: Client, priors: MemoryPriorStore, audit: MemoryAuditLog) -> AsyncIterator[None]:
    agent = LearningAgent(priors, Catalog(), MemoryIncidents(), audit)
    with ThreadPoolExecutor(2) as threads:
        metric = Worker(client, task_queue=METRIC, activities=[relearn])
        learning = Worker(
            client,
            task_queue=LEARNING,
            workflows=[RetrainWorkflow, DriftWorkflow],
            activities=[agent.retrain, agent.check_drift],
            activity_executor=threads,
        )
        async with metric, learning:
            yield


async def test_a_retraining_learns_the_profile_and_is_on_record(client: Client) -> None:
    audit = MemoryAuditLog()
    async with at_work(client, MemoryPriorStore(), audit):
        done = await client.execute_workflow(RetrainWorkflow.run, id="r", task_queue=LEARNING)
    assert done.profile.minutes_after == 2
    assert [row.entry.event for row in audit.rows()] == ["baselines.retrained"]


async def test_a_look_for_drift_withdraws_autonomy(client: Client) -> None:
    priors, audit = MemoryPriorStore(), MemoryAuditLog()
    for number in range(8):
        deed = Deed(
            incident=f"i{number}",
            playbook="mend",
            fault=Fault.CPU,
            service="cart",
            chance=0.9,
            alone=True,
            wrong=True,
            at=1.0 + number,
        )
        priors.learn(Lesson(incident=deed.incident, at=deed.at, deed=deed))
    async with at_work(client, priors, audit):
        found = await client.execute_workflow(DriftWorkflow.run, id="d", task_queue=LEARNING)
    assert [demotion.playbook for demotion in found.demotions] == ["mend"]
    assert priors.current().demotion("mend") is not None


async def test_the_schedules_are_made_once_and_brought_up_to_date(client: Client) -> None:
    await keep_upkeep(client)
    await keep_upkeep(client)
    actions = [
        (await client.get_schedule_handle(name).describe()).schedule.action for name in (RETRAIN, DRIFT)
    ]
    started = [action.workflow for action in actions if isinstance(action, ScheduleActionStartWorkflow)]
    assert started == ["RetrainWorkflow", "DriftWorkflow"]


async def test_baselines_are_learned_anew_each_week_and_drift_is_looked_for_each_night(
    client: Client,
) -> None:
    await keep_upkeep(client)
    weekly, nightly = [
        (await client.get_schedule_handle(name).describe()).info.next_action_times
        for name in (RETRAIN, DRIFT)
    ]
    assert (weekly[1] - weekly[0]).days == 7
    assert (nightly[1] - nightly[0]).days == 1
