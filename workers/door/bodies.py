"""Bodies of requests, no larger than allowed."""

from __future__ import annotations

from starlette.requests import Request

from causal.errors import TooLarge


async def limited_body(request: Request, limit: int) -> bytes:
    """Read a body; TooLarge as soon as it has more than ``limit`` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the body is larger than {limit} bytes")
    return bytes(body)
