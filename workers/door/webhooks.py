"""Alerts from outside: each is with the incident it belongs to before its sender gets a 200."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import APIRouter, Request

from integrations.alertmanager import GRAFANA, parse
from integrations.plain_alerts import parse_plain
from playbooks.approval import raised_by
from workers.door.alert_desk import Accepted, AlertDesk, Notices
from workers.door.bodies import limited_body
from workers.door.callers import PERSON

CALL_GRAPH_SECONDS = 600.0


@dataclass(frozen=True)
class Webhooks:
    """Alert intake over HTTP. Alertmanager retries on 5xx only, so overload is a 503 and never a 429."""

    desk: AlertDesk
    body_limit: int

    def router(self) -> APIRouter:
        """The routes under ``/webhooks``."""
        router = APIRouter(prefix="/webhooks")
        for path, taken in (
            ("/alertmanager", self.alertmanager),
            ("/grafana", self.grafana),
            ("/alerts", self.alerts),
        ):
            router.add_api_route(path, taken, methods=["POST"], response_model=Accepted)
        return router

    async def alertmanager(self, request: Request) -> Accepted:
        """Alertmanager's webhook, version 4."""
        return await self._taken(request, parse(await limited_body(request, self.body_limit)))

    async def grafana(self, request: Request) -> Accepted:
        """Grafana's webhook contact point."""
        body = await limited_body(request, self.body_limit)
        return await self._taken(request, parse(body, dialect=GRAFANA))

    async def alerts(self, request: Request) -> Accepted:
        """An alert, or a list of them, as anybody may send them."""
        body = await limited_body(request, self.body_limit)
        return await self._taken(request, parse_plain(body, received_at=time.time()))

    async def _taken(self, request: Request, notices: Notices) -> Accepted:
        """Put alerts where they belong; a person who raises one asks, and will not be who approves."""
        person = request.scope.get(PERSON)
        name = person.name if person else ""
        signed = (notice.model_copy(update={"alert": raised_by(notice.alert, name)}) for notice in notices)
        return await self.desk.take(tuple(signed))
