"""What the real workflows write down holds: every decision can be made again, every step rests on one."""

from __future__ import annotations

import pytest
from temporalio.client import Client

from integrations.audit import fields_of, verify_rows
from integrations.audit_review import Review, Reviewer
from integrations.memory_actions import MemoryAction
from tests.workers.stage import PLAYBOOK, Script, Stage


def review_of(stage: Stage) -> Review:
    assert verify_rows(stage.audit.rows()).count > 0
    reviewer = Reviewer()
    for row in stage.audit.rows():
        reviewer.take(fields_of(row))
    return reviewer.review()


@pytest.fixture
async def approved(client: Client) -> Stage:
    """A stage on which a plan was approved and carried out."""
    stage = Stage(client, Script(), MemoryAction())
    async with stage.at_work():
        handle = await stage.alert()
        await stage.answer(await stage.question())
        await handle.result()
    return stage


async def test_the_log_of_an_approved_plan_has_no_findings(approved: Stage) -> None:
    assert review_of(approved).findings == ()


async def test_the_steps_of_an_approved_plan_rest_on_its_decisions(approved: Stage) -> None:
    review = review_of(approved)
    assert (review.steps, review.recomputed == review.decisions >= 2) == (2, True)


async def test_a_step_is_found_where_the_approval_is_taken_out_of_the_log(approved: Stage) -> None:
    reviewer = Reviewer()
    for row in approved.audit.rows():
        if row.entry.event != "approval.approved":
            reviewer.take(fields_of(row))
    assert [finding.kind for finding in reviewer.review().findings] == ["step", "step"]


async def test_the_log_of_a_plan_that_is_taken_back_has_no_findings(client: Client) -> None:
    hasty = PLAYBOOK.replace("within: 4s", "within: 1s")
    stage = Stage(client, Script(recovers=False), MemoryAction(), playbook=hasty)
    async with stage.at_work():
        await stage.resolved_by_others()
    assert (review_of(stage).findings, review_of(stage).steps) == ((), 4)
