"""A forge on the loopback interface: a GitHub, a GitLab or a Gitea, as strict as their documentation.

One state (branches, commits, pull requests) behind three REST APIs. It checks the token where each of them
wants it, the content type of a body, the fields that are required, and answers errors with the status and the
body that are documented: a bad token, a project that is not there, a reference or a pull request that exists
already, rate limits with and without Retry-After.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.doubles.forge_routes import ROUTES
from tests.doubles.forge_state import PREFIX, PROJECT, TOKEN, Call, ForgeDouble, Kind, Refusal

__all__ = ["PROJECT", "TOKEN", "Call", "ForgeDouble", "Kind", "forge_double"]


def answered(forge: ForgeDouble, call: Call) -> tuple[int, Any]:
    """Answer as this kind of forge does."""
    _authorized(forge, call)
    if forge.limited is not None:
        limit = {"message": "You have exceeded a secondary rate limit."}
        raise Refusal(403 if forge.kind == "github" else 429, limit, forge.limited)
    if call.method in {"POST", "PUT", "PATCH"} and "application/json" not in call.headers["content-type"]:
        raise Refusal(400, {"message": "Problems parsing JSON"})
    for method, pattern, route in ROUTES[forge.kind]:
        match = re.fullmatch(pattern, call.path)
        if call.method == method and match:
            found = {name: unquote(text) for name, text in match.groupdict().items()}
            if found.pop("project") != PROJECT:
                raise Refusal(404, {"message": "Not Found"})
            return route(forge, Call(**{**call.__dict__, "found": found}))
    raise Refusal(404, {"message": "Not Found"})


def _authorized(forge: ForgeDouble, call: Call) -> None:
    header, value = {
        "github": ("authorization", f"Bearer {TOKEN}"),
        "gitlab": ("private-token", TOKEN),
        "gitea": ("authorization", f"token {TOKEN}"),
    }[forge.kind]
    if call.headers.get(header) != value:
        says = {"github": "Bad credentials", "gitlab": "401 Unauthorized", "gitea": "invalid token"}
        raise Refusal(401, {"message": says[forge.kind]})
    if not call.headers.get("user-agent"):
        raise Refusal(403, {"message": "Request forbidden by administrative rules."})


def _handler(forge: ForgeDouble) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            raw, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call(
                self.command,
                raw.removeprefix(PREFIX[forge.kind]),
                {name: values[0] for name, values in parse_qs(query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(body) if body else None,
            )
            with forge.lock:
                forge.asked.append(call)
                try:
                    status, value = answered(forge, call)
                    headers: Mapping[str, str] = {}
                except Refusal as refusal:
                    status, value, headers = refusal.status, refusal.body, refusal.headers
                lost = bool(forge.lose) and f"{call.method} {call.path}".startswith(forge.lose)
                forge.lose = "" if lost else forge.lose
            if lost:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.reply(status, value, headers)

        def reply(self, status: int, value: Any, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.end_headers()
            if value is not None:
                self.wfile.write(json.dumps(value).encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    return Handler


@contextmanager
def forge_double(kind: Kind) -> Iterator[ForgeDouble]:
    """A forge that answers for as long as this lasts."""
    forge = ForgeDouble(kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(forge))
    forge.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
