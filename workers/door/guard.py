"""Nobody gets through the door without a token, the door's or a person's; only ``/healthz`` is open.

Slack and PagerDuty have no token: what they send is let pass to where its signature is checked, and nowhere
else.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from causal.errors import MalformedSettings
from playbooks.people import People, Person
from workers.door.callers import PERSON

OPEN = {"/healthz"}
SIGNED = {"/slack/interactivity", "/slack/commands", "/webhooks/pagerduty"}
log = structlog.get_logger()
_HINT = "send the header 'Authorization: Bearer TOKEN'; `aitia token` prints the token"


class Guard:
    """Middleware that compares the bearer token in constant time, and notes whose it is."""

    def __init__(self, app: ASGIApp, token: str, people: Callable[[], People | None]) -> None:
        self.app = app
        self.token = token.encode()
        self.people = people

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_open(scope):
            await self.app(scope, receive, send)
            return
        given = _bearer(Headers(scope=scope))
        # An empty word is nobody's, whatever is written.
        if given and hmac.compare_digest(given, self.token):
            await self.app(scope, receive, send)
        elif given and (person := await run_in_threadpool(self._person, given)):
            await self.app({**scope, PERSON: person}, receive, send)
        elif scope["type"] == "http":
            await _refuse(send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "no valid token"})

    def _person(self, given: bytes) -> Person | None:
        try:
            people = self.people()
        except MalformedSettings as error:  # nobody can be told from anybody: nobody gets in
            log.warning("people cannot be told apart", error=str(error))
            return None
        return people.with_token(given) if people else None


def _bearer(headers: Headers) -> bytes:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Headers are decoded as Latin-1, so this gives back the very bytes that were sent.
    return given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""


def _is_open(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in OPEN | SIGNED


async def _refuse(send: Send) -> None:
    body = json.dumps({"error": f"no valid token: {_HINT}"}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"www-authenticate", b'Bearer realm="aitia"'),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
