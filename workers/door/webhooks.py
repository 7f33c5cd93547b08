"""Alerts from outside: each is with the incident it belongs to before its sender gets a 200."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from causal.correlate import neighbourhood
from causal.errors import TooLarge
from causal.evidence import Alert
from integrations.alertmanager import parse
from workers.intake import Intake
from workers.rolling import Rolling

CALL_GRAPH_SECONDS = 600.0


class Accepted(BaseModel):
    """Which incidents the alerts of a webhook belong to now."""

    incidents: list[str]
    resolved: int = 0


@dataclass(frozen=True)
class Webhooks:
    """Alert intake over HTTP. Alertmanager retries on 5xx only, so overload is a 503 and never a 429."""

    intake: Intake
    rolling: Rolling
    body_limit: int

    def router(self) -> APIRouter:
        """The routes under ``/webhooks``."""
        router = APIRouter(prefix="/webhooks")
        router.add_api_route("/alertmanager", self.alertmanager, methods=["POST"], response_model=Accepted)
        return router

    async def alertmanager(self, request: Request) -> Accepted:
        """Alertmanager's webhook, version 4."""
        notices = parse(await _limited_body(request, self.body_limit))
        incidents, resolved = [], 0
        for notice in notices:
            if notice.resolved:
                await self.intake.resolve(notice.alert.fingerprint)
                resolved += 1
                continue
            related = await run_in_threadpool(self._related, notice.alert)
            opened = await self.intake.accept(notice.alert, related)
            incidents.append(opened.incident)
        return Accepted(incidents=list(dict.fromkeys(incidents)), resolved=resolved)

    def _related(self, alert: Alert) -> frozenset[str]:
        """The services that an alert may be about: those around the one it names, or all if it names none."""
        rollup = self.rolling.until(alert.raised_at)
        if alert.symptom.service is None:
            return rollup.services
        return neighbourhood(frozenset({alert.symptom.service}), rollup.calls)


async def _limited_body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
    return bytes(body)
