"""The files of a case folder, one by one: alert.json, three Parquet tables, graph.csv, changes.json.

Whatever is wrong with a file raises MalformedCase with the file and the line, field or column; a row that
cannot have happened (no id, a negative duration, a value that is no number) is left out and said in words, so
that one bad row does not cost the whole incident. truth.json is never opened: it is for graders.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from causal.errors import MalformedCase
from causal.evidence import Alert, Change, Symptom, Window
from integrations.arrow import LOGS, METRICS, TRACES, ArrowBatch

__all__ = ["AlertFile", "first_mistake", "read_alert", "read_calls", "read_changes", "read_tables"]

_LATEST = 7_258_118_400  # the year 2200; later "seconds" are milliseconds or nonsense
Moment = Annotated[float, Field(ge=0, le=_LATEST, allow_inf_nan=False)]


class AlertFile(BaseModel):
    """alert.json: the keys of the case format, and those of ours that it does not have."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: str
    system: str = ""
    fault_start_unix: Moment | None = None
    alert_time_unix: Moment
    baseline: tuple[Moment, Moment]
    incident: tuple[Moment, Moment]
    baseline_ref: str | None = None
    symptom: Symptom = Symptom()
    fingerprint: str | None = None
    source: str = "case"
    summary: str = ""
    labels: dict[str, str] = {}
    url: str | None = None
    quiet_ref: str | None = None
    """A folder inside the case's own, all of whose rows are quiet: a baseline_ref that travels along."""

    @property
    def alert(self) -> Alert:
        """The alert; a case that has no fingerprint is known by its id."""
        return Alert(
            fingerprint=self.fingerprint or self.case_id,
            source=self.source,
            system=self.system,
            symptom=self.symptom,
            raised_at=self.alert_time_unix,
            began_at=self.fault_start_unix,
            summary=self.summary,
            labels=self.labels,
            url=self.url,
        )

    @property
    def quiet(self) -> Window:
        return Window(start=self.baseline[0], end=self.baseline[1])

    @property
    def unwell(self) -> Window:
        return Window(start=self.incident[0], end=self.incident[1])


def read_alert(folder: Path) -> AlertFile:
    """Read alert.json of a case folder."""
    path = folder / "alert.json"
    try:
        alert = AlertFile.model_validate(_json(path))
    except ValidationError as error:
        raise first_mistake(error, path) from error
    for name in ("baseline", "incident"):
        start, end = getattr(alert, name)
        if end < start:
            raise MalformedCase(
                f"the window ends ({end}) before it starts ({start})", where=f"{path}: {name}"
            )
    return alert


def read_changes(folder: Path) -> tuple[Change, ...]:
    """Read changes.json of a case folder; none where there is no such file."""
    path = folder / "changes.json"
    if not path.exists():
        return ()
    try:
        return TypeAdapter(tuple[Change, ...]).validate_python(_json(path))
    except ValidationError as error:
        raise first_mistake(error, path) from error


def read_calls(folder: Path) -> tuple[tuple[str, str], ...]:
    """Read the (caller, callee) pairs of graph.csv; none where there is no such file."""
    path = folder / "graph.csv"
    if not path.exists():
        return ()
    try:
        rows = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
        if not {"source", "target"} <= set(rows.fieldnames or ()):
            raise MalformedCase("the first line must name the columns source and target", where=f"{path}:1")
        return tuple(_call(row, f"{path}:{rows.line_num}") for row in rows)
    except csv.Error as error:
        raise MalformedCase(f"not CSV: {error}", where=str(path)) from error


def _call(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    source, target = row["source"], row["target"]
    if not source or not target:
        raise MalformedCase("a call needs both a source and a target", where=where)
    return source, target


def read_tables(folder: Path) -> tuple[ArrowBatch, tuple[str, ...]]:
    """Read the telemetry tables of a folder, and in words what had to be left out; absent files are empty."""
    traces, bad_spans = _sound_spans(_table(folder / "traces.parquet", TRACES))
    metrics, bad_samples = _sound_samples(_table(folder / "metrics.parquet", METRICS))
    records = _table(folder / "logs.parquet", LOGS)
    logs, bad_records = _complete(records, ("time_unix_ns", "service", "body"), "log records", "body")
    return ArrowBatch(traces, metrics, logs), (*bad_spans, *bad_samples, *bad_records)


_OPTIONAL = frozenset({"instance", "status_code", "attributes", "severity", "kind"})
"""Columns that may be absent: nothing is misunderstood without them."""


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    if not path.exists():
        return schema.empty_table()
    try:
        found = pq.ParquetFile(path)
        names = _names(found.schema_arrow.names, schema, path)
        table = found.read(names)
        table.validate(full=True)  # what was damaged may be no UTF-8, and is found out here and not later
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise MalformedCase(f"not a readable Parquet file: {_brief(error)}", where=str(path)) from error
    return pa.Table.from_arrays([_cast(table, column, path) for column in schema], schema=schema)


def _names(found: Sequence[str], schema: pa.Schema, path: Path) -> list[str]:
    """Choose the columns to read; MalformedCase if one that is needed is not there."""
    lacking = set(schema.names) - set(found)
    needed = lacking - _OPTIONAL - ({"span_id"} if schema is LOGS else set())
    if needed:
        raise MalformedCase(f"columns are missing: {', '.join(sorted(needed))}", where=str(path))
    return [name for name in schema.names if name not in lacking]


def _cast(table: pa.Table, column: pa.Field, path: Path) -> pa.ChunkedArray:
    if column.name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, column.type)])
    values = table[column.name]
    if _is_textual(values.type) != pa.types.is_string(column.type) and not pa.types.is_null(values.type):
        raise MalformedCase(
            f"holds {values.type}, and {column.type} is needed", where=f"{path}: column {column.name}"
        )
    try:
        return values.cast(column.type)
    except pa.ArrowException as error:
        raise MalformedCase(_brief(error), where=f"{path}: column {column.name}") from error


def _is_textual(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)
    )


def _sound_spans(traces: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    needed = ("trace_id", "span_id", "service", "operation", "start_unix_ns", "duration_ns")
    whole, incomplete = _complete(traces, needed, "spans")
    backwards = pc.or_(pc.less(whole["duration_ns"], 0), pc.less(whole["start_unix_ns"], 0))
    kept, impossible = _without(whole, backwards, "spans with a negative time or duration")
    no_parent = pc.if_else(pc.equal(kept["parent_span_id"], ""), None, kept["parent_span_id"])
    column = kept.column_names.index("parent_span_id")
    return kept.set_column(column, TRACES.field(column), no_parent), (*incomplete, *impossible)


def _sound_samples(metrics: pa.Table) -> tuple[pa.Table, tuple[str, ...]]:
    whole, incomplete = _complete(metrics, ("time_unix", "service", "metric", "value"), "samples")
    finite = pc.and_(pc.is_finite(whole["value"]), pc.less_equal(pc.abs(whole["time_unix"]), _LATEST))
    kept, impossible = _without(whole, pc.invert(finite), "samples without a finite value and time")
    return kept, (*incomplete, *impossible)


def _complete(
    table: pa.Table, needed: Sequence[str], what: str, may_be_empty: str = ""
) -> tuple[pa.Table, tuple[str, ...]]:
    lacking = np.zeros(table.num_rows, dtype=np.bool_)
    for name in needed:
        column = table[name]
        empty = column.is_null()
        if pa.types.is_string(column.type) and name != may_be_empty:
            empty = pc.fill_null(pc.equal(column, ""), fill_value=True)
        lacking |= np.asarray(empty.to_numpy()).astype(np.bool_)
    return _without(table, pa.chunked_array([pa.array(lacking)]), f"{what} without {', '.join(needed)}")


def _without(table: pa.Table, bad: pa.ChunkedArray, what: str) -> tuple[pa.Table, tuple[str, ...]]:
    count = int(pc.sum(bad).as_py() or 0)
    if not count:
        return table, ()
    return table.filter(pc.invert(bad)), (f"{count} {what} were left out",)


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise MalformedCase(f"not JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}") from error
    except RecursionError as error:
        raise MalformedCase("not readable: nested too deeply", where=str(path)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedCase(f"not UTF-8 at byte {error.start}", where=str(path)) from error
    except OSError as error:
        raise MalformedCase(f"cannot be read: {error.strerror}", where=str(path)) from error


def first_mistake(error: ValidationError, path: Path) -> MalformedCase:
    """Say where and what the first mistake in a file's fields is."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return MalformedCase(first["msg"], where=f"{path}: {field}" if field else str(path))


def _brief(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
