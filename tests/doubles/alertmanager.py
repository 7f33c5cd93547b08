"""An Alertmanager on the loopback interface: what its API v2 documents about silences, and as strict.

For machines that have no Alertmanager; where there is a real one, the same tests run against that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4


@dataclass
class AlertmanagerDouble:
    """Its silences, by id."""

    port: int = 0
    silences: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if (method, path) == ("POST", "/api/v2/silences"):
            return self.made(body)
        if (method, path) == ("GET", "/api/v2/silences"):
            return 200, [self.shown(name) for name in self.silences]
        if method == "GET" and path == "/api/v2/alerts":
            return 200, []
        name = path.removeprefix("/api/v2/silence/")
        if name not in self.silences:
            return 404, ""
        if method == "DELETE":
            if self.shown(name)["status"]["state"] == "expired":
                return 500, f"silence {name} already expired"
            self.silences[name]["endsAt"] = datetime.now(UTC).isoformat()
            return 200, None
        return 200, self.shown(name)

    def made(self, body: Any) -> tuple[int, Any]:
        for name in ("matchers", "startsAt", "endsAt", "createdBy", "comment"):
            if not body.get(name):
                return 422, {"code": 602, "message": f"silence.{name} in body is required"}
        if any(not {"name", "value", "isRegex"} <= set(each) for each in body["matchers"]):
            return 422, {"code": 602, "message": "matcher.name in body is required"}
        if datetime.fromisoformat(body["endsAt"]) <= datetime.fromisoformat(body["startsAt"]):
            return 400, "Failed to create silence: start time must be before end time"
        name = str(uuid4())
        self.silences[name] = {"id": name, **body}
        return 200, {"silenceID": name}

    def shown(self, name: str) -> dict[str, Any]:
        ends = datetime.fromisoformat(self.silences[name]["endsAt"])
        state = "active" if ends > datetime.now(UTC) else "expired"
        return {**self.silences[name], "status": {"state": state}}


def _handler(double: AlertmanagerDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            status, value = double.answer(self.command, path, json.loads(body) if body else None)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            if value is not None:
                self.wfile.write(json.dumps(value).encode())

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def alertmanager_double() -> Iterator[AlertmanagerDouble]:
    """An Alertmanager that answers for as long as this lasts."""
    double = AlertmanagerDouble()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(double))
    double.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
