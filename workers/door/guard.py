"""Nobody gets through the door without the token; only ``/healthz`` is open."""

from __future__ import annotations

import hmac
import json

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = {"/healthz"}
_HINT = "send the header 'Authorization: Bearer TOKEN'; `aitia token` prints the token"


class Guard:
    """Middleware that compares the bearer token in constant time."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self.app = app
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_open(scope) or self._knows(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _refuse(send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "no valid token"})

    def _knows(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Headers are decoded as Latin-1, so this gives back the very bytes that were sent.
        same = hmac.compare_digest(given.strip().encode("latin-1"), self.token)
        return same and scheme.lower() == "bearer"


def _is_open(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"] in OPEN


async def _refuse(send: Send) -> None:
    body = json.dumps({"error": f"no valid token: {_HINT}"}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"www-authenticate", b'Bearer realm="aitia"'),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})
