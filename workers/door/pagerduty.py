"""PagerDuty's webhooks: signed by it, taken within the five seconds that it waits, done after that.

Whatever is signed is taken, also what nobody here knows or can read: three refusals in a row, and PagerDuty
sends nothing for a day.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import SecretStr
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from causal.errors import MalformedAlert, NotFound, Refused
from integrations.pagerduty_webhooks import MAX_BODY, parse, verify
from workers.door.bodies import limited_body
from workers.pagerduty_door import PagerDutyDoor, TakeAlerts

SIGNATURE = "x-pagerduty-signature"
log = structlog.get_logger()


@dataclass(frozen=True)
class PagerDutyRoutes:
    """Open to whoever has PagerDuty's signature, and to nobody where there are no ``secrets``."""

    door: PagerDutyDoor
    secrets: tuple[SecretStr, ...]
    alert: TakeAlerts

    def router(self) -> APIRouter:
        """The route ``/webhooks/pagerduty``."""
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/webhooks/pagerduty", self.take, methods=["POST"])
        return router

    async def take(self, request: Request) -> Response:
        """Check the signature, make it durable, acknowledge, and do what is left to do."""
        if not self.secrets:
            raise NotFound("set pagerduty_webhook_secrets to have PagerDuty served here")
        body = await limited_body(request, MAX_BODY)
        try:
            verify(
                body, request.headers.get(SIGNATURE, ""), [each.get_secret_value() for each in self.secrets]
            )
        except Refused as error:
            raise HTTPException(401, str(error)) from error
        try:
            event = parse(body)
        except MalformedAlert as error:
            log.warning("PagerDuty sent what cannot be read", error=str(error))
            return Response(status_code=202)
        work = await self.door.take(event, self.alert)
        return Response(status_code=202, background=BackgroundTask(work) if work else None)
