"""OTLP request bodies decoded into telemetry: protobuf or JSON, traces, metrics or logs.

A body that cannot be read at all raises MalformedTelemetry. A body with single records that cannot be used
gives the rest of them, with a count and the reasons, as OTLP's partial success wants it. Nothing else is
ever raised, whatever the bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from causal.errors import MalformedTelemetry
from causal.telemetry import Batch
from integrations.arrow import ArrowBatch, from_arrow
from integrations.otlp_json import ExportLogs, ExportMetrics, ExportTraces, read_json
from integrations.otlp_logs import log_rows
from integrations.otlp_metrics import sample_rows
from integrations.otlp_spans import span_rows
from integrations.otlp_values import Rejections

__all__ = ["Decoded", "Encoding", "decode_logs", "decode_metrics", "decode_traces"]

Encoding = Literal["protobuf", "json"]


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a request body held.

    ``rows`` is what a store takes. ``rejected`` counts the records that could not be used; ``error_message``
    says why, for the sender.
    """

    rows: ArrowBatch
    rejected: int = 0
    error_message: str = ""

    @cached_property
    def batch(self) -> Batch:
        """The same rows as the engine reads them."""
        return from_arrow(self.rows)


def decode_traces(body: bytes, encoding: Encoding) -> Decoded:
    """Decode an ExportTraceServiceRequest."""
    request, rejected = _read(body, encoding, ExportTraceServiceRequest, ExportTraces), Rejections()
    return _decoded(ArrowBatch(traces=span_rows(request, rejected)), rejected)


def decode_metrics(body: bytes, encoding: Encoding) -> Decoded:
    """Decode an ExportMetricsServiceRequest."""
    request, rejected = _read(body, encoding, ExportMetricsServiceRequest, ExportMetrics), Rejections()
    return _decoded(ArrowBatch(metrics=sample_rows(request, rejected)), rejected)


def decode_logs(body: bytes, encoding: Encoding) -> Decoded:
    """Decode an ExportLogsServiceRequest."""
    request, rejected = _read(body, encoding, ExportLogsServiceRequest, ExportLogs), Rejections()
    return _decoded(ArrowBatch(logs=log_rows(request, rejected)), rejected)


def _decoded(rows: ArrowBatch, rejected: Rejections) -> Decoded:
    return Decoded(rows, rejected.count, rejected.message)


def _read(body: bytes, encoding: Encoding, message: Callable[[], Any], record: type) -> Any:
    if encoding == "json":
        return read_json(body, record)
    request = message()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedTelemetry(f"not an {type(request).__name__}: {error}", where="protobuf") from error
    return request
