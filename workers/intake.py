"""Intake: which incident does an alert belong to? Decided before any workflow starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from causal.errors import Unavailable
from causal.evidence import Alert
from integrations.ports import Incidents, Opened
from workers.messages import Incident
from workers.policies import METRIC

INCIDENT = "IncidentWorkflow"
ANSWERS_WITHIN = timedelta(seconds=5)


@dataclass(frozen=True)
class Intake:
    """Opens incidents and lets alerts join them.

    ``correlate_within`` is how old (s) a running incident may be for a related alert to join it; ``settle``
    is handed to every incident (`workers.messages.Incident`).
    """

    incidents: Incidents
    client: Callable[[], Client]
    correlate_within: float = 3600.0
    settle: float = 8.0

    async def accept(self, alert: Alert, related: frozenset[str] = frozenset()) -> Opened:
        """Put an alert where it belongs; returns only when that is durable, else raises Unavailable.

        What the watch sees again and again is told to an incident once; other repeats are counted there.
        """
        within = self.correlate_within
        known = await asyncio.to_thread(self._fingerprints)
        opened = await asyncio.to_thread(self.incidents.open_or_join, alert, related, within)
        seen_again = alert.source == "watch" and (opened.incident, alert.fingerprint) in known
        await self._tell(opened.incident, None if opened.is_new or seen_again else alert)
        return opened

    async def resume(self) -> int:
        """Start what was opened but, for a crash in between, never started; gives how many are open."""
        running = await asyncio.to_thread(self.incidents.open)
        for incident in running:
            await self._tell(incident)
        return len(running)

    async def resolve(self, fingerprint: str) -> None:
        """Tell the open incident that this alert opened that it is resolved; unknown ones are ignored."""
        for incident, alerts in (await asyncio.to_thread(self.incidents.open)).items():
            if alerts[0].fingerprint == fingerprint:
                await self._say_resolved(incident)

    def _fingerprints(self) -> set[tuple[str, str]]:
        running = self.incidents.open()
        return {(incident, alert.fingerprint) for incident, alerts in running.items() for alert in alerts}

    async def _say_resolved(self, incident: str) -> None:
        handle = self.client().get_workflow_handle(incident)
        try:
            await handle.signal("resolved", rpc_timeout=ANSWERS_WITHIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it ended a moment ago
                raise Unavailable(f"Temporal did not take the news: {error}") from error

    async def _tell(self, incident: str, joins: Alert | None = None) -> None:
        """Start the incident's workflow if it does not run, and signal it the alert that joins it."""
        first = (await asyncio.to_thread(self.incidents.alerts, incident))[0]
        signal: dict[str, Any] = {"start_signal": "joined", "start_signal_args": [joins]} if joins else {}
        try:
            await self.client().start_workflow(
                INCIDENT,
                Incident(id=incident, alert=first, settle=self.settle),
                id=incident,
                task_queue=METRIC,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                rpc_timeout=ANSWERS_WITHIN,
                **signal,
            )
        except WorkflowAlreadyStartedError:
            return  # it ended a moment ago; the next alert opens a new incident
        except RPCError as error:
            raise Unavailable(f"Temporal did not take the alert: {error}") from error
