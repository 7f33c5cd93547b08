"""The order of the house: what happens from an alert to a lesson, top to bottom, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from causal.evidence import Alert, Diagnosis
    from playbooks.again import passed_over, why_not_again
    from playbooks.remedy import IN_VAIN, Attempt, AttemptStatus, Outcome, Proposal
    from playbooks.ticket import Happening, Ticket
    from workers.learning_agent import LearningAgent
    from workers.messages import (
        Arrivals,
        CheckOrder,
        Diagnosed,
        Ending,
        Incident,
        Note,
        Observation,
        Progress,
    )
    from workers.metric_agent import MetricAgent
    from workers.policies import READ, REMEDIATION, THINK, WRITE, step
    from workers.remediation_agent import RemediationAgent
    from workers.remediation_workflow import RemediationWorkflow
    from workers.root_cause_agent import RootCauseAgent
    from workers.story import diagnosed, ended, opened, planned, worth_more_than_showing

ANOTHER_PLAN_MAY_HELP = {*IN_VAIN, AttemptStatus.LEFT}
MOST_JOINED = 50
QUIET_AGAIN_SECONDS = 30.0
FIRST_LOOK, LONGEST_PAUSE, GIVE_UP = timedelta(seconds=15), timedelta(minutes=5), timedelta(days=7)


@workflow.defn
class IncidentWorkflow:
    """One incident, from the alert to the lesson. Duplicate and related alerts join by signal."""

    @workflow.init
    def __init__(self, incident: Incident) -> None:
        now = workflow.now().timestamp()
        self.incident = incident
        self.ticket = Ticket(
            id=incident.id,
            title=opened(incident.alert),
            status="observing",
            opened_at=now,
            updated_at=now,
            alert=incident.alert,
            trace_id=incident.trace_id,
        )
        self.heard = {incident.alert.fingerprint}
        self.resolved_outside = False
        self.publishing = asyncio.Lock()

    @workflow.run
    async def run(self, incident: Incident) -> Outcome:
        await self.note(
            "incident.opened", "metric agent", self.ticket.title, alert=incident.alert.model_dump()
        )
        await self.show(f"alert: {self.ticket.title}")

        seen, proposals = await self.investigate(incident)
        outcome = await self.remedy(seen, proposals)
        await self.note("outcome", "remediation agent", outcome.says, status=outcome.status)

        learned = await step(LearningAgent.learn, Ending(incident=incident, outcome=outcome), WRITE)
        await self.note("learned", "learning agent", learned.says, lesson=learned.model_dump())
        says = f"{outcome.says}; {learned.says}"
        await self.show(says, status=outcome.status, cause=learned.cause)

        await self.until_quiet(seen, outcome)
        await self.note("incident.ended", "metric agent", f"{incident.id} is over", status=outcome.status)
        over = "the incident is over" + (", and whoever alerted says so" if self.resolved_outside else "")
        await self.show(over, ended_at=workflow.now().timestamp())
        await workflow.wait_condition(workflow.all_handlers_finished)
        return outcome

    @workflow.signal
    async def joined(self, alert: Alert) -> None:
        """A duplicate or a related alert belongs to this incident."""
        await self.arrived(Arrivals(alerts=(alert,)))

    @workflow.signal
    async def arrived(self, arrivals: Arrivals) -> None:
        """Alerts belong here; repeats, of which there may be thousands, are shown ever more rarely."""
        told = {alert.fingerprint: alert for alert in arrivals.alerts}
        new = {*told, *arrivals.others} - self.heard
        repeats = len(arrivals.alerts) + len(arrivals.others) - len(new)
        self.heard |= new
        room = MOST_JOINED - len(self.ticket.joined)
        joins = [alert for fingerprint, alert in told.items() if fingerprint in new][: max(room, 0)]
        before, duplicates = self.ticket.duplicates, self.ticket.duplicates + repeats
        self.ticket = self.ticket.model_copy(
            update={
                "duplicates": duplicates,
                "joined": (*self.ticket.joined, *joins),
                "more_joined": self.ticket.more_joined + len(new) - len(joins),
            }
        )
        if new or before.bit_length() < duplicates.bit_length():
            await self.show(_joined(joins, len(new)))

    @workflow.signal
    async def progressed(self, progress: Progress) -> None:
        """The remediation tells how far it has come."""
        await self.show(progress.says, status=progress.status, approval=progress.approval)

    @workflow.signal
    def resolved(self) -> None:
        """Whoever alerted says that it is over."""
        self.resolved_outside = True

    @workflow.query
    def current(self) -> Ticket:
        """The ticket as it is now."""
        return self.ticket

    async def investigate(self, incident: Incident) -> tuple[Observation, tuple[Proposal, ...]]:
        """Look until the verdict is sure enough to ask somebody, a few times at most."""
        for look in range(1, incident.looks + 1):
            if incident.settle:
                await workflow.sleep(incident.settle * look)  # more of the incident is more evidence
            seen, proposals = await self.understand(incident, look)
            if worth_more_than_showing(proposals):
                break
        return seen, proposals

    async def understand(self, incident: Incident, look: int) -> tuple[Observation, tuple[Proposal, ...]]:
        """Look, diagnose and plan, each with its audit row."""
        seen = await step(MetricAgent.observe, incident, READ)
        kept = "; ".join((f"telemetry kept as {seen.snapshot}", *seen.missing))
        await self.show(kept, status="diagnosing", snapshot=seen.snapshot)

        diagnosis = await self.diagnose(seen)
        facts = {"diagnosis": diagnosis.digest(), "snapshot": seen.snapshot}
        await self.note("diagnosed", "root-cause agent", diagnosed(diagnosis), look=look, **facts)
        await self.show(diagnosed(diagnosis), status="planning", diagnosis=diagnosis)

        proposals = await self.propose(seen, diagnosis)
        await self.note("planned", "remediation agent", planned(proposals), look=look, plans=_gist(proposals))
        await self.show(planned(proposals), proposals=proposals)
        return seen, proposals

    async def diagnose(self, seen: Observation) -> Diagnosis:
        """The verdict; where the engine itself fails, an honest "I do not know"."""
        try:
            return await step(RootCauseAgent.diagnose, seen, THINK)
        except ActivityError as error:
            return Diagnosis(engine="none", missing_evidence=(f"the engine failed: {error.cause}",))

    async def propose(self, seen: Observation, diagnosis: Diagnosis) -> tuple[Proposal, ...]:
        """The plans; where they cannot be made, none, and the ticket says why."""
        try:
            verdict = Diagnosed(observation=seen, diagnosis=diagnosis)
            return await step(RemediationAgent.propose, verdict, THINK)
        except ActivityError as error:
            await self.show(f"no plan can be made: {error.cause}")
            return ()

    async def remedy(self, seen: Observation, proposals: tuple[Proposal, ...]) -> Outcome:
        """Carry out one plan after the other until one brings recovery or a human says no; none twice."""
        tried: tuple[Attempt, ...] = ()
        for proposal in proposals:
            if why_not := why_not_again(proposal.plan, tried):
                await self.show(why_not, attempts=(*self.ticket.attempts, passed_over(proposal, why_not)))
                continue
            attempt = await workflow.execute_child_workflow(
                RemediationWorkflow.run,
                args=[proposal, seen],
                id=f"{self.incident.id}-{proposal.plan.id}",
                task_queue=REMEDIATION,
            )
            tried = (*tried, attempt)
            await self.show("", attempts=(*self.ticket.attempts, attempt))
            if attempt.status not in ANOTHER_PLAN_MAY_HELP:
                break
        return ended(self.incident.id, tried, at=workflow.now().timestamp())

    async def until_quiet(self, seen: Observation, outcome: Outcome) -> None:
        """Keep the incident open until its symptom is gone, so that it is not opened again and again."""
        pause, give_up = FIRST_LOOK, workflow.now() + GIVE_UP
        order = CheckOrder(
            incident=self.incident.id,
            snapshot=seen.snapshot,
            symptom=seen.alert.symptom,
            services=(),
            baseline=seen.baseline,
            since=seen.window.end,
            quiet_for=QUIET_AGAIN_SECONDS,
        )
        quiet = outcome.status in {AttemptStatus.RECOVERED, AttemptStatus.GONE}
        while not quiet and not self.resolved_outside and workflow.now() < give_up:
            quiet = (await step(MetricAgent.verify, order, READ)).recovered
            if quiet:
                break
            await self.pause(at_most=pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def pause(self, *, at_most: timedelta) -> None:
        """Wait, but no longer than until whoever alerted says that it is over."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(lambda: self.resolved_outside, timeout=at_most)

    async def show(self, says: str, **changes: object) -> None:
        """Bring the ticket up to date, in the order in which things happened."""
        async with self.publishing:
            now = workflow.now().timestamp()
            line = (Happening(at=now, says=says),) if says else ()
            update = {"updated_at": now, "timeline": (*self.ticket.timeline, *line), **changes}
            self.ticket = self.ticket.model_copy(update=update)
            await step(RemediationAgent.publish, self.ticket, WRITE)

    async def note(self, event: str, actor: str, summary: str, *, look: int = 1, **facts: object) -> None:
        """Write an audit row; the incident does not go on before it is written."""
        row = Note(
            incident=self.incident.id,
            trace_id=self.incident.trace_id,
            key=f"{self.incident.id}/{event}/{look}",
            actor=actor,
            event=event,
            summary=summary,
            facts=facts,
        )
        await step(RemediationAgent.write_audit, row, WRITE)


def _joined(joins: list[Alert], count: int) -> str:
    """What is said of alerts that joined; nothing of repeats."""
    if not joins:
        return f"{count} more alerts joined" if count else ""
    return f"joined: {opened(joins[0])}" + (f", and {count - 1} more alerts" if count > 1 else "")


def _gist(proposals: tuple[Proposal, ...]) -> list[dict[str, object]]:
    """What the audit log keeps of each proposal: enough to recompute the gate's decision."""
    return [
        {
            "plan": proposal.plan.id,
            "digest": proposal.plan.digest(),
            "playbook": proposal.plan.playbook,
            "playbook_digest": proposal.plan.playbook_digest,
            "service": proposal.plan.service,
            "fault": proposal.plan.fault,
            "impact": proposal.plan.impact,
            "decision": proposal.decision.model_dump(mode="json"),
        }
        for proposal in proposals
    ]
