"""Frozen telemetry of incidents: a folder a snapshot, in the case format, named by its content.

A snapshot is written beside its place, made durable, and then renamed into it, so it is there whole or not
at all. Its name is the beginning of the SHA-256 of what it holds, and is checked when it is read: a snapshot
that was changed afterwards is refused. The folder stands for itself: copied elsewhere, `load_case` reads it.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from causal.errors import MalformedCase, NotFound, Unavailable
from causal.evidence import Alert, Change, Window
from causal.telemetry import Past, Telemetry
from integrations.arrow import METRICS, ArrowBatch, concat, to_arrow
from integrations.case_files import AlertFile, first_mistake
from integrations.cases import CaseRows, case_rows, load_case
from integrations.ports import TelemetryStore
from integrations.quiet_profile import write_profile
from integrations.version_changes import version_changes

__all__ = ["FolderSnapshots", "load_case"]

_REFERENCE = re.compile(r"[0-9a-f]{16}")
_QUIET = "_quiet"
_ROLLOUT_SECONDS = 120.0
"""A version that a service reports within so long of a commit is that commit, taken into use."""
_SECONDS = pa.field("time_unix", pa.int64())


class FolderSnapshots:
    """Snapshots in a folder; a reference is the name of one of its folders, 16 hexadecimal digits."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, alert: Alert, telemetry: Telemetry) -> str:
        """Write a snapshot of telemetry; span ids become the integers that telemetry has for them."""
        quiet, unwell = to_arrow(telemetry.quiet), to_arrow(telemetry.incident)
        windows = {"baseline": telemetry.baseline, "incident": telemetry.window}
        by_time, whatever = case_rows(ArrowBatch(), [_to_seconds(quiet)], **windows).apart()
        free = [whatever] if whatever.rows else []
        rows = case_rows(concat([_to_seconds(unwell), by_time]), free, **windows)
        whole = rows.telemetry(telemetry.calls, telemetry.changes, past=telemetry.past)
        return self._write(alert, rows, whole)

    def cut(
        self,
        store: TelemetryStore,
        alert: Alert,
        baseline: Window,
        incident: Window,
        changes: Sequence[Change] = (),
        *,
        past: Past | None = None,
    ) -> str:
        """Write a snapshot of what a store holds of both windows, with the real span ids.

        The changes that the telemetry itself tells of are added to those given. ``past`` is what is
        remembered of quiet time before the baseline.
        """
        held = _to_seconds(concat(store.tables(window) for window in _read(baseline, incident)))
        rows = case_rows(held, baseline=baseline, incident=incident)
        told = version_changes(rows.quiet_rows, rows.incident_rows)
        return self._write(alert, rows, rows.telemetry(changes=_together(changes, told), past=past))

    def load(self, reference: str) -> tuple[Alert, Telemetry]:
        folder = self._root / reference
        if not _REFERENCE.fullmatch(reference) or not folder.is_dir():
            raise NotFound(f"there is no snapshot {reference!r} in {self._root}")
        alert, telemetry = load_case(folder)
        if _reference(alert, telemetry) != reference:
            raise MalformedCase("the content is not what the name says: it was changed", where=str(folder))
        return alert, telemetry

    def _write(self, alert: Alert, rows: CaseRows, telemetry: Telemetry) -> str:
        reference = _reference(alert, telemetry)
        place = self._root / reference
        if place.is_dir():
            return reference
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
            try:
                _write_files(beside, reference, alert, rows, telemetry)
                _put_in_place(beside, place)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        except OSError as error:
            raise Unavailable(f"the snapshot {place} cannot be written: {error.strerror}") from error
        return reference


def _reference(alert: Alert, telemetry: Telemetry) -> str:
    return hashlib.sha256(f"{alert.digest()} {telemetry.digest}".encode()).hexdigest()[:16]


def _read(baseline: Window, incident: Window) -> list[Window]:
    """Choose what to read: windows that touch in one go, lest a row on the boundary be read twice."""
    if baseline.end < incident.start or incident.end < baseline.start:
        return [baseline, incident]
    return [Window(start=min(baseline.start, incident.start), end=max(baseline.end, incident.end))]


def _together(given: Sequence[Change], told: Sequence[Change]) -> tuple[Change, ...]:
    """Add the changes that telemetry tells of to the given ones, which know more of the same change."""
    new = [change for change in told if not any(_same(change, known) for known in given)]
    return tuple(sorted((*given, *new), key=lambda change: (change.at, change.id)))


def _same(told: Change, given: Change) -> bool:
    """Whether telemetry tells of a known change: by its id, or as a version that came just after it."""
    if told.service != given.service:
        return False
    return told.id == given.id or 0.0 <= told.at - given.at <= _ROLLOUT_SECONDS


def _to_seconds(rows: ArrowBatch) -> ArrowBatch:
    """Cut the times of samples to the whole seconds that the case format has."""
    seconds = pc.floor(rows.metrics["time_unix"])
    return ArrowBatch(rows.traces, rows.metrics.set_column(0, METRICS.field(0), seconds), rows.logs)


def _write_files(folder: Path, reference: str, alert: Alert, rows: CaseRows, telemetry: Telemetry) -> None:
    own, whatever_time = rows.apart()
    _write_tables(folder, own)
    if whatever_time.rows:
        (folder / _QUIET).mkdir()
        _write_tables(folder / _QUIET, whatever_time)
    head = _alert_file(reference, alert, telemetry, _QUIET if whatever_time.rows else None)
    _write(folder / "alert.json", _json(head))
    if len(telemetry.past):
        write_profile(folder, telemetry.past)
    if telemetry.changes:
        _write(folder / "changes.json", _json(list(telemetry.changes)))
    if telemetry.calls:
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows([("source", "target"), *telemetry.calls])
        _write(folder / "graph.csv", lines.getvalue())
    folder.chmod(0o755)


def _alert_file(reference: str, alert: Alert, telemetry: Telemetry, quiet: str | None) -> AlertFile:
    try:
        return _head(reference, alert, telemetry, quiet)
    except ValidationError as error:
        raise first_mistake(error, Path("alert.json")) from error


def _head(reference: str, alert: Alert, telemetry: Telemetry, quiet: str | None) -> AlertFile:
    return AlertFile(
        case_id=reference,
        system=alert.system,
        fault_start_unix=alert.began_at,
        alert_time_unix=alert.raised_at,
        baseline=(telemetry.baseline.start, telemetry.baseline.end),
        incident=(telemetry.window.start, telemetry.window.end),
        symptom=alert.symptom,
        fingerprint=alert.fingerprint,
        source=alert.source,
        summary=alert.summary,
        labels=alert.labels,
        url=alert.url,
        quiet_ref=quiet,
    )


def _json(value: BaseModel | list[Change]) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else [c.model_dump() for c in value]
    return json.dumps(_whole(plain), indent=1) + "\n"


def _whole(value: Any) -> Any:
    """Write whole numbers as such: the case format has integers where it can."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list | tuple) else value


def _write_tables(folder: Path, rows: ArrowBatch) -> None:
    seconds = rows.metrics["time_unix"].cast(_SECONDS.type)
    tables = {
        "traces": rows.traces,
        "metrics": rows.metrics.set_column(0, _SECONDS, seconds),
        "logs": rows.logs,
    }
    for name, table in tables.items():
        if table.num_rows:
            path = folder / f"{name}.parquet"
            pq.write_table(table, path, compression="zstd", store_schema=False)
            _sync(path)
    _sync(folder)


def _write(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")
    _sync(path)


def _put_in_place(beside: Path, place: Path) -> None:
    _sync(beside)
    try:
        beside.rename(place)
    except OSError:
        if not place.is_dir():  # else somebody saved the same content at the same time
            raise
    _sync(place.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
