"""A whole Aitia as its users run it, telemetry to send to it, and a target that counts what is done to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

DEADLINE_SECONDS = 120.0


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Look again and again until something true is found; fails after a deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {DEADLINE_SECONDS:.0f} s"
        time.sleep(0.05)
    return found


@dataclass
class RunningAitia:
    """`aitia up` in a home of its own."""

    home: Path
    process: subprocess.Popen[str]

    @property
    def run(self) -> dict[str, Any]:
        """What run.json says."""
        told: dict[str, Any] = json.loads((self.home / "run.json").read_text())
        return told

    @property
    def http(self) -> httpx.Client:
        """A client of the door that has the token."""
        token = (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.run["door"]["url"], headers=headers, timeout=20.0)

    def get(self, path: str) -> Any:
        """The JSON at a path of the door; None while the door is away."""
        try:
            with self.http as http:
                answer = http.get(path)
        except httpx.TransportError:
            return None
        return answer.json() if answer.is_success else None

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``aitia …`` to its end."""
        return aitia(self.home, *words)


def environment(home: Path) -> dict[str, str]:
    """The environment of a command in a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TEMPORAL_"))}
    return {**kept, "AITIA_HOME": str(home), "AITIA_DOOR_PORT": "0"}


def aitia(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``aitia …`` to its end."""
    command = [sys.executable, "-m", "workers", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(home), timeout=120, check=False
    )


@contextmanager
def running(home: Path) -> Iterator[RunningAitia]:
    """Start `aitia up`, wait until it is ready, and stop it with Ctrl-C."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "workers", "up"]
    with (home / "up.log").open("a") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, text=True, env=environment(home), start_new_session=True
        )
    here = RunningAitia(home, process)
    try:
        wait_for(lambda: (home / "run.json").exists() or process.poll() is not None, "aitia up")
        assert process.poll() is None, (home / "up.log").read_text()
        yield here
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@dataclass
class Effects:
    """A target that honours idempotency keys and remembers effects; ``before_answer`` may kill somebody."""

    paths: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    before_answer: Callable[[str], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, key: str) -> None:
        """Do what is asked, once for each key."""
        with self.lock:
            new = key not in self.keys
            self.keys.add(key)
            if new:
                self.paths.append(path)
        if new:
            self.before_answer(path)


@contextmanager
def target(effects: Effects) -> Iterator[str]:
    """Serve the target on a free port; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            effects.take(self.path, self.headers["Idempotency-Key"])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def traffic(start: float, end: float, *, cart_fails: bool, every: float = 0.1) -> ExportTraceServiceRequest:
    """Requests to a gateway that calls a cart, begun between two moments; the cart may fail half of them."""
    request = ExportTraceServiceRequest()
    spans = {name: request.resource_spans.add() for name in ("gateway", "cart")}
    for name, resource in spans.items():
        attribute = resource.resource.attributes.add(key="service.name")
        attribute.value.string_value = name
    scopes = {name: resource.scope_spans.add() for name, resource in spans.items()}
    for number in range(int((end - start) / every)):
        at = int((start + number * every) * 1e9)
        fails = cart_fails and number % 2 == 0
        seed = at.to_bytes(8, "big")
        made = [
            ("gateway", b"g", b"", Span.SPAN_KIND_SERVER, 0, 30),
            ("gateway", b"c", b"g", Span.SPAN_KIND_CLIENT, 2, 26),
            ("cart", b"s", b"c", Span.SPAN_KIND_SERVER, 4, 22),
        ]
        for service, own, parent, kind, offset, length in made:
            span = scopes[service].spans.add(
                trace_id=seed * 2,
                span_id=own * 8,
                parent_span_id=parent * 8,
                name="POST /cart",
                kind=kind,
                start_time_unix_nano=at + offset * 1_000_000,
                end_time_unix_nano=at + (offset + length) * 1_000_000,
            )
            if fails:
                span.status.code = Status.STATUS_CODE_ERROR
    return request


def send(here: RunningAitia, request: ExportTraceServiceRequest) -> None:
    """Send spans to the door, as any OTLP sender does."""
    with here.http as http:
        answer = http.post(
            "/v1/traces",
            content=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
        )
    answer.raise_for_status()
