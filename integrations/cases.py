"""A case folder as the engine reads it: an Alert, and Telemetry split into quiet and unwell rows.

A row belongs to the incident if its time lies in the incident window, else to the quiet rows if it lies in
the baseline window, else to neither; on a shared boundary the incident wins, so that no row speaks for both.
Rows of a reference baseline are quiet whatever their time. Repeated spans count once, and where a reference
baseline is added, so do repeated samples and log records.

Rows are put in one canonical order before anything is counted or encoded. So the same content gives the same
columns, the same digest and, later, the same diagnosis, however the files were written.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from causal.errors import MalformedCase
from causal.evidence import Alert, Change, Window
from causal.telemetry import Batch, Column, Flags, Ints, Past, Telemetry
from integrations.arrow import ArrowBatch, distinct_spans, from_arrow, nanoseconds, times
from integrations.case_files import AlertFile, read_alert, read_calls, read_changes, read_tables
from integrations.gaps import gaps_of
from integrations.quiet_profile import in_order, read_profile

__all__ = ["CaseRows", "case_rows", "load_case"]

_UNWELL = "incident"
_ORDER = {
    "traces": ("start_unix_ns", "trace_id", "span_id"),
    "metrics": ("time_unix", "service", "instance", "metric", "value"),
    "logs": ("time_unix_ns", "service", "instance", "severity", "trace_id", "span_id", "body"),
}


def load_case(path: Path) -> tuple[Alert, Telemetry]:
    """Read a case folder; MalformedCase says which file, and where in it, cannot be read."""
    if not path.is_dir():
        raise MalformedCase("there is no such case folder", where=str(path))
    head = read_alert(path)
    own, left_out = read_tables(path)
    extra = [read_tables(folder) for folder in _baselines(path, head)]
    rows = case_rows(own, [tables for tables, _ in extra], baseline=head.quiet, incident=head.unwell)
    said = (*left_out, *(sentence for _, sentences in extra for sentence in sentences))
    return head.alert, rows.telemetry(read_calls(path), read_changes(path), said, read_profile(path))


def _baselines(case: Path, head: AlertFile) -> list[Path]:
    """List the folders of fault-free rows that a case names: beside it in its dataset, or inside itself."""
    named = (("baseline_ref", case.parent, head.baseline_ref), ("quiet_ref", case, head.quiet_ref))
    return [_inside(base, ref, f"{case / 'alert.json'}: {key}") for key, base, ref in named if ref]


def _inside(base: Path, reference: str, where: str) -> Path:
    if "\0" in reference:
        raise MalformedCase("a folder's name cannot hold a NUL", where=where)
    folder = (base / reference).resolve()
    if not folder.is_relative_to(base.resolve()):
        raise MalformedCase(f"{reference!r} leads out of {base}", where=where)
    if not folder.is_dir():
        raise MalformedCase(f"there is no folder {reference!r} in {base}", where=where)
    return folder


@dataclass(frozen=True, eq=False)
class CaseRows:
    """The rows of an incident and of the quiet time that it is compared with, in canonical order.

    Each table has one column more than telemetry has: whether the row is of the incident.
    """

    tables: dict[str, pa.Table]
    baseline: Window
    incident: Window

    @cached_property
    def unwell(self) -> dict[str, Flags]:
        """Which rows of each table are of the incident."""
        return {name: _flags(table) for name, table in self.tables.items()}

    @cached_property
    def whole(self) -> Batch:
        """All rows, as the engine reads them."""
        return from_arrow(ArrowBatch(**{n: table.drop_columns(_UNWELL) for n, table in self.tables.items()}))

    @cached_property
    def quiet_rows(self) -> Batch:
        """The quiet rows; they share their dictionaries with the incident's."""
        return self._part({name: ~flags for name, flags in self.unwell.items()})

    @cached_property
    def incident_rows(self) -> Batch:
        """The rows of the incident."""
        return self._part(self.unwell)

    def apart(self) -> tuple[ArrowBatch, ArrowBatch]:
        """Divide the rows: those that their time alone would sort out, those quiet whatever their time."""
        by_time, whatever = {}, {}
        for name, table in self.tables.items():
            moments, plain = times(table), table.drop_columns(_UNWELL)
            quiet = _holds(self.baseline, moments) & ~_holds(self.incident, moments)
            told = self.unwell[name] | quiet
            by_time[name], whatever[name] = plain.filter(pa.array(told)), plain.filter(pa.array(~told))
        return ArrowBatch(**by_time), ArrowBatch(**whatever)

    def telemetry(
        self,
        calls: Sequence[tuple[str, str]] = (),
        changes: Sequence[Change] = (),
        gaps: Sequence[str] = (),
        past: Past | None = None,
    ) -> Telemetry:
        """Make telemetry of the rows; ``gaps`` are added to those that are found."""
        past = in_order(past) if past is not None else Past.none()
        found = gaps_of(self.quiet_rows, self.incident_rows, self.baseline, calls)
        return Telemetry(
            baseline=self.baseline,
            window=self.incident,
            quiet=self.quiet_rows,
            incident=self.incident_rows,
            calls=tuple(calls),
            changes=tuple(changes),
            gaps=(*gaps, *found),
            digest=self._digest(calls, changes, past),
            past=past,
        )

    def _part(self, rows: dict[str, Flags]) -> Batch:
        whole = self.whole
        return Batch(
            whole.spans.take(rows["traces"]),
            whole.metrics.take(rows["metrics"]),
            whole.logs.take(rows["logs"]),
        )

    def _digest(self, calls: Sequence[tuple[str, str]], changes: Sequence[Change], past: Past) -> str:
        """SHA-256 of the content: rows, windows, calls, changes and memory; not of the bytes of files."""
        digest = hashlib.sha256()
        for fact in (self.baseline, self.incident, *changes):
            digest.update(fact.model_dump_json().encode())
        digest.update(repr(sorted(calls)).encode("utf-8", "surrogatepass"))
        for table in (self.whole.spans, self.whole.metrics, self.whole.logs, past):
            for value in vars(table).values():
                _update(digest, value)
        for flags in self.unwell.values():
            digest.update(flags.tobytes())
        return digest.hexdigest()


def case_rows(
    own: ArrowBatch, fault_free: Sequence[ArrowBatch] = (), *, baseline: Window, incident: Window
) -> CaseRows:
    """Sort rows out by their windows; those of ``fault_free`` are quiet whatever their time."""
    tables = {}
    for name in _ORDER:
        quiet = [getattr(part, name) for part in fault_free]
        tables[name] = _in_order(name, _of_windows(getattr(own, name), baseline, incident), quiet)
    return CaseRows(tables, baseline, incident)


def _of_windows(own: pa.Table, baseline: Window, incident: Window) -> pa.Table:
    """Keep the rows of both windows, with a column that says which are of the incident."""
    moments = times(own)
    unwell = _holds(incident, moments)
    return _flagged(own, unwell).filter(pa.array(unwell | _holds(baseline, moments)))


def _in_order(name: str, own: pa.Table, fault_free: Sequence[pa.Table]) -> pa.Table:
    quiet = [_flagged(table, np.zeros(table.num_rows, dtype=np.bool_)) for table in fault_free]
    rows = pa.concat_tables([own, *quiet])
    if name == "traces":
        rows = distinct_spans(rows)
    elif any(table.num_rows for table in fault_free):
        rows = _distinct_rows(rows)
    return rows.sort_by([(column, "ascending") for column in _ORDER[name]])


def _distinct_rows(table: pa.Table) -> pa.Table:
    columns = [name for name in table.column_names if name != _UNWELL]
    distinct = table.group_by(columns).aggregate([(_UNWELL, "max")])
    return distinct.rename_columns({f"{_UNWELL}_max": _UNWELL}).select(table.column_names)


def _holds(window: Window, moments: Ints) -> Flags:
    inside: Flags = (moments >= nanoseconds(window.start)) & (moments <= nanoseconds(window.end))
    return inside


def _flagged(table: pa.Table, unwell: Flags) -> pa.Table:
    return table.append_column(_UNWELL, pa.array(unwell))


def _flags(table: pa.Table) -> Flags:
    return np.asarray(table[_UNWELL].to_numpy()).astype(np.bool_)


def _update(digest: Any, value: object) -> None:
    if isinstance(value, Column):
        lengths = np.fromiter(map(len, value.names), dtype=np.int64, count=len(value.names))
        digest.update(lengths.tobytes() + "".join(value.names).encode("utf-8", "surrogatepass"))
        digest.update(value.codes.tobytes())
    elif isinstance(value, np.ndarray):
        digest.update(value.tobytes())
