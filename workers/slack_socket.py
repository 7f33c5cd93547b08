"""Slack's Socket Mode: what people do there reaches a door that no network reaches.

The vendor's client keeps the connection: it opens a new one before Slack closes the old one, and notices by
pings that one is dead though nobody said so. It works in threads of its own; what it brings is acknowledged
there, at once, and done in the door's loop. Source: docs.slack.dev, "Socket Mode".
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from causal.errors import MalformedAlert
from integrations.slack_requests import SlackRequest, parse_envelope
from workers.slack_door import SlackDoor

PING_SECONDS = 3.0
TIMEOUT_SECONDS = 10
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
log = structlog.get_logger()


@asynccontextmanager
async def listening(
    door: SlackDoor, app_token: str, base_url: str, *, ping: float = PING_SECONDS
) -> AsyncIterator[None]:
    """Serve what comes over Socket Mode as long as this lasts; what has begun is finished before it ends."""
    client = SocketModeClient(
        app_token,
        web_client=WebClient(base_url=base_url, timeout=TIMEOUT_SECONDS, retry_handlers=[]),
        ping_interval=ping,
    )
    loop, over = asyncio.get_running_loop(), threading.Event()
    async with asyncio.TaskGroup() as works:

        def hand_over(request: SlackRequest) -> None:
            loop.call_soon_threadsafe(lambda: works.create_task(door.handle(request)))

        client.socket_mode_request_listeners.append(_taking(door, hand_over))
        connecting = threading.Thread(target=_connect, args=(client, over), name="slack-socket")
        connecting.start()
        try:
            yield
        finally:
            over.set()
            await asyncio.to_thread(connecting.join)
            await asyncio.to_thread(client.close)


def _taking(
    door: SlackDoor, hand_over: Callable[[SlackRequest], None]
) -> Callable[[BaseSocketModeClient, SocketModeRequest], None]:
    def take(client: BaseSocketModeClient, envelope: SocketModeRequest) -> None:
        try:
            request = parse_envelope(envelope.type, envelope.payload)
        except MalformedAlert as error:
            log.warning("Slack sent what cannot be read", kind=envelope.type, error=str(error))
            request = None
        receipt: Any = door.receipt(request)
        client.send_socket_mode_response(SocketModeResponse(envelope.envelope_id, payload=receipt))
        if request is not None:
            hand_over(request)

    return take


def _connect(client: SocketModeClient, over: threading.Event) -> None:
    """Connect for the first time, however long that takes; from then on the client does so by itself."""
    pause = FIRST_PAUSE
    while not over.is_set():
        try:
            client.connect()
        except (OSError, SlackClientError, ValueError) as error:
            log.warning("no Socket Mode yet", error=str(error)[:300], again_in=pause)
            over.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            log.info("connected to Slack by Socket Mode")
            return
