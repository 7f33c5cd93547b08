"""Answers to questions, wherever they come from: the API, Slack, PagerDuty.

Who speaks is recognised by whoever brings the answer; whether it counts is decided by the workflow that asked
(`playbooks.approval`). What is refused is written to the audit log here, because a refusal leaves nothing
behind there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from causal.errors import Conflict, NotFound, Refused, Unavailable
from integrations.ports import Approvals, AuditEntry, AuditLog, Incidents
from playbooks.approval import handover_refusal, proof_of, refusal, right_of, seal_of, token_of
from playbooks.people import People, Person
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Correction, Handover
from workers.messages import Incident

ANSWERED_WITHIN_SECONDS = 20.0
INCIDENTS_SEARCHED = 500
NOBODY_NAMED = "nobody is named in people.yaml; `aitia people add` names people"
Said = ApprovalAnswer | Handover


@dataclass(frozen=True)
class Speaker:
    """Whose word it is and with which roles it counts; ``stranger`` says why it does not count at all."""

    name: str
    roles: tuple[str, ...] = ()
    stranger: str = ""


@dataclass(frozen=True)
class Verdict:
    """A yes, or a no with its reason or with what it was instead."""

    approve: bool
    because: str = ""
    it_was: Correction | None = None


def speaker_of(people: People | None, find: Callable[[People], Person | None], who: str) -> Speaker:
    """Return who somebody is whom another system names; by their roles in people.yaml and nothing else."""
    if people is None:
        return Speaker(who, stranger=f"{who}: {NOBODY_NAMED}")
    if (person := find(people)) is None:
        return Speaker(who, stranger=f"nobody in people.yaml is {who}; write the id to whom it belongs")
    return Speaker(person.name, person.roles)


def how_it_stands(question: ApprovalRequest) -> str:
    """Say what became of a question, to whoever answered it."""
    if question.status == "open":
        return f"{question.id} has {len(question.votes)} of {question.quorum} votes"
    return f"{question.id} is {question.status}"


@dataclass(frozen=True)
class Answering:
    """Takes answers to questions; the agents are given ``patience`` seconds to take one."""

    approvals: Approvals
    incidents: Incidents
    audit: AuditLog
    client: Callable[[], Client]
    key: Callable[[], bytes]
    patience: float = ANSWERED_WITHIN_SECONDS

    def token_for(self, question: ApprovalRequest, speaker: Speaker) -> str:
        """Return the token of the next answer, for who may give it now; empty for everybody else."""
        may = question.status == "open" and question.seals and right_of(question, speaker.name, speaker.roles)
        return token_of(question, self.key()) if may and not speaker.stranger else ""

    def next_token(self, question: ApprovalRequest) -> str:
        """Return the token of the next answer, for somebody who named the question and not the token."""
        return token_of(question, self.key())

    async def question_of(self, token: str, speaker: Speaker) -> ApprovalRequest:
        """Return the question that a token belongs to, open or not; Refused, and audited, for no such one."""
        question = await run_in_threadpool(self._sealed_with, token)
        if question is None:
            reason = "this answer belongs to no question that is known here; look at the incident again"
            await self._refused("", speaker, reason, {})
            raise Refused(reason)
        return question

    async def by_name(self, name: str) -> ApprovalRequest:
        """Return the question of this id, or the open one of an incident; NotFound where there is none."""
        for question in await run_in_threadpool(self.approvals.open):
            if name in {question.id, question.incident}:
                return question
        return await run_in_threadpool(self.approvals.get, name)

    async def answer(
        self, question: ApprovalRequest, token: str, verdict: Verdict, speaker: Speaker
    ) -> ApprovalRequest:
        """Answer a question as it stands; Refused or Conflict, and audited, where the answer does not count.

        Unavailable where it is not known whether the agents took it.
        """
        return await self.say(_answer(question, token, verdict, speaker), speaker)

    async def allow(self, question: ApprovalRequest, token: str, speaker: Speaker) -> None:
        """Refuse already now, and audit, who could not decline; before they are asked for their reasons."""
        given = _answer(question, token, Verdict(approve=False, because="not told yet"), speaker)
        if reason := speaker.stranger or refusal(question, given, now=time.time()):
            await self._refused(question.incident, speaker, reason, _facts(given))
            raise Refused(reason)

    async def say(self, given: Said, speaker: Speaker) -> ApprovalRequest:
        """Hand on what a speaker said to the workflow that asked."""
        try:
            question = await run_in_threadpool(self.approvals.get, given.approval)
        except NotFound as error:
            await self._refused("", speaker, str(error), _facts(given))
            raise
        try:
            _known(speaker)
            return await self._update(question, given)
        except (Refused, Conflict) as error:
            await self._refused(question.incident, speaker, str(error), _facts(given))
            raise

    async def _update(self, question: ApprovalRequest, given: Said) -> ApprovalRequest:
        handle = self.client().get_workflow_handle(question.id)
        update = "answer" if isinstance(given, ApprovalAnswer) else "delegate"
        try:
            async with asyncio.timeout(self.patience):
                answered: ApprovalRequest = await handle.execute_update(
                    update, given, result_type=ApprovalRequest
                )
        except WorkflowUpdateFailedError as error:
            raise Refused(_reason(error)) from error
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            raise Unavailable(
                f"the agents did not take the answer in time; look at {question.id} before answering again"
            ) from error
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise Conflict(_late(question, given)) from error
            raise Unavailable(f"Temporal did not take the answer: {error}") from error
        return answered

    def _sealed_with(self, token: str) -> ApprovalRequest | None:
        seal = seal_of(proof_of(token))
        for question in self.approvals.open():
            if seal in question.seals:
                return question
        for ticket in self.incidents.all(INCIDENTS_SEARCHED):
            asked = (ticket.approval, *(attempt.approval for attempt in ticket.attempts))
            for closed in asked:
                if closed is not None and seal in closed.seals:
                    return closed
        return None

    async def _refused(self, incident: str, speaker: Speaker, reason: str, facts: dict[str, Any]) -> None:
        entry = AuditEntry(
            incident=incident,
            trace_id=Incident.trace_of(incident) if incident else "",
            actor=speaker.name or "somebody without a name",
            event="approval.refused",
            summary=reason,
            facts=facts,
        )
        await run_in_threadpool(self.audit.append, entry)


def _known(speaker: Speaker) -> None:
    if speaker.stranger:
        raise Refused(speaker.stranger)


def _answer(question: ApprovalRequest, token: str, verdict: Verdict, speaker: Speaker) -> ApprovalAnswer:
    return ApprovalAnswer(
        approval=question.id,
        binding=question.binding,
        proof=proof_of(token),
        approve=verdict.approve,
        by=speaker.name,
        roles=speaker.roles,
        because=verdict.because,
        it_was=verdict.it_was,
    )


def _facts(given: Said) -> dict[str, Any]:
    return given.model_dump(mode="json", exclude={"proof", "by", "because"})


def _late(question: ApprovalRequest, given: Said) -> str:
    """Why an answer does not count whose workflow has ended."""
    now = time.time()
    late = (
        refusal(question, given, now=now)
        if isinstance(given, ApprovalAnswer)
        else handover_refusal(question, given, now=now)
    )
    return late or f"{question.id} no longer waits for an answer"


def _reason(error: WorkflowUpdateFailedError) -> str:
    cause: Any = error.cause
    return str(getattr(cause, "message", None) or cause or error)
