"""OTLP/HTTP at the door: traces, metrics and logs, as protobuf or JSON, plain or gzipped.

The answers are those of the OTLP specification: 200 only after the rows are in the store, with a partial
success where single records could not be used; 400 for what nobody could read, and then sending again is no
use; 413 above a limit, before or after decompression; 415 for another type or coding; 503 with Retry-After
while the store takes nothing or too much is in the air. Errors are a google.rpc.Status. What is answered has
the type of what was asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from causal.errors import AitiaError, MalformedTelemetry, TooLarge, Unavailable
from integrations.inflate import gunzip
from integrations.otlp import Decoded, Encoding, decode_logs, decode_metrics, decode_traces
from integrations.ports import TelemetryStore

__all__ = ["IN_THE_AIR", "SIGNALS", "Load", "Signal", "otlp_routes"]

BODY_LIMIT = 16 * 1024 * 1024
INFLATED_LIMIT = 64 * 1024 * 1024
IN_THE_AIR = 256 * 1024 * 1024
"""Bytes of bodies, as received, that may be worked on at one time."""

_TYPES: Mapping[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
_RETRY_AFTER = {"Retry-After": "5"}


@dataclass(frozen=True)
class Signal:
    """What differs between the three kinds of telemetry."""

    name: str
    decode: Callable[[bytes, Encoding], Decoded]
    response: Callable[[], Any]
    rejected: str
    rejected_json: str

    @property
    def path(self) -> str:
        """Where it is received over HTTP."""
        return f"/v1/{self.name}"


SIGNALS = (
    Signal("traces", decode_traces, ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    Signal(
        "metrics",
        decode_metrics,
        ExportMetricsServiceResponse,
        "rejected_data_points",
        "rejectedDataPoints",
    ),
    Signal("logs", decode_logs, ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
)


class _UnsupportedError(AitiaError):
    """A content type or coding that is not spoken here."""


@dataclass(frozen=True)
class _Problem:
    """What is answered to a kind of error."""

    status: int
    code: int
    headers: Mapping[str, str]


_PROBLEMS: tuple[tuple[type[Exception], _Problem], ...] = (
    (MalformedTelemetry, _Problem(400, Code.INVALID_ARGUMENT, {})),
    (TooLarge, _Problem(413, Code.RESOURCE_EXHAUSTED, {})),
    (_UnsupportedError, _Problem(415, Code.INVALID_ARGUMENT, {})),
    (Unavailable, _Problem(503, Code.UNAVAILABLE, _RETRY_AFTER)),
)


@dataclass
class Load:
    """How many bytes are being worked on, of all signals together."""

    limit: int
    taken: int = 0

    def take(self, size: int) -> None:
        """Count a body in; Unavailable if it has to come again later."""
        if self.taken and self.taken + size > self.limit:
            raise Unavailable("too much telemetry at one time; send it again later")
        self.taken += size


@dataclass(frozen=True)
class _Receiver:
    """Takes the bodies of one signal."""

    signal: Signal
    store: TelemetryStore
    body_limit: int
    inflated_limit: int
    load: Load

    async def __call__(self, request: Request) -> Response:
        encoding = _TYPES.get(_media_type(request))
        try:
            return await self._received(request, encoding)
        except (MalformedTelemetry, TooLarge, Unavailable, _UnsupportedError) as error:
            return _refusal(error, encoding or "json")
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it

    async def _received(self, request: Request, encoding: Encoding | None) -> Response:
        if encoding is None:
            raise _UnsupportedError(f"send one of {', '.join(_TYPES)}, not {_media_type(request)!r}")
        gzipped = _is_gzipped(request)
        body = await self._body(request)
        try:
            return await run_in_threadpool(self._take, body, encoding, gzipped=gzipped)
        finally:
            self.load.taken -= len(body)

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        if int(request.headers.get("content-length", 0)) > self.body_limit:
            raise TooLarge(f"the body is larger than {self.body_limit} bytes")
        async for chunk in request.stream():
            body += chunk
            if len(body) > self.body_limit:
                raise TooLarge(f"the body is larger than {self.body_limit} bytes")
        self.load.take(len(body))
        return bytes(body)

    def _take(self, body: bytes, encoding: Encoding, *, gzipped: bool) -> Response:
        """Decode and keep a body; in a thread, since both take time."""
        plain = gunzip(body, self.inflated_limit) if gzipped else body
        if len(plain) > self.inflated_limit:
            raise TooLarge(f"the body is larger than {self.inflated_limit} bytes")
        decoded = self.signal.decode(plain, encoding)
        if decoded.rows.rows:
            self.store.append(decoded.rows)
        return _accepted(self.signal, decoded, encoding)


def otlp_routes(
    store: TelemetryStore, body_limit: int = BODY_LIMIT, inflated_limit: int = INFLATED_LIMIT
) -> list[Route]:
    """Make the routes `/v1/traces`, `/v1/metrics` and `/v1/logs` into a store; limits are in bytes.

    ``body_limit`` is for bodies as they are received, ``inflated_limit`` for what comes out of them.
    """
    load = Load(IN_THE_AIR)
    return [
        Route(
            signal.path,
            _endpoint(_Receiver(signal, store, body_limit, inflated_limit, load)),
            methods=["POST"],
        )
        for signal in SIGNALS
    ]


def _endpoint(receiver: _Receiver) -> Callable[[Request], Any]:
    # A route takes a function for a request's handler and any other callable for a whole ASGI application.
    async def receive(request: Request) -> Response:
        return await receiver(request)

    return receive


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _is_gzipped(request: Request) -> bool:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("gzip", "identity", ""):
        raise _UnsupportedError(f"send gzip or plain, not {coding!r}")
    return coding == "gzip"


def _accepted(signal: Signal, decoded: Decoded, encoding: Encoding) -> Response:
    if encoding == "json":
        partial = {signal.rejected_json: str(decoded.rejected), "errorMessage": decoded.error_message}
        return _json({"partialSuccess": partial} if decoded.rejected else {}, 200, {})
    answer = signal.response()
    if decoded.rejected:
        setattr(answer.partial_success, signal.rejected, decoded.rejected)
        answer.partial_success.error_message = decoded.error_message
    return _protobuf(answer, 200, {})


def _refusal(error: AitiaError, encoding: Encoding) -> Response:
    problem = next(problem for kind, problem in _PROBLEMS if isinstance(error, kind))
    if encoding == "json":
        body = {"code": int(problem.code), "message": str(error)}
        return _json(body, problem.status, problem.headers)
    return _protobuf(Status(code=problem.code, message=str(error)), problem.status, problem.headers)


def _json(body: Any, status: int, headers: Mapping[str, str]) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def _protobuf(message: Message, status: int, headers: Mapping[str, str]) -> Response:
    return Response(message.SerializeToString(), status, headers, "application/x-protobuf")
