"""A real HTTP server on a free port that does what a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Talkative:
    """How to answer: with this status, body and headers, or not at all (``hang``, ``hang_up``)."""

    status: int = 200
    body: str = '{"ok": true}'
    headers: dict[str, str] = field(default_factory=dict)
    manner: str = "answer"
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _handler(talkative: Talkative) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            talkative.asked.append(Asked(self.command, self.path, headers, body))
            if talkative.manner == "hang":
                talkative.released.wait(30)
            if talkative.manner in {"hang", "hang_up"}:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(talkative.status)
            for name, value in talkative.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(talkative.body.encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def talking() -> Iterator[Talkative]:
    """A server that answers for as long as this lasts."""
    talkative = Talkative()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(talkative))
    talkative.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield talkative
    finally:
        talkative.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def told(asked: Asked) -> object:
    """The JSON of a request's body."""
    return json.loads(asked.body)
