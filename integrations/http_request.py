"""``http.request``: one request to a named connection, and to nowhere else.

The host is the connection's own: a path is joined to its base and can not leave it (`http_wire` says which
addresses are asked at all). Where the connection lists what it allows, nothing else is sent. Every request
carries the step's idempotency key, and its undo is another request: what puts a server back, only the
playbook's author knows.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import unquote

from pydantic import BaseModel, Field, field_validator

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import HttpConnection, ReadConnections, http_named
from integrations.connections.parts import is_allowed
from integrations.http_wire import EXCERPT, Answer, Request, Server, lost, send, token_of
from integrations.ports import Effect
from integrations.step_markers import Marker, StepMarkers
from playbooks.places import HttpName, UrlPath
from playbooks.remedy import Written

__all__ = ["EXCERPT", "HttpParams", "HttpRequest"]

_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TRY_AGAIN = {408, 425, 429}  # the server says that it did not take the request up
_MOVED = {301, 302, 307, 308}


class HttpParams(Written):
    """What to ask of which connection; ``expect`` are the statuses that mean success (any 2xx if none)."""

    connection: HttpName
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: UrlPath
    body: Any = None
    expect: tuple[int, ...] = Field(default=())

    @field_validator("path")
    @classmethod
    def _stays_below_the_base(cls, path: str) -> str:
        if not _PATH.fullmatch(path) or _BAD_ESCAPE.search(path):
            raise ValueError(f"{path!r} is no path: begin with one /, and percent-encode what is special")
        before_query = unquote(path.partition("?")[0])
        if any(part in {".", ".."} for part in re.split(r"[/\\]", before_query)):
            raise ValueError(f"{path!r} holds . or .. as a part")
        return path


@dataclass(frozen=True)
class HttpRequest:
    """Send a request.

    ``state`` is a folder that outlives the process; ``traceparent`` tells the W3C trace context, if any.
    """

    name: ClassVar[str] = "http.request"
    Params: ClassVar[type[BaseModel]] = HttpParams
    mutates: ClassVar[bool] = True
    reports: ClassVar[frozenset[str]] = frozenset({"status", "answer"})

    connections: ReadConnections
    state: Path
    traceparent: Callable[[], str | None] = lambda: None

    @property
    def markers(self) -> StepMarkers:
        return StepMarkers(self.state)

    def target(self, params: HttpParams) -> str:
        return f"http:{params.connection}{params.path.partition('?')[0]}"

    def preview(self, params: HttpParams) -> str:
        connection = self._allowing(params)
        body = "" if params.body is None else f"\n{json.dumps(params.body, indent=2)}"
        return f"{params.method} {connection.base_url}{params.path} (connection {params.connection}){body}"

    def observe(self, params: HttpParams, *, key: str) -> Effect | None:
        marker = self.markers.read(key)
        if marker is None:
            return None
        if marker.effect is None and not self._may_be_sent_again(params):
            raise UnknownEffect(
                f"{params.method} {params.path} was sent to {params.connection} and its answer is not known; "
                "this connection does not recognise a repeated request (idempotent: false)"
            )
        return marker.effect

    def execute(self, params: HttpParams, *, key: str, timeout: float) -> Effect:
        connection = self._allowing(params)
        if (done := self.observe(params, key=key)) is not None:
            return done
        server = self._server(connection, key)
        self.markers.write(Marker(key=key))
        try:
            request = Request(params.method, params.path, params.body)
            effect = _judged(params, request, send(server, request, time.monotonic() + timeout))
        except UnknownEffect:
            raise
        except (Refused, Unavailable):
            self.markers.remove(key)
            raise
        self.markers.write(Marker(key=key, effect=effect))
        return effect

    def _allowing(self, params: HttpParams) -> HttpConnection:
        """Return the connection, if it may be asked this."""
        connection = http_named(self.connections, params.connection)
        if connection.allow is not None and not is_allowed(params.method, params.path, connection.allow):
            allowed = ", ".join(connection.allow) or "nothing"
            raise Refused(f"{params.connection} allows {allowed}; not {params.method} {params.path}")
        if params.body is not None:
            size = len(json.dumps(params.body).encode())
            if size > connection.longest_body:
                raise Refused(f"a body of {size} bytes; {params.connection} takes {connection.longest_body}")
        return connection

    def _may_be_sent_again(self, params: HttpParams) -> bool:
        return params.method == "GET" or http_named(self.connections, params.connection).idempotent

    def _server(self, connection: HttpConnection, key: str) -> Server:
        headers, token = {"Idempotency-Key": key}, token_of(connection.token_file)
        if (parent := self.traceparent()) is not None:
            headers["traceparent"] = parent
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return Server(connection.base_url, headers, token, connection.private, connection.longest_answer)


def _judged(params: HttpParams, request: Request, answer: Answer) -> Effect:
    """Tell what a status means for what was done."""
    says = f"{params.method} {answer.url} answered {answer.status}"
    if answer.status in (params.expect or range(200, 300)):
        return Effect(says=says, facts={"status": answer.status, "answer": answer.excerpt})
    if answer.status in _TRY_AGAIN:
        raise Unavailable(f"{says}: {answer.excerpt}")
    if answer.status in _MOVED:
        raise Refused(f"{says}, a redirect; redirects are not followed, name the final address instead")
    if answer.status in range(400, 500):
        raise Refused(f"{says}: {answer.excerpt}")
    raise lost(request, answer.url, f"answered {answer.status}: {answer.excerpt}")
