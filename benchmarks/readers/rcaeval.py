"""RCAEval's public folders: RE1, RE2 and RE3.

Pham et al., "RCAEval: A Benchmark for Root Cause Analysis of Microservice Systems with Telemetry Data", WWW
Companion 2025; Zenodo 14590730, also on Figshare and Hugging Face.

A case is a folder with ``inject_time.txt`` (Unix seconds). Three layouts are around::

    RE2-OB/checkoutservice_cpu/1/  the first release: simple_metrics.csv (RE1: data.csv), logs.csv, traces.csv
    re2ob_checkoutservice_cpu_1/   a later one: metrics.json, {column: [[seconds, value], ...]}; logs, traces
    re2ob_checkoutservice_cpu_1/   on Hugging Face: metrics.parquet, logs.parquet, traces.parquet

Metrics have a column ``<service>_<metric>`` each; spans are timed in microseconds, log records in
nanoseconds. Windows are the benchmark's own: ten minutes before the injection and ten from it on. The
published evaluation hands some methods the latency of the true service as the symptom and counts a service's
database as the service; neither is done here: the alert names the system's entrance, and a hit is the exact
name.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Incident
from benchmarks.readers.rows import Row, batch, number, read_csv, read_parquet, telemetry
from benchmarks.truth import Cause, Truth
from causal.errors import MalformedCase
from causal.evidence import Alert, Symptom, Window

INJECTED = "inject_time.txt"
SECONDS = 600.0
ENTRANCES = {"ob": "frontend", "ss": "front-end", "tt": "ts-ui-dashboard"}
_METRICS = (
    "simple_metrics.csv",
    "simple_data.csv",
    "metrics.parquet",
    "metrics.json",
    "data.csv",
    "metrics.csv",
)
"""Derived series before raw ones: those of metrics.csv are counters that only grow."""
_NESTED = re.compile(r"(?P<service>.+)_(?P<fault>[^_]+)")
_FLAT = re.compile(r"(?P<set>re\d[a-z]+)_(?P<service>.+)_(?P<fault>[^_]+)_(?P<number>\d+)", re.IGNORECASE)
_TIMES = ("time", "time.1", "")
_OK = frozenset({"", "0", "0.0"})
_HTTP_ERROR, _HTTP_LEAST, _GRPC_MOST = 500, 100, 16


@dataclass(frozen=True)
class Label:
    """What the path of a case says: which is the truth, so engines are not shown it."""

    set_name: str
    number: str
    service: str
    fault: str

    @property
    def system(self) -> str:
        """The system's short name: ob, ss or tt."""
        return re.sub(r"[^a-z]", "", self.set_name.lower())[-2:]


def cases(root: Path) -> list[Case]:
    """The cases under a folder, by service, fault and number; each has a number of its own in its set."""
    labels = [(path.parent, label) for path in sorted(root.rglob(INJECTED)) if (label := _label(path.parent))]
    numbers: dict[str, int] = {}
    found = []
    for folder, label in labels:
        numbers[label.set_name] = numbers.get(label.set_name, 0) + 1
        found.append(_case(folder, label, numbers[label.set_name]))
    return found


def _label(folder: Path) -> Label | None:
    if flat := _FLAT.fullmatch(folder.name):
        return Label(flat["set"], flat["number"], flat["service"], flat["fault"])
    nested = _NESTED.fullmatch(folder.parent.name)
    if not nested or not folder.name.isdigit():
        return None
    return Label(folder.parent.parent.name, folder.name, nested["service"], nested["fault"])


def _case(folder: Path, label: Label, place: int) -> Case:
    truth = Truth(root_causes=(Cause(service=label.service, fault=label.fault),))
    name = f"case_{place:03}"
    return Case(label.set_name, name, folder, partial(_read, folder, name, label.system), lambda: truth)


def _read(folder: Path, name: str, system: str) -> Incident:
    injected = _injected(folder)
    baseline = Window(start=injected - SECONDS, end=injected - 1)
    incident = Window(start=injected, end=injected + SECONDS)
    kept = Window(start=baseline.start, end=incident.end)
    metrics = list(_metrics(folder, kept))
    known = {row["service"] for row in metrics}
    own = batch(_spans(folder, kept, known), metrics, _logs(folder, kept))
    alert = Alert(
        fingerprint=name,
        source="rcaeval",
        system=system,
        symptom=Symptom(service=ENTRANCES.get(system)),
        raised_at=incident.end,
        began_at=injected,
    )
    return alert, telemetry(own, baseline=baseline, incident=incident)


def _injected(folder: Path) -> float:
    path = folder / INJECTED
    lines = path.read_text(encoding="utf-8").split()
    at = number(lines[0]) if lines else None
    if at is None:
        raise MalformedCase("the first line is no Unix time", where=str(path))
    return at


def _metrics(folder: Path, kept: Window) -> Iterator[Row]:
    path = next((folder / name for name in _METRICS if (folder / name).exists()), None)
    if path is None:
        return
    for at, column, value in _samples(path):
        service, _, metric = column.partition("_")
        if metric and kept.holds(at):
            yield {"time_unix": at, "service": service, "metric": metric, "value": value}


def _samples(path: Path) -> Iterator[tuple[float, str, float]]:
    """Tell (time, column, value) of a file with a column for each series; what is no number is left out."""
    if path.suffix == ".json":
        yield from _of_series(path)
        return
    for row in read_parquet(path) if path.suffix == ".parquet" else read_csv(path):
        at = number(row.get("time"))
        for column, cell in row.items():
            value = number(cell)
            if at is not None and value is not None and column not in _TIMES:
                yield at, column, value


def _of_series(path: Path) -> Iterator[tuple[float, str, float]]:
    try:
        series: dict[str, list[tuple[Any, Any]]] = json.loads(path.read_text(encoding="utf-8"))
        pairs = [(at, column, value) for column, points in series.items() for at, value in points or ()]
    except (ValueError, TypeError, AttributeError) as error:
        raise MalformedCase(f"not a series for each column: {error}", where=str(path)) from error
    for at, column, value in pairs:
        moment, real = number(at), number(value)
        if moment is not None and real is not None:
            yield moment, column, real


def _rows(folder: Path, name: str) -> Iterator[Row]:
    if (folder / f"{name}.parquet").exists():
        yield from read_parquet(folder / f"{name}.parquet")
    elif (folder / f"{name}.csv").exists():
        yield from read_csv(folder / f"{name}.csv")


def _spans(folder: Path, kept: Window, known: set[str]) -> Iterator[Row]:
    for row in _rows(folder, "traces"):
        start, lasted = number(row.get("startTime")), number(row.get("duration"))
        if start is None or lasted is None or not kept.holds(start / 1e6):
            continue
        yield {
            "trace_id": row.get("traceID"),
            "span_id": row.get("spanID"),
            "parent_span_id": row.get("parentSpanID") or None,
            "service": _as_in_metrics(row.get("serviceName") or "", known),
            "operation": row.get("operationName") or row.get("methodName") or "",
            "start_unix_ns": round(start * 1000),
            "duration_ns": round(lasted * 1000),
            **_status(str(row.get("statusCode") or "")),
        }


def _status(code: str) -> Row:
    """Tell an error: a gRPC status other than 0, or an HTTP status of 500 and above."""
    value = number(code)
    if code in _OK or value is None:
        return {"status": "unset", "status_code": None}
    whole = int(value)
    failed = 0 < whole <= _GRPC_MOST if whole < _HTTP_LEAST else whole >= _HTTP_ERROR
    return {"status": "error" if failed else "unset", "status_code": str(whole)}


def _as_in_metrics(service: str, known: set[str]) -> str:
    """Name a service as its metrics do: the front end's spans call it ``frontendservice`` in one system."""
    short = service.removesuffix("service")
    return short if service not in known and short in known else service


def _logs(folder: Path, kept: Window) -> Iterator[Row]:
    for row in _rows(folder, "logs"):
        at = number(row.get("timestamp"))
        if at is None or not kept.holds(at / 1e9):
            continue
        yield {
            "time_unix_ns": int(row["timestamp"]) if str(row["timestamp"]).isdigit() else int(at),
            "service": row.get("container_name"),
            "severity": row.get("level") or None,
            "body": row.get("message") or "",
        }
