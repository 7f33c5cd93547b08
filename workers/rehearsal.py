"""The rehearsal of a playbook: the very code that carries out a plan, against targets that are played.

The agent is production's (`RemediationAgent`, with the shipped twins of its stores), the order of steps and
undos too (`Execution`). Played are the targets (`integrations.rehearsed`), the time, and the server that runs
an activity again when its worker died: a crash leaves only what journal, audit log and locks hold, and a new
agent goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from causal.errors import AitiaError
from causal.evidence import Alert, Diagnosis, Fact, Priors
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
from integrations.ports import Actions, Checks
from integrations.rehearsed import Clock, Crash, Ledger, Script, doubles
from playbooks.catalog import Catalog
from playbooks.gate import Policy, targets
from playbooks.lookups import Facts
from playbooks.planning import Planning, plans_for
from playbooks.rehearsal import Mishap, Play, Scene, broken_laws, left_in_place, scenes
from playbooks.remedy import Plan, Playbook, StepResult
from playbooks.ticket import TicketStatus
from workers.carrying_out import Execution, Method
from workers.messages import Incident, LockOrder, StepOrder
from workers.remediation_agent import RemediationAgent

LEASE = 3600.0
_TRIES = 3  # of an activity that raises: what fails so often in the same way would fail for ever

Wrap = Callable[[Actions, Playbook, Script], Actions]


class Act(Fact):
    """A scene as it was played: what broke, and what is left in place at its end."""

    play: Play
    broken: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Rehearsal(Fact):
    """A playbook's rehearsal against one incident; ``skipped`` says why there was none."""

    playbook: str
    incident: str
    about: str = ""
    acts: tuple[Act, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether there was a rehearsal, and every law held in every scene."""
        return bool(self.acts) and not any(act.broken for act in self.acts)


@dataclass(frozen=True)
class Stage:
    """What a rehearsal is played with: the actions there are, and how they are doubled."""

    actions: Actions
    checks: Checks
    wrap: Wrap = doubles

    def rehearse(
        self,
        playbook: Playbook,
        alert: Alert,
        diagnosis: Diagnosis,
        facts: Mapping[str, Facts],
        incident: str,
    ) -> Rehearsal:
        """Play every scene of the first plan that a playbook makes of an incident.

        ``facts`` are the ``service.*`` look-ups of each service.
        """
        planning = self.plans(playbook, alert, diagnosis, facts, incident)
        if not planning.plans:
            return Rehearsal(playbook=playbook.name, incident=incident, skipped=planning.skipped)
        plan = planning.plans[0]
        acts = tuple(self._act(playbook, plan, scene) for scene in scenes(plan))
        about = f"{plan.fault} of {plan.service}"
        return Rehearsal(playbook=playbook.name, incident=incident, about=about, acts=acts)

    def plans(
        self,
        playbook: Playbook,
        alert: Alert,
        diagnosis: Diagnosis,
        facts: Mapping[str, Facts],
        incident: str,
    ) -> Planning:
        """Plan against played targets, which need no connections."""
        quiet = _Theatre(self, playbook, Scene(mishap=Mishap.NOTHING))
        return plans_for(
            diagnosis,
            alert,
            incident,
            quiet.catalog,
            Priors(),
            facts=lambda service: facts.get(service, {}),
        )

    def _act(self, playbook: Playbook, plan: Plan, scene: Scene) -> Act:
        play = asyncio.run(_Theatre(self, playbook, scene).perform(plan))
        return Act(play=play, broken=broken_laws(plan, play), left=left_in_place(plan, play))


class _Stuck(AitiaError):
    """An activity fails the same way each time; its retry policy would try for ever."""


@dataclass
class _Audience:
    """Hears what the ticket would be told."""

    heard: list[str] = field(default_factory=list)

    async def ticket(self, status: TicketStatus, says: str) -> None:
        self.heard.append(f"{status}: {says}")


class _Theatre:
    """One scene: stores that outlive every crash, played targets, and an agent that may die."""

    def __init__(self, stage: Stage, playbook: Playbook, scene: Scene) -> None:
        self.scene = scene
        self.clock = Clock()
        self.journal, self.audit = MemoryJournal(), MemoryAuditLog()
        self.locks, self.kill_switch = MemoryLocks(), MemoryKillSwitch()
        self.ledger = Ledger(self.clock)
        script = Script(scene, self.ledger, self.is_foretold, self.stop, self.steal_locks)
        self.actions = stage.wrap(stage.actions, playbook, script)
        self.catalog = Catalog({playbook.name: playbook}, self.actions, stage.checks)
        self.plan: Plan | None = None

    async def perform(self, plan: Plan) -> Play:
        """Carry out the plan as a workflow does, and tell what came of it."""
        self.plan = plan
        execution = Execution(
            plan, Incident.trace_of(plan.incident), _Audience(), act=self.act, wait=self.wait
        )
        execution.fence = self.agent().lock(self.lock_order(execution.owner)).fence
        stuck, ended = "", "recovered"
        try:
            if early := await execution.carry_out_all():
                ended = str(early[0])
            elif self.scene.undoing or self.scene.mishap is Mishap.NO_RECOVERY:
                ended = "not recovered"
                await execution.undo()
        except _Stuck as error:
            stuck = str(error)
        self.clock.pass_by(LEASE)  # whatever is still on its way arrives in the end
        self.ledger.arrivals()
        return Play(
            scene=self.scene,
            results=execution.results,
            undone=execution.undone,
            ledger=tuple(self.ledger.done),
            ended=ended,
            stuck=stuck,
        )

    async def act(self, method: Method, order: StepOrder, seconds: float = 0.0) -> StepResult:
        """Do as the server does: an activity whose worker died, or that raised, is run again."""
        del seconds
        failures: list[str] = []
        while len(failures) < _TRIES:
            try:
                return method(self.agent(), order)
            except Crash:
                self.clock.pass_by(1.0)
            except AitiaError as error:
                failures.append(str(error))
        raise _Stuck(failures[-1])

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pass_by(seconds)

    def agent(self) -> RemediationAgent:
        """A new agent that knows nothing but what the stores hold."""
        return RemediationAgent(
            catalog=self.catalog,
            policy=Policy,
            connections=Connections,
            people=lambda: None,
            approval_key=lambda: b"rehearsal",
            actions=self.actions,
            checks={},
            priors=MemoryPriorStore(),
            incidents=MemoryIncidents(),
            journal=self.journal,
            approvals=MemoryApprovals(),
            audit=self.audit,
            locks=self.locks,
            kill_switch=self.kill_switch,
            clock=self.clock,
        )

    def lock_order(self, owner: str) -> LockOrder:
        return LockOrder(owner=owner, targets=self.targets, lease=LEASE)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(sorted(targets(self.plan))) if self.plan else ()

    def is_foretold(self, key: str) -> bool:
        """Whether an effect's intent and its audit row are written already."""
        incident = self.plan.incident if self.plan else ""
        intended = any(intent.key == key for intent in self.journal.of_incident(incident))
        return intended and any(row.entry.key == f"{key}/before" for row in self.audit.rows())

    def stop(self) -> None:
        self.kill_switch.throw(by="somebody", because="rehearsal", at=self.clock())

    def steal_locks(self) -> None:
        """Another plan gets the targets, as it may once a lease is over."""
        plan = self.plan
        if plan is None:
            return
        self.locks.release(f"{plan.incident}/{plan.id}")
        self.locks.acquire(frozenset(self.targets), "another/plan", now=self.clock(), lease=2 * LEASE)


def rows(rehearsal: Rehearsal) -> Iterator[dict[str, Any]]:
    """A rehearsal as a table: step, fault, what happened, effects, what was taken back, whether it holds."""
    for act in rehearsal.acts:
        play, scene = act.play, act.play.scene
        steps = [result for result in play.results if result.step == scene.step]
        taken = play.taking_back(scene.step) if scene.undoing else None
        told = taken or (steps[-1] if steps else None)
        yield {
            "step": f"{scene.step} (undo)" if scene.undoing else scene.step or "all",
            "fault": str(scene.mishap),
            "told": told.status.replace("_", " ") if told else "",
            "ended": play.ended.replace("_", " "),
            "effects": [done.step for done in play.effects],
            "undone": [done.step for done in play.undo_effects],
            "left": list(act.left),
            "holds": not act.broken,
            "broken": list(act.broken),
        }
