"""An outside that is away while an incident is thought about: it is waited for, and nothing is given up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from temporalio import activity
from temporalio.client import Client

from causal.errors import Unavailable
from causal.evidence import Diagnosis
from integrations.memory_actions import MemoryAction
from playbooks.remedy import AttemptStatus
from tests.workers.stage import Script, Stage
from workers.messages import Observation


@dataclass
class Away(Script):
    """The database is away for more attempts than thinking is given."""

    attempts: int = 0

    @activity.defn(name="diagnose")
    async def diagnose(self, seen: Observation) -> Diagnosis:
        del seen
        self.attempts += 1
        if self.attempts <= 5:
            raise Unavailable("the database did not answer")
        return self.diagnosis


@pytest.fixture
def stage(client: Client) -> Stage:
    return Stage(client, Away(), MemoryAction())


async def test_a_verdict_waits_for_a_database_that_is_away(stage: Stage) -> None:
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        outcome = await handle.result()
    assert outcome.status is AttemptStatus.RECOVERED
