"""Incidents that were running when Aitia was brought up to date go on as if nothing had happened.

The histories are recorded by `tests.workers.record_histories`, which says what to do when a replay fails.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from tests.workers.record_histories import HISTORIES, STORIES
from workers.incident_workflow import IncidentWorkflow
from workers.remediation_workflow import RemediationWorkflow

RECORDED = sorted(HISTORIES.glob("*.json"))


def history_in(file: Path) -> WorkflowHistory:
    """A recorded history; the name of its file ends in the workflow's id."""
    return WorkflowHistory.from_json(file.stem.partition(".")[2], file.read_text())


@workflow.defn(name="IncidentWorkflow", sandboxed=False)
class Hasty:
    """An incident whose steps come in another order than they did."""

    @workflow.run
    async def run(self, incident: object) -> None:
        del incident
        await workflow.sleep(timedelta(seconds=8))


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
async def test_a_recorded_incident_goes_on_with_the_workflows_of_today(file: Path) -> None:
    replayer = Replayer(
        workflows=[IncidentWorkflow, RemediationWorkflow], data_converter=pydantic_data_converter
    )
    replayed = await replayer.replay_workflow(history_in(file), raise_on_replay_failure=False)
    assert replayed.replay_failure is None, "an incident that is running would break; see record_histories"


async def test_a_workflow_of_another_order_does_not_go_on() -> None:
    replayer = Replayer(workflows=[Hasty], data_converter=pydantic_data_converter)
    incident = next(file for file in RECORDED if file.stem == "recovered.inc-ffffffff-1")
    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(history_in(incident))


@pytest.mark.parametrize("story", sorted(STORIES))
def test_every_story_has_its_recording(story: str) -> None:
    assert [file for file in RECORDED if file.name.startswith(f"{story}.")]
