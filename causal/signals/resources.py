"""Resources: CPU, memory, pools and the like, material against capacity.

The worst incident sample is set against the quiet samples on a heavy-tailed scale, for monitoring series
have few points and wild ones. A movement counts from a twentieth of the capacity on: of the whole for
shares and percents, of the limit that a service tells of itself, else of the busiest service's usual
level. A metric that has equal values on several services belongs to their host and accuses none of them.
Metric names are only read to name the kind of resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors, demand
from causal.columns import by_key, grouped
from causal.compare import Sums
from causal.evidence import Anomaly, Entity, EntityKind
from causal.past import Measure, Timed, means
from causal.telemetry import Flags, Floats, Ints
from causal.view import View

_KINDS = {
    "cpu": re.compile(r"cpu", re.IGNORECASE),
    "memory": re.compile(r"mem|heap|rss", re.IGNORECASE),
    "pool": re.compile(r"pool|connection.*(count|usage|pending)|pending|threads?_busy|in_use", re.IGNORECASE),
    "resource": re.compile(r"disk|gc[._]|throttl|file_descriptor|fd_|restart", re.IGNORECASE),
}
_POOL = _KINDS["pool"]
_LIMIT = re.compile(r"limit|max|capacity|total$", re.IGNORECASE)
_HOST = re.compile(r"node|host", re.IGNORECASE)
_LEAST = 1.0
_MATERIAL = 0.05
_FEW = 3
_SHARED = 20
_OF_WORST = 0.5
_RATIO = 0.2
_SHRUNK = 0.1
_MEASURE = "level"


@dataclass(frozen=True, eq=False)
class _Series:
    """One metric of one service: its rows, the name of the metric, and what kind of resource it tells of."""

    rows: Ints
    service: int
    metric: int
    kind: str

    @property
    def owner(self) -> tuple[int, str]:
        return self.service, self.kind


def find(view: View) -> tuple[Anomaly, ...]:
    """The resources of services that are used more than in quiet time."""
    series = _series(view)
    busiest, limits, grown = _busiest(view, series), _limits(view), demand.grown(view)
    remembered = means(view.telemetry.past, _MEASURE)
    judged: dict[tuple[int, str], list[tuple[bool, Anomaly | None]]] = {}
    for one in series:
        whole = _limit(limits, one.service, view.metrics.metric.names[one.metric]) or busiest[one.metric]
        says_whole = _capacity(view.metrics.metric.names[one.metric], 0.0) > 0.0
        asked = grown.get(view.metrics.service.names[one.service], 1.0) if one.kind == "cpu" else 1.0
        judged.setdefault(one.owner, []).append((says_whole, _judge(view, one, whole, remembered, asked)))
    return tuple(anomaly for each in judged.values() for anomaly in _told(each))


def measures(view: View) -> tuple[Measure, ...]:
    """The levels of resources, per service and metric."""
    series, value = _series(view), view.metrics.value
    of = [value[one.rows[~view.metrics_late[one.rows]]] for one in series]
    n, total, squares = (
        np.array([[float(np.sum(power(v)))] for v in of]).reshape(-1, 1)
        for power in (np.ones_like, np.copy, np.square)
    )
    quiet: Flags = np.zeros(1, dtype=np.bool_)
    table = Sums(quiet, n, np.zeros_like(n), np.zeros_like(n), total, squares)
    return (Timed(_MEASURE, [_context(view, one) for one in series], table),)


def _context(view: View, one: _Series) -> str:
    return f"{view.metrics.service.names[one.service]}\x1f{view.metrics.metric.names[one.metric]}"


def _series(view: View) -> list[_Series]:
    """What tells of a resource that is the service's own, and not its host's."""
    metrics = view.metrics
    kinds = [kind_of(name) for name in metrics.metric.names]
    telling = np.array([*(kind is not None for kind in kinds), False])
    rows = np.flatnonzero(telling[metrics.metric.codes] & np.isfinite(metrics.value))
    if not len(rows):
        return []
    shared = _shared(view, rows)
    first, group = grouped(metrics.service.codes[rows], metrics.metric.codes[rows])
    order = np.argsort(group, kind="stable")
    parts = np.split(rows[order], np.searchsorted(group[order], np.arange(1, len(first))))
    owners = ((int(metrics.service.codes[of[0]]), int(metrics.metric.codes[of[0]]), of) for of in parts)
    return [
        _Series(of, service, metric, kind)
        for service, metric, of in owners
        if (kind := kinds[metric]) is not None and metric not in shared
    ]


def _busiest(view: View, series: Sequence[_Series]) -> dict[int, float]:
    """Of each metric, how busy the busiest service usually is, or half of its worst moment."""
    levels: dict[int, float] = {}
    for one in series:
        quiet = view.metrics.value[one.rows[~view.metrics_late[one.rows]]]
        usual = float(np.quantile(quiet, 0.9)) if len(quiet) else 0.0
        worst = _OF_WORST * float(np.max(view.metrics.value[one.rows]))
        levels[one.metric] = max(levels.get(one.metric, 0.0), usual, worst)
    return levels


def _told(judged: list[tuple[bool, Anomaly | None]]) -> list[Anomaly]:
    """Of one kind on one service: where some metrics say what the whole is, only these are heard."""
    best = max(says_whole for says_whole, _ in judged)
    return [anomaly for says_whole, anomaly in judged if says_whole == best and anomaly is not None]


def kind_of(name: str) -> str | None:
    """What kind of resource a metric tells of; None where it tells of none, or of its host's."""
    if _LIMIT.search(name) or _HOST.search(name):
        return None
    return next((kind for kind, pattern in _KINDS.items() if pattern.search(name)), None)


def _shared(view: View, rows: Ints) -> frozenset[int]:
    """Metrics that keep having the same value on several services at once: the host's."""
    metrics = view.metrics
    rows = rows[metrics.value[rows] != 0.0]
    at = (metrics.time[rows]).astype(np.int64)
    first, same = grouped(at, metrics.metric.codes[rows], metrics.value[rows].view(np.int64))
    once, _ = grouped(same, metrics.service.codes[rows])
    owners = np.bincount(same[once], minlength=len(first))
    often = np.bincount(metrics.metric.codes[rows[first]][owners > 1], minlength=len(metrics.metric.names))
    return frozenset(np.flatnonzero(often > _SHARED).tolist())


def _judge(
    view: View, one: _Series, whole: float, remembered: Mapping[str, Floats], asked: float
) -> Anomaly | None:
    """``asked`` times as much work takes as much more of the processor: that much is its askers' doing."""
    metrics, late, of = view.metrics, view.metrics_late, one.rows
    near, now = metrics.value[of[~late[of]]], metrics.value[of[late[of]]]
    quiet = asked * np.concatenate([remembered.get(_context(view, one), near[:0]), near])
    if len(quiet) < _FEW or not len(now):
        return None
    name, service = metrics.metric.names[one.metric], metrics.service.names[one.service]
    capacity = _capacity(name, whole)
    usual, worst = float(np.median(quiet)), float(np.quantile(now, 0.9, method="higher"))
    noise = float(np.sqrt(np.var(quiet) + (_MATERIAL * capacity) ** 2 + 1e-12))
    freedom = float(np.clip(len(quiet) - 1, 2, 4))
    evidence = float(bayes_factors.student_t((worst - usual) / noise, freedom))
    if worst - usual >= _MATERIAL * capacity:
        evidence = max(evidence, _multiplied(quiet, worst, freedom))
    if evidence < _LEAST or worst - usual < _MATERIAL * capacity:
        return None
    times: Floats = metrics.time[of[late[of]]]
    risen: Flags = now >= (usual + worst) / 2
    signal = "full" if one.kind == "pool" and _anybodys(view, service) else one.kind
    return Anomaly(
        entity=Entity(kind=EntityKind.RESOURCE, name=f"{service}/{name}", service=service),
        signal=signal,
        log_bayes_factor=evidence,
        amount=(worst - usual) / max(capacity, 1e-12),
        unit="of capacity",
        level_before=usual,
        level_now=worst,
        onset=float(times[risen].min()) if risen.any() else None,
        says=f"{name} of {service} rose to {worst:.4g}, usually {usual:.4g}",
    )


def _anybodys(view: View, service: str) -> bool:
    """Whether a full pool may be the doing of slow callees: no spans tell, and it is as large as ever."""
    metrics = view.metrics
    sized = [c for c, name in enumerate(metrics.metric.names) if _POOL.search(name) and _LIMIT.search(name)]
    mine = (metrics.service.codes == metrics.service.code(service)) & np.isin(metrics.metric.codes, sized)
    now, calm = (metrics.value[mine & which] for which in (view.metrics_late, ~view.metrics_late))
    shrunk = len(now) and len(calm) and now.min() < (1.0 - _SHRUNK) * np.median(calm)
    return service not in view.spoken and not shrunk


def _multiplied(quiet: Floats, worst: float, freedom: float) -> float:
    """Evidence on the scale of ratios: a busy host keeps a runaway from capacity, not near its usual."""
    usual = quiet[quiet > 0.0]
    if len(usual) < _FEW or worst <= 0.0:
        return 0.0
    spread = float(np.var(np.log(usual))) + _RATIO**2
    z = (np.log(worst) - np.log(np.median(usual))) / np.sqrt(spread)
    return float(bayes_factors.student_t(z, freedom))


def _limits(view: View) -> dict[tuple[int, str], float]:
    """What services themselves say their limits are (``x.limit`` beside ``x.usage``), by service and stem."""
    metrics, names = view.metrics, view.metrics.metric.names
    limits = [code for code, name in enumerate(names) if name.endswith(".limit")]
    rows = np.flatnonzero(np.isin(metrics.metric.codes, limits))
    if not len(rows):
        return {}
    _, group = grouped(metrics.service.codes[rows], metrics.metric.codes[rows])
    order = rows[by_key(group)]
    each = np.split(order, np.cumsum(np.bincount(group))[:-1])
    stem = [name.removesuffix(".limit") for name in names]
    return {
        (int(metrics.service.codes[of[0]]), stem[metrics.metric.codes[of[0]]]): float(
            np.median(metrics.value[of])
        )
        for of in each
    }


def _limit(limits: Mapping[tuple[int, str], float], service: int, name: str) -> float:
    """The limit of what a metric tells the use of; 0 where the service says nothing."""
    stem, dot, last = name.rpartition(".")
    return limits.get((service, stem), 0.0) if dot and last in ("usage", "used", "count") else 0.0


def _capacity(name: str, busiest: float) -> float:
    lower = name.lower()
    if "%" in lower or "percent" in lower:
        return 100.0
    if "utilization" in lower or "ratio" in lower:
        return 1.0
    return busiest
