"""OTLP/gRPC at the door: the three Export calls, with the answers that the OTLP specification gives errors.

What a sender shall try again is UNAVAILABLE; what nobody can read is INVALID_ARGUMENT; what is too large is
RESOURCE_EXHAUSTED without a time to try again, which says that it never will do. gRPC itself undoes gzip and
keeps to the limit of a message, before and after. The token stands in the metadata, as in HTTP's header.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from starlette.concurrency import run_in_threadpool

from causal.errors import AitiaError, MalformedTelemetry, TooLarge, Unavailable
from integrations.ports import TelemetryStore
from workers.door.otlp import SIGNALS, Load, Signal

_SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
}
_STATUS: tuple[tuple[type[AitiaError], grpc.StatusCode], ...] = (
    (MalformedTelemetry, grpc.StatusCode.INVALID_ARGUMENT),
    (TooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
GRACE_SECONDS = 5.0
Context = grpc.aio.ServicerContext[bytes, bytes]


@dataclass(frozen=True)
class Limits:
    """The largest message (bytes), and how many bytes may be worked on at one time."""

    message: int
    in_the_air: int


@dataclass(frozen=True)
class _Receiver:
    """Takes the messages of one signal."""

    signal: Signal
    store: TelemetryStore
    token: bytes
    load: Load

    async def export(self, body: bytes, context: Context) -> bytes:
        if not hmac.compare_digest(_bearer(context), self.token):
            says = "send the metadata 'authorization: Bearer TOKEN'; `aitia token` prints the token"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, says)
        try:
            self.load.take(len(body))
            try:
                return await run_in_threadpool(self._take, body)
            finally:
                self.load.taken -= len(body)
        except (MalformedTelemetry, TooLarge, Unavailable) as error:
            code = next(code for kind, code in _STATUS if isinstance(error, kind))
            await context.abort(code, str(error))
            raise  # abort has raised already

    def _take(self, body: bytes) -> bytes:
        decoded = self.signal.decode(body, "protobuf")
        if decoded.rows.rows:
            self.store.append(decoded.rows)
        answer = self.signal.response()
        if decoded.rejected:
            setattr(answer.partial_success, self.signal.rejected, decoded.rejected)
            answer.partial_success.error_message = decoded.error_message
        written: bytes = answer.SerializeToString()
        return written


@asynccontextmanager
async def otlp_grpc(store: TelemetryStore, token: str, address: str, limits: Limits) -> AsyncIterator[int]:
    """Serve the three calls for as long as the block lasts; gives the port. Unavailable if it is taken."""
    options = [("grpc.max_receive_message_length", limits.message), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(ThreadPoolExecutor(1), options=options)
    load = Load(limits.in_the_air)
    for signal in SIGNALS:
        receiver = _Receiver(signal, store, token.encode(), load)
        handler = grpc.unary_unary_rpc_method_handler(_of_bytes(receiver.export))
        service = _SERVICES[signal.name]
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise Unavailable(f"OTLP/gRPC can not listen on {address}: the port is taken") from error
    await server.start()
    try:
        yield port
    finally:
        await server.stop(GRACE_SECONDS)


def _of_bytes(export: Callable[[bytes, Context], Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
    # gRPC looks for a coroutine function, which a bound method of a dataclass is; the alias gives it a type.
    return export


def _bearer(context: Context) -> bytes:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization":
            text = value if isinstance(value, bytes) else value.encode()
            scheme, _, given = text.partition(b" ")
            return given.strip() if scheme.lower() == b"bearer" else b""
    return b""
