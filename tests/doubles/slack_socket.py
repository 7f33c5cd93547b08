"""Slack's Socket Mode on loopback: one-time addresses, hello, envelopes that must be acknowledged.

Beside `tests.doubles.slack`: the app-level token opens a connection (`apps.connections.open`), each envelope
goes to one connection, must be acknowledged within three seconds and is delivered again if it is not;
``disconnect`` asks the client to come anew. As documented on docs.slack.dev, "Socket Mode".
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from tests.doubles.serving import Answered, Asked, serving

APP_TOKEN = "xapp-1-A0-made-up"
ACKNOWLEDGED_WITHIN = 3.0
MOST_SOCKETS = 10
Json = dict[str, Any]


@dataclass
class Delivered:
    """An envelope: how often it was sent, whether it was acknowledged, and with what."""

    envelope: Json
    sent: int = 0
    acknowledged: threading.Event = field(default_factory=threading.Event)
    answer: Json | None = None


@dataclass
class SlackSocket:
    """The socket side of a workspace."""

    api: str = ""
    socket: str = ""
    tickets: set[str] = field(default_factory=set)
    open: list[ServerConnection] = field(default_factory=list)
    delivered: dict[str, Delivered] = field(default_factory=dict)
    connected: threading.Event = field(default_factory=threading.Event)
    opened: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, kind: str, payload: Json, *, times: int = 1) -> Delivered:
        """Send an envelope (``interactive``, ``slash_commands``, ``events_api``) and wait for its receipt.

        Sent again where nobody acknowledges it in time; ``times`` sends it so often at once, as Slack may.
        Raises TimeoutError where it never is.
        """
        envelope: Json = {"envelope_id": uuid.uuid4().hex, "type": kind, "payload": payload}
        told = self.delivered.setdefault(envelope["envelope_id"], Delivered(envelope))
        for attempt in range(3):
            self.wait_connected()
            for _ in range(times if attempt == 0 else 1):
                self._send(told, attempt)
            if told.acknowledged.wait(ACKNOWLEDGED_WITHIN):
                return told
        raise TimeoutError(f"nobody acknowledged {kind} within {ACKNOWLEDGED_WITHIN:g} s, three times")

    def ask_to_reconnect(self) -> None:
        """Say that this connection will be closed soon; the client opens another one first."""
        self.connected.clear()
        for connection in list(self.open):
            connection.send(json.dumps({"type": "disconnect", "reason": "refresh_requested"}))

    def cut(self) -> None:
        """Close all connections without a word."""
        self.connected.clear()
        for connection in list(self.open):
            connection.socket.close()

    def wait_connected(self) -> None:
        """Wait until somebody is connected; raises TimeoutError where nobody comes."""
        if not self.connected.wait(20):
            raise TimeoutError("nobody opened a socket")

    def answer(self, asked: Asked) -> Answered:
        """Answer `apps.connections.open`."""
        if not asked.path.endswith("/apps.connections.open"):
            return Answered(200, {"ok": False, "error": "unknown_method"})
        if asked.headers.get("authorization") != f"Bearer {APP_TOKEN}":
            wrong = (
                "not_allowed_token_type"
                if "xoxb" in asked.headers.get("authorization", "")
                else "invalid_auth"
            )
            return Answered(200, {"ok": False, "error": wrong})
        ticket = uuid.uuid4().hex
        with self._lock:
            self.tickets.add(ticket)
        return Answered(200, {"ok": True, "url": f"{self.socket}/link/?ticket={ticket}&app_id=A0"})

    def talk(self, connection: ServerConnection) -> None:
        """Serve one connection: its address counts once."""
        request = connection.request
        ticket = (request.path if request else "").partition("ticket=")[2].partition("&")[0]
        with self._lock:
            if ticket not in self.tickets or len(self.open) >= MOST_SOCKETS:
                return
            self.tickets.discard(ticket)
            self.open.append(connection)
            self.opened += 1
        connection.send(
            json.dumps({"type": "hello", "num_connections": len(self.open), "connection_info": {}})
        )
        self.connected.set()
        try:
            for message in connection:
                self._receipt(json.loads(message))
        except (ConnectionClosed, OSError):
            pass
        finally:
            with self._lock:
                self.open.remove(connection)

    def _send(self, told: Delivered, attempt: int) -> None:
        told.sent += 1
        envelope = told.envelope | ({"retry_attempt": attempt} if attempt else {})
        try:
            self.open[-1].send(json.dumps(envelope))
        except (ConnectionClosed, OSError, IndexError):
            self.connected.clear()

    def _receipt(self, message: Json) -> None:
        told = self.delivered.get(str(message.get("envelope_id", "")))
        if told is not None:
            told.answer = message.get("payload")
            told.acknowledged.set()


@contextmanager
def slack_socket() -> Iterator[SlackSocket]:
    """Run the socket side on free ports for as long as the block lasts."""
    double = SlackSocket()
    with serving(double.answer) as api, serve(double.talk, "127.0.0.1", 0) as server:
        double.api = f"{api}/api/"
        double.socket = f"ws://127.0.0.1:{_port(server)}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join(timeout=5)


def _port(server: Server) -> int:
    return int(server.socket.getsockname()[1])
