"""The clocks of both ends of calls, as metrics tell them: samples in order of time, set side by side.

Two series about one call are scraped at different seconds; a difference is taken of samples that lie
nearest to each other. How far the incident's samples lie above the quiet ones is weighed on a heavy-tailed
scale, for there are few samples and wild ones. A fault seldom begins with a sample: the incident's samples
are judged from each of them on to the last, and the Bayes factors averaged, as an onset at any of them is as
likely as at any other. Times are all alike below a hundredth of what the slowest thing usually takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors
from causal.edge_series import TAIL, EdgeSeries, is_latency, rank, seconds
from causal.telemetry import Floats, Ints
from causal.view import View

FREEDOM = 4.0
CREDIBLE = 2.0
_FEW = 3
_MATERIAL = 0.05
_LEAST = 0.01
Edge = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Course:
    """Samples of one thing in order of time, in seconds: those of quiet time and those of the incident."""

    quiet_at: Floats
    quiet: Floats
    now_at: Floats
    now: Floats

    @property
    def told(self) -> bool:
        return len(self.quiet) >= _FEW and len(self.now) > 0

    def minus(self, other: Course, within: float) -> Course:
        """The difference of samples that were taken at the same time, give or take."""
        quiet = paired(self.quiet_at, other.quiet_at, within)
        now = paired(self.now_at, other.now_at, within)
        return Course(
            self.quiet_at[quiet[0]],
            self.quiet[quiet[0]] - other.quiet[quiet[1]],
            self.now_at[now[0]],
            self.now[now[0]] - other.now[now[1]],
        )


@dataclass(frozen=True)
class Rise:
    """How much longer something takes, in seconds, and how sure that is; ``onset`` is when it began."""

    evidence: float
    seconds: float
    before: float
    now: float
    onset: float
    noise: float

    @property
    def credible(self) -> float:
        return max(0.0, self.seconds - CREDIBLE * self.noise)


@dataclass(frozen=True, eq=False)
class Clocks:
    """What callers and callees say about each call, and services about themselves.

    ``step`` is how far samples lie apart, ``least`` what makes a difference, both in seconds.
    """

    caller: Mapping[Edge, Course]
    callee: Mapping[Edge, Course]
    own: Mapping[str, Course]
    step: float
    least: float


def clocks(view: View, series: Sequence[EdgeSeries]) -> Clocks:
    """Read the clocks that some series tell of, and those of the services at their ends."""
    index = _Index(view)
    by_edge: dict[tuple[Edge, bool], list[EdgeSeries]] = {}
    for one in series:
        by_edge.setdefault(((one.caller, one.callee), one.told_by_caller), []).append(one)
    courses: dict[bool, dict[Edge, Course]] = {True: {}, False: {}}
    for (edge, by_caller), told in sorted(by_edge.items()):
        best = min(one.rank for one in told)
        owner, unit = told[0].owner, told[0].unit
        metrics = [one.metric for one in told if one.rank == best]
        courses[by_caller][edge] = index.course(owner, metrics, unit)
    edges = {*courses[True], *courses[False]}
    own = dict(_of_nodes(index, {name for edge in edges for name in edge}, series))
    every = [*courses[True].values(), *courses[False].values(), *own.values()]
    steps = [np.median(np.diff(course.quiet_at)) for course in every if len(course.quiet_at) > 1]
    usual = [float(np.median(course.quiet)) for course in every if len(course.quiet)]
    step = float(np.median(steps)) if steps else 0.0
    return Clocks(courses[True], courses[False], own, step, _LEAST * max(usual, default=0.0))


def _of_nodes(
    index: _Index, names: Iterable[str], series: Sequence[EdgeSeries]
) -> Iterator[tuple[str, Course]]:
    """Of each service its own clock: the latency of the statistic that adds up best, but no tail's."""
    metric, about_calls = index.view.metrics.metric.names, {one.metric for one in series}
    timed = [code for code, name in enumerate(metric) if is_latency(name) and code not in about_calls]
    timed = [code for code in timed if rank(metric[code]) < TAIL and "client" not in metric[code].lower()]
    timed.sort(key=lambda code: (rank(metric[code]), metric[code]))
    for name in sorted(names):
        owner = index.view.metrics.service.code(name)
        courses = (index.course(owner, [code], seconds(metric[code])) for code in timed)
        best = next((course for course in courses if len(course.now)), None)
        if best is not None:
            yield name, best


class _Index:
    """Where the samples of each service and metric stand."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._wide = len(view.metrics.metric.names)
        key = view.metrics.service.codes.astype(np.int64) * self._wide + view.metrics.metric.codes
        self._order = np.argsort(key, kind="stable")
        self._keys = key[self._order]

    def course(self, owner: int, metrics: Sequence[int], unit: float) -> Course:
        """The mean of some metrics of a service over time, in seconds."""
        table = self.view.metrics
        rows = np.concatenate([self._rows(owner, metric) for metric in metrics])
        rows = rows[np.isfinite(table.value[rows])]
        parts: list[Floats] = []
        for late in (False, True):
            which = rows[self.view.metrics_late[rows] == late]
            at, place = np.unique(table.time[which], return_inverse=True)
            total = np.bincount(place, table.value[which], minlength=len(at))
            parts += [at, total / np.maximum(np.bincount(place, minlength=len(at)), 1) * unit]
        return Course(*parts)

    def _rows(self, owner: int, metric: int) -> Ints:
        key = owner * self._wide + metric
        start, end = np.searchsorted(self._keys, [key, key + 1])
        return self._order[start:end]


def paired(one: Floats, other: Floats, within: float) -> tuple[Ints, Ints]:
    """The places of samples of one series, and of the nearest of the other, if near enough."""
    if not len(one) or not len(other):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    after = np.clip(np.searchsorted(other, one), 0, len(other) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(np.abs(other[before] - one) <= np.abs(other[after] - one), before, after)
    near = np.flatnonzero(np.abs(other[nearest] - one) <= within)
    return near, nearest[near]


def rise_of(course: Course, level: float, least: float) -> Rise | None:
    """By how much the incident's samples lie above the quiet ones; noise is at least a share of the level."""
    if not course.told:
        return None
    usual = float(np.median(course.quiet))
    floor = _MATERIAL * max(abs(usual), level)
    noise = float(
        np.sqrt(np.var(course.quiet) * (1.0 + 1.0 / len(course.quiet)) + floor**2 + least**2 + 1e-24)
    )
    means = np.array([course.now[k:].mean() for k in range(len(course.now))])
    freedom = min(FREEDOM, len(course.quiet) - 1.0)
    evidence = bayes_factors.student_t((means - usual) / noise, freedom)
    best = int(np.argmax(evidence))
    return Rise(
        bayes_factors.average(evidence),
        means[best] - usual,
        usual,
        means[best],
        float(course.now_at[best]),
        noise,
    )
