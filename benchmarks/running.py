"""What measurements of a whole Aitia stand on: `aitia up` in a scratch home, telemetry of made-up systems."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import httpx
import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

Found = TypeVar("Found")
_START_SECONDS = 180.0
_LOOK_AGAIN = 0.05
_MS = 1_000_000


@dataclass(frozen=True)
class RunningAitia:
    """An Aitia that runs, and a person's way to it."""

    home: Path
    run: dict[str, Any]

    @property
    def url(self) -> str:
        """Where the door is."""
        return str(self.run["door"]["url"])

    @property
    def headers(self) -> dict[str, str]:
        """What the door wants to see."""
        return {"Authorization": f"Bearer {(self.home / 'token').read_text().strip()}"}

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path of the door."""
        answer = httpx.get(f"{self.url}{path}", params=query, headers=self.headers, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def send(self, request: ExportTraceServiceRequest) -> None:
        """Send spans as any OTLP sender does."""
        headers = {**self.headers, "Content-Type": "application/x-protobuf"}
        body = request.SerializeToString()
        httpx.post(f"{self.url}/v1/traces", content=body, headers=headers, timeout=60).raise_for_status()


@contextmanager
def running_aitia(home: Path, settings: dict[str, Any]) -> Iterator[RunningAitia]:
    """`aitia up` for as long as the block lasts."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.yaml").write_text(json.dumps(settings))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TEMPORAL_"))}
    environment = {**kept, "AITIA_HOME": str(home), "AITIA_DOOR_PORT": "0"}
    with (home / "up.log").open("wb") as log:
        command = [sys.executable, "-m", "workers", "up"]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_for((home / "run.json").exists, "aitia up", seconds=_START_SECONDS)
        yield RunningAitia(home, json.loads((home / "run.json").read_text()))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)


def wait_for(look: Callable[[], Found], what: str, *, seconds: float) -> Found:
    """Look again and again until something true is found; TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(_LOOK_AGAIN)
    return found


def chain(services: Sequence[str], start: float, end: float, *, every: float, failing: str = "") -> Any:
    """Spans of requests that each service hands on to the next; half of those at one service may fail."""
    request = ExportTraceServiceRequest()
    scopes = {name: _scope(request, name) for name in services}
    dice = np.random.default_rng([crc32(services[0].encode()), int(start * 1000)])
    broken = services.index(failing) if failing else -1
    for number in range(int((end - start) / every)):
        at, trace = int((start + number * every) * 1e9), dice.bytes(16)
        fails, parent = number % 2 == 0, b""
        for depth, name in enumerate(services):
            for kind in (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)[: 2 if name != services[-1] else 1]:
                offset = 2 * depth + (kind == Span.SPAN_KIND_CLIENT)
                span = scopes[name].spans.add(
                    trace_id=trace, span_id=dice.bytes(8), parent_span_id=parent, kind=kind, name="POST /"
                )
                span.start_time_unix_nano = at + offset * _MS
                span.end_time_unix_nano = at + (80 - offset) * _MS
                if fails and depth <= broken:
                    span.status.code = Status.STATUS_CODE_ERROR
                parent = span.span_id
    return request


def _scope(request: ExportTraceServiceRequest, service: str) -> Any:
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    return resource.scope_spans.add()


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """The median, and what 95 and 99 in a hundred stay under; in the unit that was given."""
    found = np.percentile(seconds, (50, 95, 99)) if seconds else (0.0, 0.0, 0.0)
    return dict(zip(("p50", "p95", "p99"), (round(float(value), 4) for value in found), strict=True))
