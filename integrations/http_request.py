"""``http.request``: one request to a named connection, and to nowhere else.

The host is the connection's own: a path is joined to its base and can not leave it, redirects are not
followed, names are resolved once and the very address that was checked is the one connected to (no link-local
or metadata address, whatever a name resolves to meanwhile). Every request carries the step's idempotency key.
What is known after a failure is said exactly: no connection means nothing was done; an answer that got lost
may mean anything.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import unquote

import httpx
from pydantic import BaseModel, Field, field_validator

from causal.errors import Refused, Unavailable, UnknownEffect
from integrations.connections import HttpConnection, ReadConnections, http_named
from integrations.ports import Effect
from integrations.step_markers import Marker, StepMarkers
from playbooks.lookups import UrlPath, is_visible
from playbooks.remedy import Written

LONGEST_ANSWER = 64 * 1024
EXCERPT = 300
CONNECT_SECONDS = 5.0
_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_METADATA = {"fd00:ec2::254", "100.100.100.200"}  # cloud metadata services that are not link-local
_TRY_AGAIN = {408, 425, 429}  # the server says that it did not take the request up
_MOVED = {301, 302, 307, 308}


class HttpParams(Written):
    """What to ask of which connection; ``expect`` are the statuses that mean success (any 2xx if none)."""

    connection: str
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

    connections: ReadConnections
    state: Path
    traceparent: Callable[[], str | None] = lambda: None

    @property
    def markers(self) -> StepMarkers:
        return StepMarkers(self.state)

    def target(self, params: HttpParams) -> str:
        return f"http:{params.connection}{params.path.partition('?')[0]}"

    def preview(self, params: HttpParams) -> str:
        connection = http_named(self.connections, params.connection)
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
        connection = http_named(self.connections, params.connection)
        if (done := self.observe(params, key=key)) is not None:
            return done
        call = _Call(connection, params, self._headers(connection, key), time.monotonic() + timeout)
        self.markers.write(Marker(key=key))
        try:
            effect = call.answered()
        except UnknownEffect:
            raise
        except (Refused, Unavailable):
            self.markers.remove(key)
            raise
        self.markers.write(Marker(key=key, effect=effect))
        return effect

    def _may_be_sent_again(self, params: HttpParams) -> bool:
        return params.method == "GET" or http_named(self.connections, params.connection).idempotent

    def _headers(self, connection: HttpConnection, key: str) -> dict[str, str]:
        headers = {"Idempotency-Key": key, "Accept-Encoding": "identity", "User-Agent": "aitia"}
        if (parent := self.traceparent()) is not None:
            headers["traceparent"] = parent
        if connection.token_file is not None:
            headers["Authorization"] = f"Bearer {_token(connection)}"
        return headers


@dataclass(frozen=True)
class _Call:
    """One request on its way."""

    connection: HttpConnection
    params: HttpParams
    headers: dict[str, str]
    deadline: float

    def answered(self) -> Effect:
        url = httpx.URL(self.connection.base_url + self.params.path)
        refused: list[str] = []
        for address in _addresses(url):
            try:
                status, body = self.sent(url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused.append(f"{address}: {error or type(error).__name__}")
                continue
            except httpx.TransportError as error:
                raise self.lost(f"gave no answer: {error or type(error).__name__}") from error
            return self.judged(status, self.clean(body))
        raise Unavailable(f"{url.host} can not be reached, nothing was sent ({'; '.join(refused)})")

    def sent(self, url: httpx.URL, address: str) -> tuple[int, bytes]:
        left = max(self.deadline - time.monotonic(), 0.1)
        with httpx.Client(
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(left, connect=min(left, CONNECT_SECONDS)),
        ) as client:
            request = client.build_request(
                self.params.method,
                url.copy_with(host=address),
                headers={"Host": url.netloc.decode("ascii"), **self.headers},
                json=self.params.body,
                extensions={"sni_hostname": url.host},
            )
            answer = client.send(request, stream=True)
            try:
                return answer.status_code, self.some_of(answer)
            finally:
                answer.close()

    def some_of(self, answer: httpx.Response) -> bytes:
        """Read the beginning of a body; once the status is known, how it ends changes nothing."""
        body = b""
        try:
            for piece in answer.iter_raw():
                body += piece
                if len(body) > LONGEST_ANSWER or time.monotonic() > self.deadline:
                    break
        except httpx.TransportError:
            return body
        return body[:LONGEST_ANSWER]

    def judged(self, status: int, body: str) -> Effect:
        """Tell what a status means for what was done."""
        expected = status in (self.params.expect or range(200, 300))
        says = f"{self.params.method} {self.connection.base_url}{self.params.path} answered {status}"
        if expected:
            return Effect(says=says, facts={"status": status, "answer": body})
        if status in _TRY_AGAIN:
            raise Unavailable(f"{says}: {body}")
        if status in _MOVED:
            raise Refused(f"{says}, a redirect; redirects are not followed, name the final address instead")
        if status in range(400, 500):
            raise Refused(f"{says}: {body}")
        raise self.lost(f"answered {status}: {body}")

    def lost(self, what: str) -> Unavailable:
        """Make the error for a request that was sent and whose effect is open."""
        says = f"{self.params.method} {self.connection.base_url}{self.params.path} {what}"
        return Unavailable(says) if self.params.method == "GET" else UnknownEffect(says)

    def clean(self, body: bytes) -> str:
        """Return an excerpt for people: what can be seen, without the token if a server echoes it."""
        text = body.decode(errors="replace").replace(
            self.headers.get("Authorization", "\0")[7:] or "\0", "..."
        )
        return "".join(letter if is_visible(letter) else " " for letter in text)[:EXCERPT].strip()


def _token(connection: HttpConnection) -> str:
    try:
        token = connection.token_file.read_text(encoding="ascii").strip() if connection.token_file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the token file {connection.token_file} can not be read: {error}") from error
    if not token or not token.isprintable():
        raise Refused(f"the token file {connection.token_file} holds no token")
    return token


def _addresses(url: httpx.URL) -> list[str]:
    """Resolve a host; Refused if any of its addresses is one that a playbook must not reach."""
    try:
        found = socket.getaddrinfo(url.host, url.port or 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"the name {url.host} can not be resolved: {error}") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        _allowed(address, url.host)
    return addresses


def _allowed(address: str, host: str) -> None:
    parsed = ipaddress.ip_address(address)
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    if plain.is_link_local or plain.is_multicast or str(plain) in _METADATA:
        raise Refused(f"{host} is {address}, a link-local, multicast or metadata address: never asked")
