"""What was taken out of telemetry before it was stored: the rules, and counters that name nobody."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from pydantic import BaseModel

from integrations.redaction import Redaction, Redactor


class Redacted(BaseModel):
    """The rules in force, and how many texts were changed at this door since it opened, by what was done."""

    rules: Redaction
    counts: dict[str, int]


@dataclass(frozen=True)
class RedactionApi:
    """Tells about redaction."""

    redactor: Redactor

    def router(self) -> APIRouter:
        """The route under ``/api/redaction``."""
        router = APIRouter(prefix="/api")
        router.add_api_route("/redaction", self.redaction, methods=["GET"], response_model=Redacted)
        return router

    def redaction(self) -> Redacted:
        """The rules and the counters of redaction."""
        return Redacted(rules=self.redactor.rules, counts=dict(self.redactor.counts))
