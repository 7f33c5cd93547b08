"""The head of the audit log goes out by a Temporal schedule, and nobody waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from integrations.anchors import FileAnchor, read_heads
from integrations.audit import verify_rows
from integrations.memory import MemoryAuditLog, MemoryIncidents, MemoryPriorStore
from integrations.ports import AuditEntry
from playbooks.catalog import Catalog
from workers.learning_agent import LearningAgent
from workers.policies import LEARNING
from workers.schedules import ANCHOR, keep_anchors
from workers.upkeep_workflow import AnchorWorkflow


def agent(log: MemoryAuditLog, *anchors: FileAnchor) -> LearningAgent:
    log.append(AuditEntry(actor="gate", event="gate.decided", summary="ask"))
    return LearningAgent(MemoryPriorStore(), Catalog(), MemoryIncidents(), log, anchors=anchors)


async def anchored(client: Client, learning: LearningAgent) -> str:
    """Run the workflow once; gives what it says."""
    with ThreadPoolExecutor(1) as threads:
        worker = Worker(
            client,
            task_queue=LEARNING,
            workflows=[AnchorWorkflow],
            activities=[learning.anchor_head],
            activity_executor=threads,
        )
        async with worker:
            return await client.execute_workflow(AnchorWorkflow.run, id=ANCHOR, task_queue=LEARNING)


async def test_the_workflow_hands_the_head_to_the_anchors(client: Client, tmp_path: Path) -> None:
    log, anchor = MemoryAuditLog(), FileAnchor(tmp_path / "heads.jsonl")
    await anchored(client, agent(log, anchor))
    assert verify_rows(log.rows(), read_heads([anchor.name])).anchored == 1


async def test_an_anchor_that_fails_fails_no_workflow(client: Client, tmp_path: Path) -> None:
    log, gone = MemoryAuditLog(), FileAnchor(tmp_path / "nowhere" / "heads.jsonl")
    assert "did not" in await anchored(client, agent(log, gone))


async def test_the_schedule_may_be_made_again_at_each_start(client: Client) -> None:
    await keep_anchors(client, 60.0)
    await keep_anchors(client, 30.0)
    spec = (await client.get_schedule_handle(ANCHOR).describe()).schedule.spec
    assert spec.intervals[0].every == timedelta(seconds=30)
