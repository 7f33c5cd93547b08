"""OTLP/gRPC at the door: real exporters of the SDK, a real server, a real store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from causal.errors import Unavailable
from causal.evidence import Window
from integrations.memory_telemetry import MemoryTelemetryStore
from integrations.ports import TelemetryStore
from integrations.telemetry_store import DiskTelemetryStore
from tests.integrations.telemetry_examples import T0, export, span
from workers.door.otlp_grpc import Limits, otlp_grpc

TOKEN = "made-up"
EVER = Window(start=0, end=T0 * 2)
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
BODY = export(span(1), span(2)).SerializeToString()
LIMIT = 200_000


class Full(MemoryTelemetryStore):
    """A store that takes nothing."""

    def append(self, rows: object) -> None:
        del rows
        raise Unavailable("the disk is full")


@dataclass(frozen=True)
class Door:
    """A door that is open, and the store behind it."""

    address: str
    store: TelemetryStore

    def send(self, body: bytes, token: str = TOKEN, path: str = TRACES) -> bytes:
        """Send a message as it is; raises grpc.RpcError."""
        with grpc.insecure_channel(self.address) as channel:
            call: Callable[..., bytes] = channel.unary_unary(path, bytes, bytes)
            return call(body, timeout=30, metadata=[("authorization", f"Bearer {token}")])

    def refusal(self, body: bytes, token: str = TOKEN, path: str = TRACES) -> grpc.StatusCode:
        """The status that a message is refused with."""
        with pytest.raises(grpc.RpcError) as refused:
            self.send(body, token, path)
        code: grpc.StatusCode = refused.value.code()
        return code

    def spans(self) -> int:
        return len(self.store.read(EVER).spans)


@contextmanager
def opened(store: TelemetryStore, limits: Limits) -> Iterator[Door]:
    """Open a door on a free port, in a thread of its own."""
    ready, stop, port = threading.Event(), asyncio.Event(), [0]
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with otlp_grpc(store, TOKEN, "127.0.0.1:0", limits) as chosen:
            port[0] = chosen
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait(20)
    try:
        yield Door(f"127.0.0.1:{port[0]}", store)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    limits = Limits(message=LIMIT, in_the_air=10 * LIMIT)
    with opened(DiskTelemetryStore(tmp_path, keep_free=0), limits) as there:
        yield there


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.NoCompression])
def test_what_the_sdk_exports_over_grpc_is_in_the_store(door: Door, compression: grpc.Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(
        f"http://{door.address}",
        insecure=True,
        headers={"authorization": f"Bearer {TOKEN}"},
        compression=compression,
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("GET /basket"):
        pass
    provider.shutdown()
    assert door.store.tables(EVER).traces["service"].to_pylist() == ["shop"]


def test_a_sound_message_is_answered_with_success(door: Door) -> None:
    answer = ExportTraceServiceResponse.FromString(door.send(BODY))
    assert (answer.partial_success.rejected_spans, door.spans()) == (0, 2)


def test_a_span_that_cannot_be_used_is_counted_in_the_answer(door: Door) -> None:
    request = export(span(1), span(2))
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b""
    answer = ExportTraceServiceResponse.FromString(door.send(request.SerializeToString()))
    assert (answer.partial_success.rejected_spans, door.spans()) == (1, 1)


def test_what_nobody_can_read_is_an_invalid_argument(door: Door) -> None:
    assert door.refusal(b"\xff\xff\xff") == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_that_is_too_large_is_resource_exhausted(door: Door) -> None:
    assert door.refusal(b"\x0a" * (LIMIT + 1)) == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("token", ["", "wrong", "made-u", "made-upp"])
def test_nobody_gets_in_without_the_token(door: Door, token: str) -> None:
    assert (door.refusal(BODY, token), door.spans()) == (grpc.StatusCode.UNAUTHENTICATED, 0)


def test_a_store_that_takes_nothing_is_unavailable_so_that_the_sender_tries_again() -> None:
    with opened(Full(), Limits(message=LIMIT, in_the_air=LIMIT)) as there:
        assert there.refusal(BODY) == grpc.StatusCode.UNAVAILABLE


def test_a_call_that_otlp_does_not_have_is_unimplemented(door: Door) -> None:
    elsewhere = "/opentelemetry.proto.collector.trace.v1.TraceService/Import"
    assert door.refusal(BODY, path=elsewhere) == grpc.StatusCode.UNIMPLEMENTED


def test_a_port_that_is_taken_is_told_with_its_address(door: Door) -> None:
    async def again() -> None:
        async with otlp_grpc(door.store, TOKEN, door.address, Limits(LIMIT, LIMIT)):
            pass

    with pytest.raises(Unavailable, match=door.address):
        asyncio.run(again())
