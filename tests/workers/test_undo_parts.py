"""An undo of several calls: in order, each once, and none after one that did not take effect."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import pytest

from integrations.connections import Connections
from integrations.memory import (
    MemoryApprovals,
    MemoryAuditLog,
    MemoryIncidents,
    MemoryJournal,
    MemoryKillSwitch,
    MemoryLocks,
    MemoryPriorStore,
)
from integrations.memory_actions import MemoryAction, MemoryUndo
from integrations.ports import by_name
from playbooks.catalog import Catalog
from playbooks.policy import Policy
from playbooks.remedy import PlannedCall, PlannedStep, PlannedUndo, StepResult, StepStatus
from workers.messages import StepOrder
from workers.remediation_agent import RemediationAgent

OWNER = "inc-1/p1"


@dataclass
class Bench:
    """An agent that has locked its target, with actions that remember."""

    refuse: AbstractSet[str] = frozenset()
    revert: MemoryUndo = field(default_factory=MemoryUndo)
    reload: MemoryAction = field(init=False)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)

    def __post_init__(self) -> None:
        self.reload = MemoryAction(refuse=self.refuse)
        self.locks = MemoryLocks()
        self.agent = RemediationAgent(
            catalog=Catalog(),
            policy=Policy,
            connections=Connections,
            people=lambda: None,
            approval_key=lambda: b"",
            actions=by_name((self.reload, self.revert)),
            checks={},
            priors=MemoryPriorStore(),
            incidents=MemoryIncidents(),
            journal=MemoryJournal(),
            approvals=MemoryApprovals(),
            audit=self.audit,
            locks=self.locks,
            kill_switch=MemoryKillSwitch(),
        )
        self.fence = self.locks.acquire(frozenset({"cart"}), OWNER, now=self.agent.clock(), lease=600)

    def undo(self) -> StepResult:
        parts = (PlannedCall(action="memory.act", params={"target": "reload-$$1"}, target="cart"),)
        undo = PlannedUndo(
            action="memory.undo", params={"target": "$effect.commit"}, target="cart", then=parts
        )
        step = PlannedStep(id="revert", action="memory.act", target="cart", undo=undo)
        done = StepResult(
            step="revert",
            action="memory.act",
            key=f"{OWNER}/revert",
            status=StepStatus.DONE,
            effect={"commit": "abc"},
        )
        return self.agent.undo_step(
            StepOrder(
                incident="inc-1",
                trace_id="",
                plan="p1",
                plan_digest="d",
                step=step,
                done=done,
                targets=("cart",),
                owner=OWNER,
                fence=self.fence,
            )
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_all_parts_of_an_undo_take_effect(bench: Bench) -> None:
    result = bench.undo()
    assert (result.status, bench.revert.executed, bench.reload.executed) == (
        StepStatus.UNDONE,
        ["abc"],
        ["reload-$1"],
    )


def test_an_undo_that_is_asked_for_again_does_nothing_twice(bench: Bench) -> None:
    assert bench.undo().status == bench.undo().status
    assert (len(bench.revert.executed), len(bench.reload.executed)) == (1, 1)


def test_each_part_has_a_key_of_its_own(bench: Bench) -> None:
    bench.undo()
    assert (bench.revert.keys, bench.reload.keys) == (
        ["inc-1/p1/revert/undo"],
        ["inc-1/p1/revert/undo/1"],
    )


def test_a_part_that_fails_fails_the_undo_and_says_how_far_it_came() -> None:
    bench = Bench(refuse={"reload-$1"})
    result = bench.undo()
    assert (result.status, result.detail) == (
        StepStatus.UNDO_FAILED,
        "memory.undo abc; reload-$1 is not to be touched",
    )


def test_each_part_has_its_rows_in_the_audit_log(bench: Bench) -> None:
    bench.undo()
    assert [row.entry.event for row in bench.audit.rows()].count("step.before") == 2
