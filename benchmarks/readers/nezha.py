"""Nezha's own folders, as its repository has them.

Yu et al., "Nezha: Interpretable Fine-Grained Root Causes Analysis for Microservices on Multi-Modal
Observability Data", ESEC/FSE 2023; github.com/IntelligentDDS/Nezha::

    rca_data/<date>/<date>-fault_list.json  {hour: [{inject_time, inject_timestamp, inject_pod, inject_type}]}
    rca_data/<date>/{log,trace}/HH_MM_*.csv  the minutes around each injection, three for each
    rca_data/<date>/metric/<pod>_metric.csv  one row a minute, all day; front_service.csv for the entrance
    construct_data/<date>/...                the same for a fault-free minute of the day

A minute file named HH:MM holds the minute that ends some seconds after HH:MM; so the first of the three is
mostly before the fault. The list tells each moment twice, once as text (UTC), once as a Unix time, and either
may be wrong: the Unix time counts where both agree within two minutes, else the text. Spans of the source
have no status.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.cases import Case, Incident
from benchmarks.readers.rows import Row, batch, number, read_csv, telemetry
from benchmarks.truth import Cause, Truth
from causal.errors import MalformedCase
from causal.evidence import Alert, Symptom, Window
from integrations.arrow import ArrowBatch, times

LISTED = "*-fault_list.json"
AGREE = 120.0
MINUTES = 3
BEFORE = 125.0
"""Seconds of metrics before the fault: two samples of a minute."""
APART = 5.0
"""Seconds before the fault that belong to neither window."""
_POD = re.compile(r"(?P<service>.+?)-[0-9a-f]{6,10}-[0-9a-z]{5}")
_FRONT = "front_service.csv"
_NOT_MEASURED = frozenset({"Time", "TimeStamp", "PodName", "ServiceName", ""})
_IDS = re.compile(r"TraceID: \S* ?SpanID: \S* ?")
_LEVEL = re.compile(r"\b(ERROR|WARN|INFO|DEBUG|TRACE)\b")


@dataclass(frozen=True)
class Day:
    """The folder of one date, and the fault-free one beside it."""

    folder: Path

    @property
    def date(self) -> str:
        return self.folder.name

    @property
    def fault_free(self) -> Path:
        return self.folder.parent.parent / "construct_data" / self.date


def cases(root: Path) -> list[Case]:
    """The injections of every date under a folder, each a case of the set named after its date."""
    found = []
    for path in sorted(root.rglob(LISTED)):
        day = Day(path.parent)
        faults = sorted(_faults(path), key=lambda fault: str(fault.get("inject_time")))
        found += [_case(day, fault, place) for place, fault in enumerate(faults, 1)]
    return found


def _faults(path: Path) -> Iterator[dict[str, Any]]:
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MalformedCase(f"not JSON: {error}", where=str(path)) from error
    yield from chain.from_iterable(listed.values() if isinstance(listed, dict) else [listed])


def _case(day: Day, fault: dict[str, Any], place: int) -> Case:
    pod = str(fault["inject_pod"])
    cause = Cause(service=service_of(pod), pod=pod, fault=str(fault["inject_type"]))
    truth = Truth(root_causes=(cause,))
    name = f"case_{place:03}"
    return Case(f"nezha-{day.date}", name, day.folder, partial(_read, day, began(fault), name), lambda: truth)


def began(fault: dict[str, Any]) -> float:
    """When a fault of the list began, in Unix seconds."""
    told = datetime.strptime(str(fault["inject_time"]), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    stamp = number(fault.get("inject_timestamp"))
    return stamp if stamp is not None and abs(stamp - told) <= AGREE else told


def service_of(pod: str) -> str:
    """The service of a pod: its name without the two hashes."""
    found = _POD.fullmatch(pod)
    return found["service"] if found else pod


def _read(day: Day, at: float, name: str) -> Incident:
    minutes = [datetime.fromtimestamp(at, UTC) + timedelta(minutes=later) for later in range(MINUTES)]
    stems = [minute.strftime("%H_%M") for minute in minutes]
    rows = _rows(day.folder, stems)
    end = _end(rows, at)
    incident = Window(start=at, end=end)
    baseline = Window(start=min(at - BEFORE, *_first(rows, at)), end=at - APART)
    own = _with_metrics(rows, day.folder, Window(start=baseline.start, end=end))
    alert = Alert(
        fingerprint=name,
        source="nezha",
        system=day.date,
        symptom=Symptom(service=_entrance(rows)),
        raised_at=end,
        began_at=at,
    )
    quiet = _quiet(day.fault_free) if day.fault_free.is_dir() else ArrowBatch()
    calls = tuple(_calls(day.folder / "metric" / "dependency.csv"))
    return alert, telemetry(own, baseline=baseline, incident=incident, fault_free=[quiet], calls=calls)


@lru_cache(maxsize=4)
def _quiet(folder: Path) -> ArrowBatch:
    """The fault-free minute of a day: its spans and log records, and the metrics of that very time."""
    stems = sorted({path.name[:5] for path in (folder / "trace").glob("*_trace.csv")})
    rows = _rows(folder, stems)
    moments = [*_moments(rows)]
    if not moments:
        return rows
    return _with_metrics(rows, folder, Window(start=min(moments) - BEFORE, end=max(moments)))


def _rows(folder: Path, stems: Iterable[str]) -> ArrowBatch:
    names = list(stems)
    traces = [folder / "trace" / f"{stem}_trace.csv" for stem in names]
    logs = [folder / "log" / f"{stem}_log.csv" for stem in names]
    return batch(
        traces=chain.from_iterable(_spans(path) for path in traces if path.exists()),
        logs=chain.from_iterable(_records(path) for path in logs if path.exists()),
    )


def _with_metrics(rows: ArrowBatch, folder: Path, kept: Window) -> ArrowBatch:
    return ArrowBatch(rows.traces, batch(metrics=_metrics(folder / "metric", kept)).metrics, rows.logs)


def _moments(rows: ArrowBatch) -> Iterator[float]:
    for table in (rows.traces, rows.logs):
        if table.num_rows:
            moments = times(table)
            yield from (float(moments.min()) / 1e9, float(moments.max()) / 1e9)


def _first(rows: ArrowBatch, at: float) -> list[float]:
    return [moment for moment in _moments(rows) if moment < at]


def _end(rows: ArrowBatch, at: float) -> float:
    """The last moment of the three minutes; without rows, as long as they would have lasted."""
    return max([moment for moment in _moments(rows) if moment > at], default=at + 60.0 * (MINUTES - 0.5))


def _entrance(rows: ArrowBatch) -> str | None:
    """The service that opens most traces."""
    opened = [
        service
        for service, parent in zip(
            rows.traces["service"].to_pylist(), rows.traces["parent_span_id"].to_pylist(), strict=True
        )
        if parent is None
    ]
    return max(sorted(set(opened)), key=opened.count) if opened else None


def _spans(path: Path) -> Iterator[Row]:
    for row in read_csv(path):
        start, end = row.get("StartTimeUnixNano") or "", row.get("EndTimeUnixNano") or ""
        if not (start.isdigit() and end.isdigit()):
            continue
        parent, service = row.get("ParentID"), service_of(row.get("PodName") or "")
        operation = row.get("OperationName") or ""
        yield {
            "trace_id": row.get("TraceID"),
            "span_id": row.get("SpanID"),
            "parent_span_id": None if parent in {"root", "", None} else parent,
            "service": service,
            "instance": row.get("PodName"),
            "operation": operation,
            "kind": kind_of(operation, service, root=parent == "root"),
            "start_unix_ns": int(start),
            "duration_ns": max(int(end) - int(start), 0),
            "status": "unset",
        }


def kind_of(operation: str, service: str, *, root: bool) -> str | None:
    """Whose side of a call a span is, as far as its operation tells; None where it does not.

    A gRPC operation names the service that answers: in another service's pod it is the caller's span. HTTP
    verbs and SQL are callers' spans too; paths are what servers answer.
    """
    if root:
        return "server"
    called = re.search(r"\.(\w+?)(?:Service)?/", operation)
    if called:
        return "server" if service.startswith(called[1].lower()) else "client"
    if re.match(r"HTTP |SELECT |INSERT |UPDATE |DELETE ", operation):
        return "client"
    return "server" if operation.startswith("/") else None


def _records(path: Path) -> Iterator[Row]:
    for row in read_csv(path):
        stamp, body = row.get("TimeUnixNano") or "", _unwrapped(row.get("Log") or "")
        if not stamp.isdigit():  # the collector read a time out of the message, before the epoch
            continue
        level = _LEVEL.search(body)
        yield {
            "time_unix_ns": int(stamp),
            "service": service_of(row.get("PodName") or ""),
            "instance": row.get("PodName"),
            "severity": level[1].lower() if level else None,
            "trace_id": row.get("TraceID") or None,
            "span_id": row.get("SpanID") or None,
            "body": _IDS.sub("", body),
        }


def _unwrapped(text: str) -> str:
    """The message inside a container's JSON, which may hold the program's own JSON."""
    for key in ("log", "message"):
        try:
            inner = json.loads(text)
        except ValueError:
            break
        if not isinstance(inner, dict) or not isinstance(inner.get(key), str):
            break
        text = inner[key].strip()
    return text


def _metrics(folder: Path, kept: Window) -> Iterator[Row]:
    for path in sorted([*folder.glob("*_metric.csv"), *folder.glob(_FRONT)]):
        for row in read_csv(path):
            at = number(row.get("TimeStamp"))
            if at is not None and kept.holds(at):
                yield from _measured(row, at)


def _measured(row: Row, at: float) -> Iterator[Row]:
    pod = row.get("PodName")
    service = service_of(pod) if pod else str(row.get("ServiceName") or "").lower()
    for metric, cell in row.items():
        value = number(cell) if metric not in _NOT_MEASURED else None
        if value is not None:
            yield {"time_unix": at, "service": service, "instance": pod, "metric": metric, "value": value}


def _calls(path: Path) -> Iterator[tuple[str, str]]:
    """The published calls among services; a node's address is no service."""
    for row in read_csv(path) if path.exists() else ():
        if row["Target"] and not re.fullmatch(r"[\d.]+", row["Target"]):
            yield row["Source"], row["Target"]
