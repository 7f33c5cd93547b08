"""A tiny OTLP/HTTP receiver: keeps what it was sent, so that tests can look at it."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

T = TypeVar("T")
KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass(frozen=True)
class Span:
    """A span with the resource it came with; times in seconds."""

    service: str
    resource: dict[str, Any]
    name: str
    kind: str
    trace: bytes
    id: bytes
    parent: bytes
    start: float
    seconds: float
    failed: bool
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...]


@dataclass(frozen=True)
class Log:
    service: str
    severity: str
    body: str
    event: str
    trace: bytes


@dataclass(frozen=True)
class Point:
    service: str
    metric: str
    value: float


@dataclass
class Receiver:
    """What arrived so far."""

    url: str
    news: threading.Condition = field(default_factory=threading.Condition)
    spans: list[Span] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def wait_for(self, found: Callable[[], T], within: float = 45.0) -> T:
        """Wait until something has arrived and return it; fails when it does not come in time."""
        with self.news:
            self.news.wait_for(found, timeout=within)
        result = found()
        assert result, "it did not arrive in time"
        return result

    def spans_of(self, service: str, name: str, since: float = 0.0) -> list[Span]:
        """The spans of a service by name, begun after a moment (Unix seconds)."""
        return [s for s in self.spans if (s.service, s.name) == (service, name) and s.start > since]

    def span(self, service: str, name: str, since: float = 0.0) -> Span:
        """Wait for a span of a service by name that did not fail; the first there is."""
        return self.wait_for(lambda: [s for s in self.spans_of(service, name, since) if not s.failed])[0]

    def parent(self, span: Span) -> Span:
        """Wait for the span that another one names as its parent."""
        return self.wait_for(lambda: [s for s in self.spans if s.id == span.parent])[0]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            with receiver.news:
                receiver.headers.append({key.lower(): value for key, value in self.headers.items()})
                _keep(receiver, self.path, gzip.decompress(raw))
                receiver.news.notify_all()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _keep(receiver: Receiver, path: str, raw: bytes) -> None:
    if path == "/v1/traces":
        receiver.spans += _spans(raw)
    elif path == "/v1/logs":
        receiver.logs += _logs(raw)
    elif path == "/v1/metrics":
        receiver.points += _points(raw)


def _spans(raw: bytes) -> Iterator[Span]:
    for group in ExportTraceServiceRequest.FromString(raw).resource_spans:
        resource = _plain(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                yield Span(
                    service=resource["service.name"],
                    resource=resource,
                    name=span.name,
                    kind=KINDS[span.kind],
                    trace=span.trace_id,
                    id=span.span_id,
                    parent=span.parent_span_id,
                    start=span.start_time_unix_nano / 1e9,
                    seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    failed=span.status.code == 2,
                    attributes=_plain(span.attributes),
                    events=tuple((event.name, _plain(event.attributes)) for event in span.events),
                )


def _logs(raw: bytes) -> Iterator[Log]:
    for group in ExportLogsServiceRequest.FromString(raw).resource_logs:
        service = _plain(group.resource.attributes)["service.name"]
        for scope in group.scope_logs:
            for record in scope.log_records:
                yield Log(
                    service,
                    record.severity_text,
                    record.body.string_value,
                    record.event_name,
                    record.trace_id,
                )


def _points(raw: bytes) -> Iterator[Point]:
    for group in ExportMetricsServiceRequest.FromString(raw).resource_metrics:
        service = _plain(group.resource.attributes)["service.name"]
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                for point in metric.gauge.data_points:
                    yield Point(service, metric.name, point.as_double or float(point.as_int))


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
