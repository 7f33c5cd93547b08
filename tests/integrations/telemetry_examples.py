"""Small telemetry for tests: rows as a store takes them, and export requests as senders write them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from causal.errors import MalformedTelemetry
from causal.telemetry import Column, Floats, Past
from integrations.arrow import LOGS, METRICS, TRACES, ArrowBatch

T0 = 1_790_000_000
"""Where the examples begin (Unix seconds)."""
SECOND = 1_000_000_000


def span_row(number: int, at: float, **fields: Any) -> dict[str, Any]:
    """Return a span of the service `cart` that starts ``at`` seconds after T0."""
    return {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "parent_span_id": None,
        "service": "cart",
        "instance": None,
        "operation": "GET /",
        "kind": "server",
        "start_unix_ns": T0 * SECOND + round(at * SECOND),
        "duration_ns": 1_000_000,
        "status": "unset",
        "status_code": None,
        "attributes": None,
    } | fields


def traces(rows: Sequence[Mapping[str, Any]]) -> ArrowBatch:
    """Return spans as a store takes them."""
    return ArrowBatch(traces=pa.Table.from_pylist(list(rows), schema=TRACES))


def spans_at(*moments: float, first: int = 1, **fields: Any) -> ArrowBatch:
    """Return one span a moment (seconds after T0), numbered from ``first``."""
    return traces([span_row(first + index, at, **fields) for index, at in enumerate(moments)])


def samples(rows: Sequence[tuple[float, str, float]], service: str = "cart") -> ArrowBatch:
    """Return samples: (seconds after T0, metric, value)."""
    columns = [
        {"time_unix": T0 + at, "service": service, "instance": None, "metric": metric, "value": value}
        for at, metric, value in rows
    ]
    return ArrowBatch(metrics=pa.Table.from_pylist(columns, schema=METRICS))


def logs(rows: Sequence[tuple[float, str]]) -> ArrowBatch:
    """Return log records: (seconds after T0, body)."""
    columns = [
        {
            "time_unix_ns": T0 * SECOND + round(at * SECOND),
            "service": "cart",
            "severity": "info",
            "body": body,
        }
        for at, body in rows
    ]
    return ArrowBatch(logs=pa.Table.from_pylist(columns, schema=LOGS))


def export(*spans: Span, resource: Mapping[str, str] | None = None) -> ExportTraceServiceRequest:
    """Return an export request of one resource."""
    request = ExportTraceServiceRequest()
    sent = request.resource_spans.add()
    for key, value in ({"service.name": "cart"} if resource is None else resource).items():
        sent.resource.attributes.append(attribute(key, value))
    sent.scope_spans.add().spans.extend(spans)
    return request


def span(number: int = 1, **fields: Any) -> Span:
    """Return a sound span of ten milliseconds; fields replace its own."""
    sound: dict[str, Any] = {
        "trace_id": number.to_bytes(16, "big"),
        "span_id": number.to_bytes(8, "big"),
        "name": "GET /",
        "kind": Span.SPAN_KIND_SERVER,
        "start_time_unix_nano": T0 * SECOND,
        "end_time_unix_nano": T0 * SECOND + 10_000_000,
    }
    return Span(**sound | fields)


def attribute(key: str, value: str | int) -> KeyValue:
    """Return an attribute of text or of a whole number."""
    written = KeyValue(key=key)
    if isinstance(value, int):
        written.value.int_value = value
    else:
        written.value.string_value = value
    return written


def is_answered(decode: Callable[[], object]) -> bool:
    """Whether decoding gives a value or says that the body is malformed; any other error goes through."""
    try:
        decode()
    except MalformedTelemetry as error:
        return bool(error.what)
    return True


def write_case(folder: Path, rows: ArrowBatch | None = None, **head: Any) -> Path:
    """Write a case folder: quiet from T0 to T0+60, the incident from then to T0+120."""
    folder.mkdir(parents=True, exist_ok=True)
    alert = {
        "case_id": folder.name,
        "system": "shop",
        "fault_start_unix": T0 + 60,
        "alert_time_unix": T0 + 120,
        "baseline": [T0, T0 + 59],
        "incident": [T0 + 60, T0 + 120],
        "symptom": {"service": "cart", "signal": "errors", "operation": None},
    } | head
    (folder / "alert.json").write_text(json.dumps(alert))
    if rows is not None:
        write_tables(folder, rows)
    return folder


def write_tables(folder: Path, rows: ArrowBatch) -> None:
    """Write the tables that have rows as Parquet files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("traces", "metrics", "logs"):
        table = getattr(rows, name)
        if table.num_rows:
            pq.write_table(table, folder / f"{name}.parquet")


def _numbers(value: float) -> Floats:
    return np.full(2, value)


PAST = Past(
    measure=Column.of(["structure", "structure"]),
    context=Column.of(["cart", "gateway"]),
    feature=Column.of([None, "POST /charge"]),
    start=_numbers(T0 - 60.0),
    n=_numbers(7.0),
    log=_numbers(0.5),
    log_squares=_numbers(0.25),
    total=_numbers(3.5),
    squares=_numbers(1.75),
    offset=_numbers(0.001),
)
"""Two rows of a quiet profile, of the minute before everything else here."""
