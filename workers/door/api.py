"""The API: incidents, approvals and the audit log, as JSON with OpenAPI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.concurrency import run_in_threadpool
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from causal.errors import Conflict, Refused, Unavailable
from causal.evidence import Fault, Hypothesis
from integrations.ports import Approvals, AuditEntry, AuditLog, AuditRow, Incidents
from playbooks.remedy import ApprovalAnswer, ApprovalRequest
from playbooks.ticket import KnownCause, Ticket
from workers.messages import Incident
from workers.protocol import refusal

ANSWERED_WITHIN_SECONDS = 20.0


def _readable(text: str) -> str:
    """What people write may have line breaks, but nothing that a terminal would obey or no database takes."""
    if all(sign.isprintable() or sign in "\n\t" for sign in text):
        return text
    raise ValueError("has characters that cannot be shown")


Text = Annotated[str, AfterValidator(_readable)]


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


class Answer(BaseModel):
    """A human's answer to an approval; ``plan_digest`` names the exact plan that was read."""

    plan_digest: Text = Field(max_length=200)
    approve: bool
    by: Text = Field(min_length=1, max_length=200)
    because: Text = Field(default="", max_length=2000)


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
    """What the API needs of the house; the agents are given ``patience`` seconds to take an answer."""

    incidents: Incidents
    approvals: Approvals
    audit: AuditLog
    client: Callable[[], Client]
    hear: Callable[[str, KnownCause], Ticket]
    patience: float = ANSWERED_WITHIN_SECONDS

    def router(self) -> APIRouter:
        """The routes under ``/api``."""
        router = APIRouter(prefix="/api")
        router.add_api_route("/incidents", self.list_incidents, response_model=list[IncidentView])
        router.add_api_route("/incidents/{incident}", self.get_incident, response_model=IncidentView)
        router.add_api_route(
            "/incidents/{incident}/cause", self.tell_cause, methods=["POST"], response_model=IncidentView
        )
        router.add_api_route("/approvals", self.list_approvals, response_model=list[ApprovalRequest])
        router.add_api_route("/approvals/{approval}", self.get_approval, response_model=ApprovalRequest)
        router.add_api_route(
            "/approvals/{approval}", self.answer, methods=["POST"], response_model=ApprovalRequest
        )
        router.add_api_route("/audit", self.list_audit, response_model=AuditPage)
        return router

    def list_incidents(self, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[IncidentView]:
        """Incidents, newest first."""
        return [IncidentView.of(ticket) for ticket in self.incidents.all(limit)]

    def get_incident(self, incident: str) -> IncidentView:
        """One incident with all that is known about it."""
        return IncidentView.of(self.incidents.get(incident))

    def tell_cause(self, incident: str, told: Cause) -> IncidentView:
        """Say what an ended incident's cause was; without a service, that the first hypothesis was right."""
        ticket = self.incidents.get(incident)
        first = ticket.diagnosis.first if ticket.diagnosis else None
        if told.service is None and first is None:
            raise Refused(f"{incident} has no hypothesis to confirm; name the service that was the cause")
        service = told.service or (first.service if first else "")
        right = first is not None and first.service == service
        fault = told.fault or (first.fault if right and first else Fault.UNKNOWN)
        cause = KnownCause(
            service=service, fault=fault, confirmed=right, by=told.by, at=time.time(), because=told.because
        )
        return IncidentView.of(self.hear(incident, cause))

    def list_approvals(self) -> list[ApprovalRequest]:
        """What waits for a human's answer, oldest first."""
        return list(self.approvals.open())

    def get_approval(self, approval: str) -> ApprovalRequest:
        """One question and, if it was answered, its answer."""
        return self.approvals.get(approval)

    async def answer(self, approval: str, answer: Answer) -> ApprovalRequest:
        """Answer a question. Refused with 409 if it is late, replayed, or for another plan."""
        request = await run_in_threadpool(self.approvals.get, approval)
        given = ApprovalAnswer(approval=approval, **answer.model_dump())
        try:
            return await self._update(request, given)
        except (Refused, Conflict) as error:
            await run_in_threadpool(self._audit_refusal, request, given, str(error))
            raise

    def list_audit(
        self,
        incident: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    ) -> AuditPage:
        """Audit rows in their order, those with a number above ``after``."""
        rows = (row for row in self.audit.rows(incident) if row.seq > after)
        return AuditPage(rows=list(islice(rows, limit)))

    async def _update(self, request: ApprovalRequest, given: ApprovalAnswer) -> ApprovalRequest:
        handle = self.client().get_workflow_handle(request.id)
        try:
            async with asyncio.timeout(self.patience):
                answered: ApprovalRequest = await handle.execute_update(
                    "answer", given, result_type=ApprovalRequest
                )
        except WorkflowUpdateFailedError as error:
            raise Refused(_reason(error)) from error
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise Unavailable(
                f"the agents did not take the answer in time; look at {request.id} before answering again"
            ) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                late = refusal(request, given, now=time.time())
                raise Conflict(late or f"{request.id} no longer waits for an answer") from error
            raise Unavailable(f"Temporal did not take the answer: {error}") from error
        return answered

    def _audit_refusal(self, request: ApprovalRequest, given: ApprovalAnswer, reason: str) -> None:
        self.audit.append(
            AuditEntry(
                incident=request.incident,
                trace_id=Incident.trace_of(request.incident),
                actor=given.by,
                event="approval.refused",
                summary=reason,
                facts={"approval": given.approval, "plan": given.plan_digest, "approve": given.approve},
            )
        )


def _reason(error: WorkflowUpdateFailedError) -> str:
    cause: Any = error.cause
    return str(getattr(cause, "message", None) or cause or error)
