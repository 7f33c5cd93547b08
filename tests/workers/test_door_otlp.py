"""OTLP/HTTP at the door: a real exporter, a real server, a real store, and all that may be sent instead."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.applications import Starlette

from causal.errors import Unavailable
from causal.evidence import Window
from integrations.ports import TelemetryStore
from integrations.telemetry_store import DiskTelemetryStore
from tests.integrations.telemetry_examples import SECOND, T0, export, span
from workers.door.otlp import Load, otlp_routes

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
EVER = Window(start=0, end=T0 * 2)
BODY_LIMIT, INFLATED_LIMIT = 200_000, 1_000_000
BODY = export(span(1), span(2)).SerializeToString()


@dataclass(frozen=True)
class Door:
    """A door that is open, and the store behind it."""

    url: str
    store: TelemetryStore

    def post(self, content: bytes, headers: dict[str, str], path: str = "/v1/traces") -> httpx.Response:
        return httpx.post(self.url + path, content=content, headers=headers, timeout=30)

    def spans(self) -> int:
        return len(self.store.read(EVER).spans)


@pytest.fixture
def open_door() -> Iterator[Callable[[TelemetryStore], Door]]:
    """Open doors on free ports; all are closed again."""
    opened: list[tuple[uvicorn.Server, threading.Thread]] = []

    def open_one(store: TelemetryStore) -> Door:
        app = Starlette(routes=otlp_routes(store, BODY_LIMIT, INFLATED_LIMIT))
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        listening.listen()  # from here on a request waits until the server takes it
        thread.start()
        opened.append((server, thread))
        return Door(f"http://127.0.0.1:{listening.getsockname()[1]}", store)

    yield open_one
    for server, thread in opened:
        server.should_exit = True
        thread.join()


@pytest.fixture
def door(open_door: Callable[[TelemetryStore], Door], tmp_path: Path) -> Door:
    return open_door(DiskTelemetryStore(tmp_path, keep_free=0))


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
def test_what_the_sdk_exports_is_in_the_store(door: Door, compression: Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop", "service.version": "7"}))
    exporter = OTLPSpanExporter(f"{door.url}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    provider.shutdown()
    spans = door.store.read(EVER).spans
    assert (sorted(map(str, spans.operation.values())), spans.service.names) == (
        ["inner", "outer"],
        ("shop",),
    )


def test_spans_that_are_sent_again_count_once(door: Door) -> None:
    statuses = [door.post(BODY, PROTOBUF).status_code for _ in range(3)]
    assert (statuses, door.spans()) == ([200, 200, 200], 2)


def test_an_answer_has_the_type_of_the_request(door: Door) -> None:
    answers = (
        door.post(BODY, PROTOBUF),
        door.post(b"{}", JSON | {"content-type": "application/json; charset=utf-8"}),
    )
    assert [answer.headers["content-type"] for answer in answers] == [
        PROTOBUF["content-type"],
        JSON["content-type"],
    ]


def test_json_with_hexadecimal_ids_is_taken(door: Door) -> None:
    one = {"traceId": "ab" * 16, "spanId": "cd" * 8, "startTimeUnixNano": str(T0 * SECOND)}
    sent = {"scopeSpans": [{"spans": [one | {"endTimeUnixNano": str(T0 * SECOND + 1)}]}]}
    answer = door.post(json.dumps({"resourceSpans": [sent]}).encode(), JSON)
    assert (answer.json(), door.store.read(EVER).spans.trace.names) == ({}, ("ab" * 16,))


def test_a_rejected_span_is_told_and_the_rest_is_kept(door: Door) -> None:
    body = export(span(1, trace_id=b""), span(2)).SerializeToString()
    answer = ExportTraceServiceResponse.FromString(door.post(body, PROTOBUF).content)
    told = answer.partial_success.rejected_spans, answer.partial_success.error_message
    assert (told, door.spans()) == ((1, "1 rejected: span: no trace id"), 1)


def test_a_rejected_span_is_told_in_json_too(door: Door) -> None:
    answer = door.post(b'{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}', JSON)
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
def test_half_a_protobuf_is_a_bad_request(door: Door, path: str) -> None:
    answer = door.post(BODY[: len(BODY) // 2], PROTOBUF, path)
    assert (answer.status_code, Status.FromString(answer.content).code) == (400, 3)


def test_half_a_json_is_a_bad_request_with_its_reason(door: Door) -> None:
    answer = door.post(b'{"resourceSpans": [', JSON)
    assert (answer.status_code, "truncated" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {}, PROTOBUF | {"content-encoding": "br"}]
)
def test_another_type_or_coding_is_not_supported(door: Door, headers: dict[str, str]) -> None:
    assert door.post(BODY, headers).status_code == 415


def test_another_method_is_not_allowed(door: Door) -> None:
    assert httpx.get(f"{door.url}/v1/traces").status_code == 405


def test_a_gzipped_body_is_taken(door: Door) -> None:
    door.post(gzip.compress(BODY), PROTOBUF | {"content-encoding": "gzip"})
    assert door.spans() == 2


def test_a_bomb_of_zeros_is_too_large(door: Door) -> None:
    bomb = gzip.compress(bytes(100_000_000))
    answer = door.post(bomb, PROTOBUF | {"content-encoding": "gzip"})
    assert (len(bomb) < BODY_LIMIT, answer.status_code) == (True, 413)


@pytest.mark.parametrize("body", [gzip.compress(BODY, mtime=0)[:-9], BODY], ids=["cut", "plain"])
def test_gzip_that_is_none_is_a_bad_request(door: Door, body: bytes) -> None:
    assert door.post(body, PROTOBUF | {"content-encoding": "gzip"}).status_code == 400


def test_a_huge_body_is_too_large(door: Door) -> None:
    assert door.post(bytes(BODY_LIMIT + 1), PROTOBUF).status_code == 413


def test_a_huge_body_of_unsaid_length_is_too_large(door: Door) -> None:
    chunks = (bytes(10_000) for _ in range(BODY_LIMIT // 10_000 + 1))
    answer = httpx.post(f"{door.url}/v1/traces", content=chunks, headers=PROTOBUF)
    assert answer.status_code == 413


def test_a_store_that_takes_nothing_more_asks_for_patience(
    open_door: Callable[[TelemetryStore], Door], tmp_path: Path
) -> None:
    answer = open_door(DiskTelemetryStore(tmp_path, keep_free=1 << 60)).post(BODY, PROTOBUF)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_an_empty_request_is_accepted(door: Door) -> None:
    assert [door.post(b"", PROTOBUF, path).status_code for path in ("/v1/traces", "/v1/metrics")] == [
        200,
        200,
    ]


def test_requests_at_the_same_time_lose_nothing(door: Door) -> None:
    bodies = [export(*(span(10 * n + i + 1) for i in range(10))).SerializeToString() for n in range(24)]
    threads = [threading.Thread(target=door.post, args=(body, PROTOBUF)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert door.spans() == 240


def test_too_much_at_one_time_is_put_off() -> None:
    load = Load(limit=10)
    load.take(6)
    with pytest.raises(Unavailable):
        load.take(6)


def test_a_single_body_is_never_too_much() -> None:
    load = Load(limit=10)
    load.take(11)
    assert load.taken == 11
