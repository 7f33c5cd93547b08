"""What metrics tell of a node as a whole: failed shares or seconds, for how many requests, bucket by bucket.

Names are many, meanings few. Of the metrics of one meaning the one is taken that many nodes have, that
ever moves, and whose statistic adds up best: a mean before a median; the time of a tail is nobody's
amount. Not all metrics are scraped at the same second, so samples are laid into buckets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from causal.edge_series import TAIL, is_latency, rank, seconds
from causal.telemetry import MISSING, Flags, Floats, Ints
from causal.view import View

_AVAILABLE = re.compile(r"availab|success", re.IGNORECASE)
_FAILED = re.compile(r"error|fault|fail|5xx", re.IGNORECASE)
_REQUESTS = re.compile(r"request|invocation|calls|throughput|count|workload", re.IGNORECASE)
_PER_SECOND = re.compile(r"ops|rate|rps|qps|per_?sec|/s\b", re.IGNORECASE)
_OUTGOING = re.compile(r"client", re.IGNORECASE)
_SHARE, _PERCENT = 1.5, 100.0
_MUCH_SEEN = 0.5


@dataclass(frozen=True, eq=False)
class Level:
    """Values and how many requests each stands for, bucket by bucket."""

    values: Floats
    requests: Floats

    @property
    def n(self) -> float:
        return float(self.requests.sum())

    @property
    def mean(self) -> float:
        return float(self.values @ self.requests) / self.n if self.n > 0 else 0.0


@dataclass(frozen=True)
class Buckets:
    """Equally long stretches of time, in seconds."""

    start: float
    step: float
    size: int

    @property
    def times(self) -> Floats:
        """When each bucket begins (Unix seconds)."""
        return np.asarray(self.start + self.step * np.arange(self.size), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Table:
    """A signal as node x time; NaN where there is no sample."""

    nodes: tuple[str, ...]
    buckets: Buckets
    values: Floats
    requests: Floats

    def of(self, node: str, which: Flags | None = None) -> Level:
        """What is known of a node; of all buckets or, in their places, of some."""
        if node not in self.nodes:
            return Level(np.zeros(0), np.zeros(0))
        row = self.nodes.index(node)
        asked, told = self.requests[row], np.isfinite(self.values[row])
        usual = float(np.median(asked[np.isfinite(asked)])) if np.isfinite(asked).any() else 0.0
        weight = np.where(told, np.where(np.isfinite(asked), asked, usual), 0.0)
        return Level(np.nan_to_num(self.values[row]), weight if which is None else weight * which)


def table(view: View, signal: str, which: Flags) -> Table | None:
    """The best metric of a signal, as failed shares or seconds, with the requests beside it."""
    metric = (_latency if signal == "latency" else _failures)(view)
    rows = np.flatnonzero(which & (view.metrics.metric.codes == metric))
    if metric == MISSING or not len(rows):
        return None
    buckets = _buckets(view, rows)
    values = _scaled(view, metric, _pivot(view, metric, which, buckets))
    requests = _requests(view, which, buckets)
    if requests is None:
        requests = np.where(np.isfinite(values), 1.0, np.nan)
    elif signal == "errors" and np.nanmax(values) > 1.0:
        values = values / np.maximum(requests, 1.0)
    return Table(view.metrics.service.names, buckets, values, requests)


def _buckets(view: View, rows: Ints) -> Buckets:
    """As long as one node's samples lie apart: not all metrics are scraped at the same second."""
    time, service = view.metrics.time[rows], view.metrics.service.codes[rows]
    order = np.lexsort((time, service))
    apart, same = np.diff(time[order]), np.diff(service[order]) == 0
    steps = apart[same & (apart > 0)]
    step = float(np.median(steps)) if len(steps) else view.telemetry.window.seconds
    size = round((time.max() - time.min()) / step) + 1
    return Buckets(float(time.min()), step, size)


def _latency(view: View) -> int:
    """A mean or a median: a tail's time is not what so many requests have waited."""
    names = view.metrics.metric.names
    timed = [c for c, name in enumerate(names) if is_latency(name) and not _OUTGOING.search(name)]
    return _best(view, _moving(view, [c for c in timed if rank(names[c]) < TAIL]))


def _failures(view: View) -> int:
    """How many succeed, or else how many do not."""
    names = view.metrics.metric.names
    good = _best(view, _moving(view, [c for c, name in enumerate(names) if _AVAILABLE.search(name)]))
    bad = _best(view, _moving(view, [c for c, name in enumerate(names) if _FAILED.search(name)]))
    return bad if good == MISSING else good


def _scaled(view: View, metric: int, raw: Floats) -> Floats:
    """Seconds, failed shares, or numbers of failures where only these are told."""
    name = view.metrics.metric.names[metric]
    if is_latency(name):
        return raw * seconds(name)
    if _AVAILABLE.search(name):
        return 1.0 - raw / (_PERCENT if np.nanmax(raw) > _SHARE else 1.0)
    return raw


def _requests(view: View, which: Flags, buckets: Buckets) -> Floats | None:
    names = view.metrics.metric.names
    fits = [c for c, name in enumerate(names) if _REQUESTS.search(name) and not is_latency(name)]
    best = _best(view, [c for c in fits if not _AVAILABLE.search(names[c]) and not _FAILED.search(names[c])])
    if best == MISSING:
        return None
    counted = _pivot(view, best, which, buckets)
    return counted * buckets.step if _PER_SECOND.search(names[best]) else counted


def _moving(view: View, fits: list[int]) -> list[int]:
    """Without metrics that are the same everywhere and always: these tell nothing."""
    values, metric = view.metrics.value, view.metrics.metric.codes
    told = np.isfinite(values)
    return [code for code in fits if (mine := told & (metric == code)).any() and np.ptp(values[mine]) > 0]


def _best(view: View, fits: list[int]) -> int:
    """The metric that adds up best of those that many nodes have; -1 for none."""
    metrics, names = view.metrics, view.metrics.metric.names
    about_calls = {one.metric for one in view.edge_series}
    nodes: Mapping[int, int] = {
        code: len(np.unique(metrics.service.codes[mine]))
        for code in fits
        if code not in about_calls and (mine := metrics.metric.codes == code).any()
    }
    most = max(nodes.values(), default=0)
    known = [code for code, n in nodes.items() if n >= _MUCH_SEEN * most]
    return min(known, key=lambda code: (rank(names[code]), names[code]), default=MISSING)


def _pivot(view: View, metric: int, which: Flags, buckets: Buckets) -> Floats:
    """Node x bucket: the mean of the samples; NaN where there are none."""
    rows = np.flatnonzero(which & (view.metrics.metric.codes == metric) & (view.metrics.service.codes >= 0))
    at = np.rint((view.metrics.time[rows] - buckets.start) / buckets.step).astype(np.int64)
    rows, at = rows[(at >= 0) & (at < buckets.size)], at[(at >= 0) & (at < buckets.size)]
    shape = len(view.metrics.service.names), buckets.size
    cell = view.metrics.service.codes[rows] * buckets.size + at
    n, total = (np.bincount(cell, w, minlength=shape[0] * shape[1]) for w in (None, view.metrics.value[rows]))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan).reshape(shape)
