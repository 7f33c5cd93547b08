"""One-line answers that are no diagnosis: what an engine must beat before it may call itself one.

Each puts the services in an order from a single number and knows nothing of causes. Where one of them does
well, the set is easy in that way, and an engine that leans on the same number looks better than it is.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import sqrt

import numpy as np

from benchmarks.grade import Ranking
from causal.evidence import Alert
from causal.telemetry import MISSING, Batch, Column, Flags, Floats, Ints, SpanKind, Spans, Telemetry

_NUMBERS = re.compile(r"[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]+)*|\d+")
_OF_CAPACITY = re.compile(r"rate|percent|utili[sz]ation|%", re.IGNORECASE)
_CPU = re.compile(r"cpu", re.IGNORECASE)
_HOST = re.compile(r"node|host|system", re.IGNORECASE)
_REMEMBERED = 1 << 18

Order = list[str]


def busiest(_: Alert, telemetry: Telemetry) -> Order:
    """Who has most spans in the incident; by log records or samples where there are no spans."""
    now = telemetry.incident
    for table in (now.spans, now.logs, now.metrics):
        if len(table):
            return _by_score(table.service.names, _count(table.service))
    return []


def first_speaker(_: Alert, telemetry: Telemetry) -> Order:
    """Who of those that were called begins first in the incident."""
    spans = _called(telemetry.incident.spans)
    return list(dict.fromkeys(_named(spans.service, np.argsort(spans.start_ns, kind="stable"))))


def last_speaker(_: Alert, telemetry: Telemetry) -> Order:
    """Who of those that were called begins last in the incident."""
    spans = _called(telemetry.incident.spans)
    return list(dict.fromkeys(_named(spans.service, np.argsort(-spans.start_ns, kind="stable"))))


def callee_self_time(_: Alert, telemetry: Telemetry) -> Order:
    """Whose self time per span grew most, waiting for a callee being charged to the callee."""
    now, before = (_charged(batch.spans) for batch in (telemetry.incident, telemetry.quiet))
    return _by_growth(now, before)


def vanished_line(_: Alert, telemetry: Telemetry) -> Order:
    """Whose log line, numbers left out, has become rarest for how often it was there before."""
    now, before = (_lines(batch) for batch in (telemetry.incident, telemetry.quiet))
    total_now, total_before = sum(now.values()), sum(before.values())
    if not total_now or not total_before:
        return []
    worst: dict[str, float] = {}
    for (service, line), count in before.items():
        expected = count * total_now / total_before
        missing = (expected - now.get((service, line), 0)) / sqrt(expected)
        worst[service] = max(worst.get(service, missing), missing)
    return sorted(worst, key=lambda service: (-worst[service], service))


def highest_cpu(_: Alert, telemetry: Telemetry) -> Order:
    """Whose CPU reads highest in the incident."""
    metrics = telemetry.incident.metrics
    names = [i for i, name in enumerate(metrics.metric.names) if _CPU.search(name) and not _HOST.search(name)]
    relative = [i for i in names if _OF_CAPACITY.search(metrics.metric.names[i])]
    rows = np.isin(metrics.metric.codes, relative or names) & np.isfinite(metrics.value)
    highest = np.full(len(metrics.service.names), -np.inf)
    np.maximum.at(highest, metrics.service.codes[rows], metrics.value[rows])
    return _by_score(metrics.service.names, highest)


SHORTCUTS: Mapping[str, Ranking] = {
    "busiest service": busiest,
    "first speaker": first_speaker,
    "last speaker": last_speaker,
    "callee's self time": callee_self_time,
    "line that vanished": vanished_line,
    "highest CPU": highest_cpu,
}


def _by_score(names: tuple[str, ...], scores: Floats) -> Order:
    """Services with a finite score, the highest first; ties by name."""
    held = [(-float(score), name) for name, score in zip(names, scores, strict=True) if np.isfinite(score)]
    return [name for _, name in sorted(held)]


def _count(column: Column) -> Floats:
    counted = np.bincount(column.codes[column.codes != MISSING], minlength=len(column.names)).astype(float)
    counted[counted == 0] = -np.inf
    return counted


def _called(spans: Spans) -> Spans:
    """Leave out the spans that nobody called: they open a trace and close it."""
    child = spans.parent != MISSING
    return spans.take(child) if child.any() else spans


def _named(column: Column, rows: Ints) -> Order:
    return [column.names[code] for code in column.codes[rows] if code != MISSING]


def _by_growth(now: Mapping[str, float], before: Mapping[str, float]) -> Order:
    grown = {name: value - before.get(name, 0.0) for name, value in now.items()}
    return sorted(grown, key=lambda name: (-grown[name], name))


def _charged(spans: Spans) -> dict[str, float]:
    """Mean self time of a service's spans in seconds; a caller's wait is its callee's."""
    if not len(spans):
        return {}
    parent = _parents(spans)
    child = parent != MISSING
    own = spans.duration_ns.astype(np.float64)
    np.subtract.at(own, parent[child], spans.duration_ns[child])
    charged = spans.service.codes.astype(np.int64).copy()
    away = child & (spans.service.codes != spans.service.codes[parent])
    waits = away & (spans.kind[parent] == SpanKind.CLIENT)
    charged[parent[waits]] = spans.service.codes[waits]
    totals = np.bincount(charged, weights=np.maximum(own, 0.0), minlength=len(spans.service.names))
    counts = np.bincount(charged, minlength=len(spans.service.names))
    return {spans.service.names[i]: float(totals[i] / counts[i]) / 1e9 for i in np.flatnonzero(counts)}


def _parents(spans: Spans) -> Ints:
    """The row of each span's parent, or -1."""
    breadth = int(max(spans.span.max(), spans.parent.max())) + 1
    trace = spans.trace.codes.astype(np.int64) * breadth
    order = np.argsort(trace + spans.span, kind="stable")
    keys, sought = (trace + spans.span)[order], trace + spans.parent
    place = np.minimum(np.searchsorted(keys, sought), len(keys) - 1)
    known: Flags = (spans.parent != MISSING) & (keys[place] == sought)
    return np.where(known, order[place], MISSING)


def _lines(batch: Batch) -> dict[tuple[str, str], int]:
    logs = batch.logs
    rows = (logs.service.codes != MISSING) & (logs.body.codes != MISSING)
    pairs = logs.service.codes[rows].astype(np.int64) * max(len(logs.body.names), 1) + logs.body.codes[rows]
    counted: dict[tuple[str, str], int] = {}
    for pair, count in zip(*np.unique(pairs, return_counts=True), strict=True):
        service, body = divmod(int(pair), len(logs.body.names))
        key = logs.service.names[service], _without_numbers(logs.body.names[body])
        counted[key] = counted.get(key, 0) + int(count)
    return counted


@lru_cache(maxsize=_REMEMBERED)
def _without_numbers(line: str) -> str:
    return _NUMBERS.sub("#", line)
