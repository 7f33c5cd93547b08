"""Slack over HTTP: what people press, send and type, signed by Slack; acknowledged at once, done after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from causal.errors import NotFound, Refused
from integrations.slack_requests import MAX_BODY, parse_form, verify
from workers.door.bodies import limited_body
from workers.slack_door import SlackDoor


@dataclass(frozen=True)
class SlackRoutes:
    """Open to whoever has Slack's signature, and to nobody where there is no ``secret`` to check it by."""

    door: SlackDoor | None
    secret: SecretStr | None
    clock: Callable[[], float] = time.time

    def router(self) -> APIRouter:
        """The routes under ``/slack``."""
        router = APIRouter(prefix="/slack", include_in_schema=False)
        for path in ("/interactivity", "/commands"):
            router.add_api_route(path, self.take, methods=["POST"])
        return router

    async def take(self, request: Request) -> Response:
        """Check the signature, acknowledge, and do it."""
        if self.door is None or self.secret is None:
            raise NotFound(
                "set slack_signing_secret, slack_token and slack_channel to have Slack served here"
            )
        body = await limited_body(request, MAX_BODY)
        try:
            verify(body, request.headers, self.secret.get_secret_value(), self.clock)
        except Refused as error:
            raise HTTPException(401, str(error)) from error
        told = parse_form(body)
        receipt = self.door.receipt(told)
        after = BackgroundTask(self.door.handle, told) if told is not None else None
        return Response(background=after) if receipt is None else JSONResponse(receipt, background=after)
