"""What public datasets are made of, put into telemetry tables: wide metrics, spans, log records.

Strangers' files vary. A column that is not there is empty, a row that cannot be placed in time is left out,
and everything else goes the way of a case of our own: `integrations.cases.case_rows` sorts it into the
windows.
"""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from causal.errors import MalformedCase
from causal.evidence import Window
from causal.telemetry import Telemetry
from integrations.arrow import LOGS, METRICS, TRACES, ArrowBatch
from integrations.cases import case_rows

Row = Mapping[str, Any]


def read_csv(path: Path) -> Iterator[Row]:
    """Read the rows of a CSV file by its first line; fields may be of any length."""
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except (OSError, csv.Error) as error:
        raise MalformedCase(f"not readable as CSV: {error}", where=str(path)) from error


def read_parquet(path: Path) -> Iterator[Row]:
    """Read the rows of a Parquet file."""
    try:
        for batch in pq.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise MalformedCase(f"not readable as Parquet: {error}", where=str(path)) from error


def number(value: Any) -> float | None:
    """A finite number, or None."""
    try:
        real = float(value)
    except (TypeError, ValueError):
        return None
    return real if isfinite(real) else None


def table(schema: pa.Schema, rows: Iterable[Row]) -> pa.Table:
    """Make one of the telemetry tables; columns that a row does not have are empty."""
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for row in rows:
        for name, column in columns.items():
            column.append(row.get(name))
    return pa.table(columns, schema=schema)


def batch(traces: Iterable[Row] = (), metrics: Iterable[Row] = (), logs: Iterable[Row] = ()) -> ArrowBatch:
    """Make telemetry rows of plain ones."""
    return ArrowBatch(table(TRACES, traces), table(METRICS, metrics), table(LOGS, logs))


def telemetry(
    own: ArrowBatch,
    *,
    baseline: Window,
    incident: Window,
    fault_free: Sequence[ArrowBatch] = (),
    calls: Sequence[tuple[str, str]] = (),
) -> Telemetry:
    """Sort rows into quiet and unwell ones, as for a case folder."""
    return case_rows(own, fault_free, baseline=baseline, incident=incident).telemetry(calls)
