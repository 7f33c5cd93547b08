"""The API: incidents and the audit log, as JSON with OpenAPI."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from causal.errors import Refused
from causal.evidence import Fault, Hypothesis
from integrations.ports import AuditLog, AuditRow, Incidents
from playbooks.ticket import KnownCause, Ticket
from workers.door.callers import Callers
from workers.door.texts import Text


class IncidentView(Ticket):
    """A ticket with its verdict at hand."""

    hypotheses: tuple[Hypothesis, ...] = ()
    none_of_these: float | None = None
    minimal_set: tuple[str, ...] = ()

    @classmethod
    def of(cls, ticket: Ticket) -> IncidentView:
        """The view of a ticket."""
        verdict = ticket.diagnosis
        return cls(
            **dict(ticket),
            hypotheses=verdict.hypotheses if verdict else (),
            none_of_these=verdict.none_of_these if verdict else None,
            minimal_set=verdict.minimal_set if verdict else (),
        )


class Cause(BaseModel):
    """What a person knows of an ended incident's cause; without ``service``, what was thought."""

    service: Text | None = Field(default=None, min_length=1, max_length=200)
    fault: Fault | None = None
    by: Text = Field(min_length=1, max_length=200)
    because: Text = Field(default="", max_length=2000)


class AuditPage(BaseModel):
    """Rows of the audit log in their order."""

    rows: list[AuditRow]


@dataclass(frozen=True)
class Api:
    """What the API of incidents needs of the house."""

    incidents: Incidents
    audit: AuditLog
    callers: Callers
    hear: Callable[[str, KnownCause], Ticket]

    def router(self) -> APIRouter:
        """The routes under ``/api``."""
        router = APIRouter(prefix="/api")
        router.add_api_route("/incidents", self.list_incidents, response_model=list[IncidentView])
        router.add_api_route("/incidents/{incident}", self.get_incident, response_model=IncidentView)
        router.add_api_route(
            "/incidents/{incident}/cause", self.tell_cause, methods=["POST"], response_model=IncidentView
        )
        router.add_api_route("/audit", self.list_audit, response_model=AuditPage)
        return router

    def list_incidents(self, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[IncidentView]:
        """Incidents, newest first."""
        return [IncidentView.of(ticket) for ticket in self.incidents.all(limit)]

    def get_incident(self, incident: str) -> IncidentView:
        """One incident with all that is known about it."""
        return IncidentView.of(self.incidents.get(incident))

    def tell_cause(self, incident: str, told: Cause, request: Request) -> IncidentView:
        """Say what an ended incident's cause was; without a service, that the first hypothesis was right."""
        by = self.callers.of(request).name(told.by)
        ticket = self.incidents.get(incident)
        first = ticket.diagnosis.first if ticket.diagnosis else None
        if told.service is None and first is None:
            raise Refused(f"{incident} has no hypothesis to confirm; name the service that was the cause")
        service = told.service or (first.service if first else "")
        right = first is not None and first.service == service
        fault = told.fault or (first.fault if right and first else Fault.UNKNOWN)
        cause = KnownCause(
            service=service, fault=fault, confirmed=right, by=by, at=time.time(), because=told.because
        )
        return IncidentView.of(self.hear(incident, cause))

    def list_audit(
        self,
        incident: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> AuditPage:
        """Audit rows in their order, those with a number above ``after``."""
        return AuditPage(rows=list(islice(self.audit.rows(incident, after), limit)))
