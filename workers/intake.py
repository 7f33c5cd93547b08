"""Intake: which incident does an alert belong to? Decided before any workflow starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from causal.errors import Unavailable
from causal.evidence import Alert
from integrations.ports import Claim, Incidents, Opened
from workers.messages import Arrivals, Incident
from workers.policies import METRIC

log = structlog.get_logger()

INCIDENT = "IncidentWorkflow"
ANSWERS_WITHIN = timedelta(seconds=5)
TOLD_WHOLE = 100
"""Alerts that one signal carries in full; a signal has a limit of two megabytes."""
Sought = tuple[Alert, frozenset[str]]
"""An alert, and the services that its trouble may come from."""


@dataclass(frozen=True)
class Intake:
    """Opens incidents and lets alerts join them.

    ``correlate_within`` is how old (s) a running incident may be for a related alert to join it; ``settle``
    is handed to every incident (`workers.messages.Incident`). ``expected`` tells why an alert is expected
    just now (a maintenance window), or None.
    """

    incidents: Incidents
    client: Callable[[], Client]
    correlate_within: float = 3600.0
    settle: float = 8.0
    expected: Callable[[Alert], str | None] = lambda _: None

    async def accept(self, alert: Alert, related: frozenset[str] = frozenset()) -> Opened | None:
        """Put an alert where it belongs, as `accept_all` does."""
        return (await self.accept_all([(alert, related)]))[0]

    async def accept_all(self, alerts: Sequence[Sought]) -> tuple[Opened | None, ...]:
        """Put alerts where they belong; returns only when that is durable, else raises Unavailable.

        All are stored in one transaction, and each incident is told once of all that it got: its repeats
        too, but for what the watch sees again and again. An alert that is expected and belongs to no incident
        yet opens none, and the answer is None. Sending any of them again, after an error too, does no harm.
        """
        claims = await asyncio.to_thread(self._claims, alerts)
        taken = await asyncio.to_thread(self.incidents.take, claims, self.correlate_within)
        told: dict[str, list[Alert]] = {}
        first: dict[str, Alert] = {}
        for (alert, _), opened in zip(alerts, taken, strict=True):
            if opened is None:
                log.info("an expected alert opens no incident", summary=alert.summary)
                continue
            first[opened.incident] = opened.first or alert
            joins = told.setdefault(opened.incident, [])
            if not opened.is_new and not (alert.source == "watch" and opened.is_known):
                joins.append(alert)
        await asyncio.gather(*(self._tell(name, first[name], joins) for name, joins in told.items()))
        return taken

    def _claims(self, alerts: Sequence[Sought]) -> list[Claim]:
        return [
            Claim(alert=alert, related=related, opens=self.expected(alert) is None)
            for alert, related in alerts
        ]

    async def resume(self) -> int:
        """Start what was opened but, for a crash in between, never started; gives how many are open."""
        running = await asyncio.to_thread(self.incidents.open)
        for incident, alerts in running.items():
            await self._tell(incident, alerts[0])
        return len(running)

    async def resolve(self, fingerprints: AbstractSet[str]) -> None:
        """Tell the open incidents that these alerts opened that they are resolved; others are ignored."""
        running = await asyncio.to_thread(self.incidents.open) if fingerprints else {}
        over = [incident for incident, alerts in running.items() if alerts[0].fingerprint in fingerprints]
        await asyncio.gather(*map(self._say_resolved, over))

    async def _say_resolved(self, incident: str) -> None:
        handle = self.client().get_workflow_handle(incident)
        try:
            await handle.signal("resolved", rpc_timeout=ANSWERS_WITHIN)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # it ended a moment ago
                raise Unavailable(f"Temporal did not take the news: {error}") from error

    async def _tell(self, incident: str, first: Alert, joins: Sequence[Alert] = ()) -> None:
        """Start the incident's workflow if it does not run, and signal it the alerts that join it."""
        arrivals = Arrivals(
            alerts=tuple(joins[:TOLD_WHOLE]),
            others=tuple(alert.fingerprint for alert in joins[TOLD_WHOLE:]),
        )
        signal: dict[str, Any] = {"start_signal": "arrived", "start_signal_args": [arrivals]} if joins else {}
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
