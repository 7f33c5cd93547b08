"""The API of learning: what is known, what was withdrawn and why, and what people do about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from causal.calibrate import shipped, told
from causal.errors import NotFound, Unavailable
from causal.evidence import Restoration
from integrations.ports import PriorStore
from playbooks.drift import Drift
from workers.autonomy import Autonomy
from workers.door.callers import Callers
from workers.door.texts import Name, Words
from workers.learning_view import LearningView, Retraining
from workers.messages import Retrained
from workers.policies import LEARNING
from workers.schedules import RETRAIN
from workers.upkeep_workflow import RetrainWorkflow

ASKED_FOR = f"{RETRAIN}-asked"


class GiveBack(BaseModel):
    """Why autonomy is given back, and to which playbook (empty: to all from which it was withdrawn)."""

    because: Words = Field(min_length=1)
    playbook: Name = ""
    by: Name = ""


@dataclass(frozen=True)
class LearningApi:
    """Learning, and the autonomy that rests on it."""

    priors: PriorStore
    autonomy: Autonomy
    callers: Callers
    client: Callable[[], Client]

    def router(self) -> APIRouter:
        """The routes under ``/api/learning``."""
        router = APIRouter(prefix="/api/learning")
        router.add_api_route("", self.show, response_model=LearningView)
        router.add_api_route("/check", self.check, methods=["POST"], response_model=Drift)
        router.add_api_route("/restore", self.restore, methods=["POST"], response_model=list[Restoration])
        router.add_api_route("/retrain", self.retrain, methods=["POST"], response_model=Retraining)
        router.add_api_route("/retrain", self.retraining, response_model=Retraining)
        return router

    def show(self) -> LearningView:
        """What was learned, and what the watches for drift say now; nothing is changed."""
        priors = self.priors.current()
        return LearningView(
            version=priors.version,
            labels=len(priors.labels),
            deeds=len(priors.deeds),
            calibration=told(priors.calibration or shipped()),
            playbooks=priors.playbooks,
            demotions=priors.demotions,
            restorations=priors.restorations,
            watches=self.autonomy.look(time.time()).watches,
        )

    def check(self) -> Drift:
        """Look for drift now, and do what follows from it."""
        return self.autonomy.check(time.time())

    def restore(self, wish: GiveBack, request: Request) -> list[Restoration]:
        """Give autonomy back that was withdrawn; it takes a person where people are named."""
        by = self.callers.of(request).name(wish.by)
        return list(self.autonomy.give_back(wish.playbook, by=by, because=wish.because, at=time.time()))

    async def retrain(self) -> Retraining:
        """Have the baselines learned anew, now; what was asked for already is not asked for again."""
        try:
            await self.client().start_workflow(
                RetrainWorkflow.run,
                id=ASKED_FOR,
                task_queue=LEARNING,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
        except RPCError as error:
            raise Unavailable(f"Temporal did not take it: {error}") from error
        return Retraining(state="running")

    async def retraining(self) -> Retraining:
        """How far the retraining has come that was asked for last."""
        handle = self.client().get_workflow_handle(ASKED_FOR, result_type=Retrained)
        try:
            found = await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise NotFound("no retraining was asked for") from error
            raise Unavailable(f"Temporal does not tell: {error}") from error
        if found.status is WorkflowExecutionStatus.RUNNING:
            return Retraining(state="running")
        if found.status is not WorkflowExecutionStatus.COMPLETED:
            return Retraining(state="failed")
        return Retraining(state="done", done=await handle.result())
