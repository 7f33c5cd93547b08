"""The API of the kill switch and the locks: stop everything, let it go on, see who acts on what.

Anybody with a valid token may stop. To let it go on takes a person, where people are named.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from integrations.ports import Lock, Locks, Stop
from workers.braking import Brakes
from workers.door.callers import Callers
from workers.door.texts import Name, Words


class Reason(BaseModel):
    """Why; ``by`` counts only where no people.yaml says who has which token."""

    because: Words = Field(min_length=1)
    by: Name = ""


@dataclass(frozen=True)
class BrakesApi:
    """Stops and locks."""

    brakes: Brakes
    locks: Locks
    callers: Callers

    def router(self) -> APIRouter:
        """The routes ``/api/stop``, ``/api/resume`` and ``/api/locks``."""
        router = APIRouter(prefix="/api")
        router.add_api_route("/stop", self.get_stop, response_model=Stop)
        router.add_api_route("/stop", self.stop, methods=["POST"], response_model=Stop)
        router.add_api_route("/resume", self.resume, methods=["POST"], response_model=Stop)
        router.add_api_route("/locks", self.list_locks, response_model=list[Lock])
        return router

    def get_stop(self) -> Stop:
        """Whether everything is stopped, since when, by whom and why."""
        return self.brakes.state()

    def stop(self, reason: Reason, request: Request) -> Stop:
        """Stop everything: no effect is brought about from now on, also none that is queued already."""
        by, _ = self.callers.of(request).speaks(reason.by)
        return self.brakes.stop(by, reason.because)

    def resume(self, reason: Reason, request: Request) -> Stop:
        """Let new plans be carried out again; what was stopped on its way stays as it is."""
        by = self.callers.of(request).name(reason.by)
        return self.brakes.resume(by, reason.because)

    def list_locks(self) -> list[Lock]:
        """Who acts on which target now, and until when its lock lasts unless it is renewed."""
        return list(self.locks.held(now=time.time()))
