"""The API of approvals: what waits, answers, and votes that are handed over (`workers.answering`)."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from causal.evidence import Fault
from integrations.ports import Approvals
from playbooks.approval import proof_of
from playbooks.remedy import ApprovalAnswer, ApprovalRequest, Correction, Handover
from workers.answering import Answering
from workers.door.callers import Caller, Callers
from workers.door.texts import Name, Words


class Question(ApprovalRequest):
    """A question as a person sees it; ``token``, for one answer, is there for who may answer it now."""

    token: str = ""


class ItWas(BaseModel):
    """What it was instead."""

    service: Name = Field(min_length=1)
    fault: Fault = Fault.UNKNOWN


class Answer(BaseModel):
    """A person's answer; ``binding`` names exactly what was read, ``token`` is that of the question.

    ``by`` counts only where no people.yaml says who has which token.
    """

    binding: Name
    token: Name
    approve: bool
    by: Name = ""
    because: Words = ""
    it_was: ItWas | None = None


class Delegate(BaseModel):
    """Who is to answer instead of the caller, until the question expires."""

    binding: Name
    to: Name = Field(min_length=1)
    by: Name = ""


@dataclass(frozen=True)
class ApprovalsApi:
    """Questions and answers over HTTP."""

    approvals: Approvals
    answering: Answering
    callers: Callers

    def router(self) -> APIRouter:
        """The routes under ``/api/approvals``."""
        router = APIRouter(prefix="/api/approvals")
        router.add_api_route("", self.list_approvals, response_model=list[Question])
        router.add_api_route("/{approval}", self.get_approval, response_model=Question)
        router.add_api_route("/{approval}", self.answer, methods=["POST"], response_model=ApprovalRequest)
        router.add_api_route(
            "/{approval}/delegate", self.delegate, methods=["POST"], response_model=ApprovalRequest
        )
        return router

    def list_approvals(self, request: Request) -> list[Question]:
        """What waits for a human's answer, oldest first; with a token where the caller may give it."""
        caller = self.callers.of(request)
        return [self._shown(question, caller) for question in self.approvals.open()]

    def get_approval(self, approval: str, request: Request) -> Question:
        """One question and, if it was answered, its answer."""
        return self._shown(self.approvals.get(approval), self.callers.of(request))

    async def answer(self, approval: str, answer: Answer, request: Request) -> ApprovalRequest:
        """Answer a question. Refused with 409, and audited, if it does not count."""
        caller = await run_in_threadpool(self.callers.of, request)
        speaker = caller.speaker(answer.by)
        given = ApprovalAnswer(
            approval=approval,
            binding=answer.binding,
            proof=proof_of(answer.token),
            approve=answer.approve,
            by=speaker.name,
            roles=speaker.roles,
            because=answer.because,
            it_was=Correction(**answer.it_was.model_dump()) if answer.it_was else None,
        )
        return await self.answering.say(given, speaker)

    async def delegate(self, approval: str, wish: Delegate, request: Request) -> ApprovalRequest:
        """Hand the caller's vote to somebody else until the question expires. Refused like an answer."""
        caller = await run_in_threadpool(self.callers.of, request)
        speaker = caller.speaker(wish.by)
        to, to_roles = await run_in_threadpool(self.callers.roles_of, wish.to)
        given = Handover(
            approval=approval,
            binding=wish.binding,
            by=speaker.name,
            roles=speaker.roles,
            to=to,
            to_roles=to_roles,
        )
        return await self.answering.say(given, speaker)

    def _shown(self, question: ApprovalRequest, caller: Caller) -> Question:
        return Question(**dict(question), token=self.answering.token_for(question, caller.speaker()))
