"""A stage for workflow tests: the real workflows and the real remediation agent on a real server.

The outside is played by the shipped in-memory twins. The metric and root-cause agents are played by
activities of the same names, which answer what the test writes into the `Script`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from causal.evidence import (
    Alert,
    Diagnosis,
    Entity,
    Fault,
    Hypothesis,
    Symptom,
    Window,
)
from integrations.connections import Connections
from integrations.memory import (
    MemoryApprovals,
    MemoryAuditLog,
    MemoryIncidents,
    MemoryJournal,
    MemoryKillSwitch,
    MemoryLocks,
    MemoryNotifier,
    MemoryPriorStore,
)
from integrations.memory_actions import MemoryAction, MemoryCheck
from integrations.ports import Approvals, AuditLog, Incidents, Notifier
from playbooks.approval import proof_of, token_of
from playbooks.catalog import Catalog, read_playbook
from playbooks.gate import Policy
from playbooks.people import People, Person, digest_of
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Handover, Outcome, Verification
from playbooks.ticket import Ticket
from workers.incident_workflow import IncidentWorkflow
from workers.intake import Intake
from workers.learning_agent import LearningAgent
from workers.messages import CheckOrder, Incident, Observation
from workers.policies import LEARNING, METRIC, REMEDIATION, ROOT_CAUSE
from workers.remediation_agent import RemediationAgent
from workers.remediation_workflow import RemediationWorkflow

DEADLINE_SECONDS = 60.0
KEY = b"the key of a stage"
TEAM = People(
    people=(
        Person(name="ada", roles=("sre",), token_sha256=digest_of("ada's")),
        Person(name="bob", roles=("sre",), token_sha256=digest_of("bob's")),
        Person(name="eve", roles=("sre-lead",), token_sha256=digest_of("eve's")),
        Person(name="kim", token_sha256=digest_of("kim's")),
    )
)

PLAYBOOK = """
name: mend
description: Mends in two steps.
cures: [{fault: errors}]
impact: high
confidence: {prior: 0.7, weight: 4}
parameters:
  service: {from: $cause.service}
steps:
  - id: first
    action: memory.act
    with: {target: "first-${service}"}
    undo: {action: memory.act, with: {target: undo-first}}
  - id: second
    action: memory.act
    with: {target: "second-${service}"}
    undo: {action: memory.act, with: {target: undo-second}}
verify:
  recovered_when: {signal: $alert.signal, within: 4s, quiet_for: 1s}
approval: {approvers: [sre], quorum: 1, expires: 30m}
"""

ALERT = Alert(
    fingerprint="f" * 16,
    source="test",
    symptom=Symptom(service="gateway", signal="errors"),
    raised_at=1000.0,
    began_at=990.0,
    summary="gateway fails",
)


def hypothesis(probability: float = 0.9) -> Hypothesis:
    """The cart is to blame."""
    return Hypothesis(
        service="cart",
        entity=Entity.of_service("cart"),
        fault=Fault.ERRORS,
        probability=probability,
        raw_probability=probability,
        path=("cart", "gateway"),
    )


def confident() -> Diagnosis:
    """A diagnosis that is worth asking about."""
    return Diagnosis(engine="test", hypotheses=(hypothesis(),), none_of_these=0.1)


@dataclass
class Script:
    """What the metric and root-cause agents will say."""

    diagnosis: Diagnosis = field(default_factory=confident)
    recovers: bool = True
    engine_fails: bool = False
    goes_away: bool = False
    approvals: Approvals = field(default_factory=MemoryApprovals)
    observed: list[str] = field(default_factory=list)

    @activity.defn(name="observe")
    async def observe(self, incident: Incident) -> Observation:
        self.observed.append(incident.id)
        windows = Window(start=0.0, end=980.0), Window(start=990.0, end=1010.0)
        return Observation(
            incident=incident, alert=incident.alert, snapshot="s" * 16, baseline=windows[0], window=windows[1]
        )

    @activity.defn(name="diagnose")
    async def diagnose(self, seen: Observation) -> Diagnosis:
        del seen
        if self.engine_fails:
            raise ApplicationError("the engine divides by zero", non_retryable=True)  # it would fail for ever
        return self.diagnosis

    @activity.defn(name="verify")
    async def verify(self, order: CheckOrder) -> Verification:
        del order
        recovered = self.goes_away if self.approvals.open() else self.recovers
        return Verification(recovered=recovered, says="quiet" if recovered else "still failing")


@dataclass
class Stage:
    """Everything a test looks at."""

    client: Client
    script: Script
    action: MemoryAction
    policy: Policy = field(default_factory=Policy)
    playbook: str = PLAYBOOK
    more: tuple[str, ...] = ()
    checks: dict[str, MemoryCheck] = field(default_factory=dict)
    incidents: Incidents = field(default_factory=MemoryIncidents)
    approvals: Approvals = field(default_factory=MemoryApprovals)
    audit: AuditLog = field(default_factory=MemoryAuditLog)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    priors: MemoryPriorStore = field(default_factory=MemoryPriorStore)
    locks: MemoryLocks = field(default_factory=MemoryLocks)
    kill_switch: MemoryKillSwitch = field(default_factory=MemoryKillSwitch)
    people: People | None = TEAM
    key: bytes = KEY
    notifier: MemoryNotifier = field(default_factory=MemoryNotifier)
    more_notifiers: tuple[Notifier, ...] = ()

    def __post_init__(self) -> None:
        self.script.approvals = self.approvals

    @property
    def intake(self) -> Intake:
        return Intake(self.incidents, lambda: self.client, settle=0.0)

    @property
    def catalog(self) -> Catalog:
        playbooks = [read_playbook(text, "mend.yaml") for text in (self.playbook, *self.more)]
        known = {playbook.name: playbook for playbook in playbooks}
        return Catalog(known, {self.action.name: self.action}, self.checks)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """The agents serve their queues as long as this lasts."""
        remediation = RemediationAgent(
            catalog=self.catalog,
            policy=lambda: self.policy,
            connections=Connections,
            people=lambda: self.people,
            approval_key=lambda: self.key,
            actions={self.action.name: self.action},
            checks=self.checks,
            priors=self.priors,
            incidents=self.incidents,
            journal=self.journal,
            approvals=self.approvals,
            audit=self.audit,
            locks=self.locks,
            kill_switch=self.kill_switch,
            notifiers=(self.notifier, *self.more_notifiers),
        )
        duties: dict[str, tuple[list[type], list[Callable[..., Any]]]] = {
            METRIC: ([IncidentWorkflow], [self.script.observe, self.script.verify]),
            ROOT_CAUSE: ([], [self.script.diagnose]),
            REMEDIATION: ([RemediationWorkflow], remediation.activities),
            LEARNING: ([], [LearningAgent(self.priors, self.catalog, self.incidents, self.audit).learn]),
        }
        async with AsyncExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(4))
            for queue, (workflows, activities) in duties.items():
                worker = Worker(
                    self.client,
                    task_queue=queue,
                    workflows=workflows,
                    activities=activities,
                    activity_executor=threads,
                )
                await stack.enter_async_context(worker)
            yield

    async def alert(self, alert: Alert = ALERT) -> WorkflowHandle[IncidentWorkflow, Outcome]:
        """Raise an alert; gives its incident's workflow."""
        opened = await self.intake.accept(alert)
        assert opened is not None
        return self.client.get_workflow_handle_for(IncidentWorkflow.run, opened.incident)

    async def question(self) -> ApprovalRequest:
        """The first approval that is asked for."""
        return (await eventually(self.approvals.open))[0]

    async def answer(self, question: ApprovalRequest, **changes: object) -> ApprovalRequest:
        """Answer a question; by default with a yes that is valid."""
        yes = ApprovalAnswer(
            approval=question.id,
            binding=question.binding,
            proof=proof_of(token_of(question, self.key)),
            approve=True,
            by="ada",
            roles=("sre",),
        )
        return await self._update("answer", question.id, yes.model_copy(update=changes))

    async def delegate(self, question: ApprovalRequest, by: str, to: str) -> ApprovalRequest:
        """Hand an approver's vote to somebody without a role."""
        wish = Handover(approval=question.id, binding=question.binding, by=by, roles=("sre",), to=to)
        return await self._update("delegate", question.id, wish)

    async def _update(self, name: str, approval: str, said: ApprovalAnswer | Handover) -> ApprovalRequest:
        handle = self.client.get_workflow_handle(approval)
        updated: ApprovalRequest = await handle.execute_update(name, said, result_type=ApprovalRequest)
        return updated

    async def resolved_by_others(self, **answer: object) -> Outcome:
        """Raise an alert, answer its question, see the attempt fail; others then resolve it."""
        handle = await self.alert()
        await self.answer(await self.question(), **answer)
        await eventually(lambda: self.ticket().attempts)
        await handle.signal("resolved")
        return await handle.result()

    def ticket(self) -> Ticket:
        """The newest ticket."""
        return self.incidents.all()[0]


Found = TypeVar("Found")


async def eventually(look: Callable[[], Found]) -> Found:
    """Look again and again until something true is found; fails after a deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE_SECONDS:.0f} s: {look}")
        await asyncio.sleep(0.02)
    return found
