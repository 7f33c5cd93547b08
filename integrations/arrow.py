"""Telemetry as Arrow tables: the one shape that it has on disk and on its way there.

The columns are those of the case format, so what the door receives, what the store keeps and what a snapshot
freezes are the same rows. The engine's columns (`causal.telemetry`) are derived from them: strings become
dictionary codes and span ids become integers, all inside Arrow, without a Python loop over rows. Only the
Arrow side knows the ids' text, so it is the master and `from_arrow` goes one way; `to_arrow` is for telemetry
that never had ids of its own, and makes some up from the integers.

One thing differs from the case format: a sample's time is a float here, because a rate over two exports a
second apart needs its fractions; files hold whole seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from causal.evidence import Window
from causal.telemetry import (
    MISSING,
    Batch,
    Codes,
    Column,
    Flags,
    Ints,
    Logs,
    Metrics,
    SpanKind,
    Spans,
    Status,
)

__all__ = [
    "LOGS",
    "METRICS",
    "TRACES",
    "ArrowBatch",
    "concat",
    "distinct_spans",
    "from_arrow",
    "nanoseconds",
    "table_of",
    "times",
    "to_arrow",
    "within",
]

TRACES = pa.schema(
    [
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("parent_span_id", pa.string()),
        ("service", pa.string()),
        ("instance", pa.string()),
        ("operation", pa.string()),
        ("kind", pa.string()),
        ("start_unix_ns", pa.int64()),
        ("duration_ns", pa.int64()),
        ("status", pa.string()),
        ("status_code", pa.string()),
        ("attributes", pa.string()),
    ]
)
METRICS = pa.schema(
    [
        ("time_unix", pa.float64()),
        ("service", pa.string()),
        ("instance", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)
LOGS = pa.schema(
    [
        ("time_unix_ns", pa.int64()),
        ("service", pa.string()),
        ("instance", pa.string()),
        ("severity", pa.string()),
        ("trace_id", pa.string()),
        ("span_id", pa.string()),
        ("body", pa.string()),
    ]
)

_KINDS = {kind.name.lower(): kind.value for kind in SpanKind}
_STATUSES = {status.name.lower(): status.value for status in Status}
_SECOND = 1_000_000_000


@dataclass(frozen=True, eq=False)
class ArrowBatch:
    """Telemetry rows as three Arrow tables in the schemas `TRACES`, `METRICS` and `LOGS`."""

    traces: pa.Table = field(default_factory=TRACES.empty_table)
    metrics: pa.Table = field(default_factory=METRICS.empty_table)
    logs: pa.Table = field(default_factory=LOGS.empty_table)

    @property
    def rows(self) -> int:
        """How many rows the three tables have together."""
        return int(self.traces.num_rows + self.metrics.num_rows + self.logs.num_rows)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self.traces.nbytes + self.metrics.nbytes + self.logs.nbytes)


def concat(batches: Iterable[ArrowBatch]) -> ArrowBatch:
    """All rows of all batches, in order."""
    parts = list(batches)
    return ArrowBatch(
        pa.concat_tables([TRACES.empty_table(), *(part.traces for part in parts)]),
        pa.concat_tables([METRICS.empty_table(), *(part.metrics for part in parts)]),
        pa.concat_tables([LOGS.empty_table(), *(part.logs for part in parts)]),
    )


def table_of(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    """Rows, each with a value for every column of a schema, as a table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(values, column.type) for values, column in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def nanoseconds(seconds: float) -> int:
    """Turn a Unix time into nanoseconds; whole seconds stay exact."""
    return round(seconds * _SECOND)


def times(table: pa.Table) -> Ints:
    """Read the time of each row of any of the three tables, in nanoseconds; a span's is its start."""
    if "start_unix_ns" in table.column_names:
        return _integers(table["start_unix_ns"])
    if "time_unix_ns" in table.column_names:
        return _integers(table["time_unix_ns"])
    return np.rint(_reals(table["time_unix"]) * _SECOND).astype(np.int64)


def within(batch: ArrowBatch, window: Window) -> ArrowBatch:
    """Keep the rows whose time lies in the window, both ends included."""
    return ArrowBatch(
        _within(batch.traces, window), _within(batch.metrics, window), _within(batch.logs, window)
    )


def _within(table: pa.Table, window: Window) -> pa.Table:
    moments = times(table)
    inside = (moments >= nanoseconds(window.start)) & (moments <= nanoseconds(window.end))
    return table if inside.all() else table.filter(pa.array(inside))


def distinct_spans(traces: pa.Table) -> pa.Table:
    """Keep the first row of each (trace, span): senders may repeat what they sent."""
    (trace, _), (span, names) = _encoded(traces["trace_id"]), _encoded(traces["span_id"])
    identity = trace.astype(np.int64) * (len(names) + 1) + span
    _, first = np.unique(identity, return_index=True)
    return traces if len(first) == traces.num_rows else traces.take(pa.array(np.sort(first)))


def from_arrow(batch: ArrowBatch) -> Batch:
    """Make the engine's columns of these rows, in the same order; dictionaries are in order of appearance."""
    return Batch(_spans(batch.traces), _metrics(batch.metrics), _logs(batch.logs))


def _spans(table: pa.Table) -> Spans:
    span, parent = _identities(table)
    return Spans(
        trace=_column(table["trace_id"]),
        span=span,
        parent=parent,
        service=_column(table["service"]),
        instance=_column(table["instance"]),
        operation=_column(table["operation"]),
        kind=_numbers(table["kind"], _KINDS),
        start_ns=_integers(table["start_unix_ns"]),
        duration_ns=_integers(table["duration_ns"]),
        status=_numbers(table["status"], _STATUSES),
        status_code=_column(table["status_code"]),
        attributes=_column(table["attributes"]),
    )


def _metrics(table: pa.Table) -> Metrics:
    return Metrics(
        time=_reals(table["time_unix"]),
        service=_column(table["service"]),
        instance=_column(table["instance"]),
        metric=_column(table["metric"]),
        value=_reals(table["value"]),
    )


def _logs(table: pa.Table) -> Logs:
    return Logs(
        time_ns=_integers(table["time_unix_ns"]),
        service=_column(table["service"]),
        instance=_column(table["instance"]),
        severity=_column(table["severity"]),
        trace=_column(table["trace_id"]),
        body=_column(table["body"]),
    )


def _identities(table: pa.Table) -> tuple[Ints, Ints]:
    """Span and parent ids as integers, equal exactly where the texts are; -1 for no parent."""
    ids = pa.chunked_array(table["span_id"].chunks + table["parent_span_id"].chunks, pa.string())
    codes = _encoded(ids)[0].astype(np.int64)
    return codes[: table.num_rows], codes[table.num_rows :]


def _column(values: pa.ChunkedArray) -> Column:
    codes, names = _encoded(values)
    return Column(codes, tuple(names.to_pylist()))


def _encoded(values: pa.ChunkedArray) -> tuple[Codes, pa.Array]:
    """Codes and dictionary. The dictionary stays in Arrow: a million ids as Python strings cost a second."""
    coded = values.dictionary_encode().unify_dictionaries()
    if not coded.num_chunks:
        return np.zeros(0, dtype=np.int32), pa.array([], pa.string())
    parts = [_plain(chunk.indices.fill_null(MISSING)) for chunk in coded.chunks]
    codes: Codes = np.concatenate(parts).astype(np.int32, copy=False)
    return codes, coded.chunk(0).dictionary


def _numbers(values: pa.ChunkedArray, known: dict[str, int]) -> NDArray[np.int8]:
    """Words as their OTLP numbers; none and unknown ones are 0."""
    words = _column(values)
    numbers = np.array([*(known.get(name.lower(), 0) for name in words.names), 0], dtype=np.int8)
    return numbers[words.codes]


def _integers(values: pa.ChunkedArray) -> Ints:
    whole: Ints = _plain(values).astype(np.int64, copy=False)
    return whole


def _reals(values: pa.ChunkedArray) -> NDArray[np.float64]:
    reals: NDArray[np.float64] = _plain(values).astype(np.float64, copy=False)
    return reals


def _plain(values: Any) -> NDArray[Any]:
    if isinstance(values, pa.ChunkedArray):
        return np.asarray(values.to_numpy())
    return np.asarray(values.to_numpy(zero_copy_only=False))


def to_arrow(batch: Batch) -> ArrowBatch:
    """Turn a batch into tables; span ids are the batch's integers, written as 16 hexadecimal digits."""
    return ArrowBatch(_traces_of(batch.spans), _metrics_of(batch.metrics), _logs_of(batch.logs))


def _traces_of(spans: Spans) -> pa.Table:
    return _table(
        TRACES,
        _strings(spans.trace),
        _ids(spans.span),
        _ids(spans.parent),
        _strings(spans.service),
        _strings(spans.instance),
        _strings(spans.operation),
        _words(spans.kind, [None, *list(_KINDS)[1:]]),
        spans.start_ns,
        spans.duration_ns,
        _words(spans.status, list(_STATUSES)),
        _strings(spans.status_code),
        _strings(spans.attributes),
    )


def _metrics_of(metrics: Metrics) -> pa.Table:
    names = _strings(metrics.service), _strings(metrics.instance), _strings(metrics.metric)
    return _table(METRICS, metrics.time, *names, metrics.value)


def _logs_of(logs: Logs) -> pa.Table:
    sender = _strings(logs.service), _strings(logs.instance), _strings(logs.severity)
    nobody = pa.nulls(len(logs), pa.string())
    return _table(LOGS, logs.time_ns, *sender, _strings(logs.trace), nobody, _strings(logs.body))


def _table(schema: pa.Schema, *columns: Any) -> pa.Table:
    arrays = [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def _strings(column: Column) -> pa.Array:
    missing: Flags = column.codes == MISSING
    codes = pa.array(column.codes, pa.int32(), mask=missing)
    return pa.array(column.names, pa.string()).take(codes)


def _ids(numbers: Ints) -> pa.Array:
    distinct, codes = np.unique(numbers, return_inverse=True)
    texts = pa.array([None if n == MISSING else f"{n:016x}" for n in distinct.tolist()], pa.string())
    return texts.take(pa.array(codes))


def _words(numbers: NDArray[np.int8], names: Sequence[str | None]) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(numbers))
