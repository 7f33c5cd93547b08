"""Amounts: what metrics alone can tell about who fails or delays requests, where a call graph is given.

A node's excess over its reference is an amount, E = sum of N_t (x_t - m): extra failed requests, or extra
seconds waited. Amounts add up along calls, so what the callees do not explain is a node's own; a callee
that moves in step may explain up to twice its own excess (retries, fan-out). A hop that few calls take
has an impressive rate and a small amount. The reference that accuses less is taken: the minutes just
before the trouble, or quiet time. Used for nodes that have no spans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from causal import bayes_factors
from causal.evidence import Anomaly, Entity
from causal.telemetry import Flags, Floats
from causal.view import View

_LATENCY = re.compile(r"latenc|duration|response_?time|elapsed", re.IGNORECASE)
_AVAILABLE = re.compile(r"availab|success", re.IGNORECASE)
_FAILED = re.compile(r"error|fault|fail|5xx", re.IGNORECASE)
_REQUESTS = re.compile(r"request|invocation|calls|throughput|count|workload", re.IGNORECASE)
_MEAN = re.compile(r"mean|average|avg", re.IGNORECASE)
_MEDIAN = re.compile(r"p50|median", re.IGNORECASE)
_CREDIBLE = 2.0
_FEW = 5
_NORMAL_90 = 3.29
_FREEDOM = 4.0


@dataclass(frozen=True, eq=False)
class _Excess:
    """Of one node: total, its noise, and the course over the buckets of the incident window."""

    total: float
    noise: float
    course: Floats
    before: float
    now: float

    @property
    def credible(self) -> float:
        return max(0.0, self.total - _CREDIBLE * self.noise)


@dataclass(frozen=True, eq=False)
class _Table:
    """A signal as node x time; NaN where there is no sample."""

    nodes: tuple[str, ...]
    values: Floats
    requests: Floats


def find(view: View) -> tuple[Anomaly, ...]:
    """Nodes with failed requests or seconds of their own, of the kind that the symptom shows (else both)."""
    spoken = {view.spans.service.names[code] for code in view.spans.service.used()}
    if not len(view.metrics) or not view.metrics_late.any():
        return ()
    wanted = view.alert.symptom.signal
    found: list[Anomaly] = []
    if wanted != "latency":
        found += _own(view, "errors", spoken)
    if wanted not in ("errors", "availability"):
        found += _own(view, "latency", spoken)
    return tuple(found)


def _own(view: View, signal: str, spoken: set[str]) -> list[Anomaly]:
    excess = _excesses(view, signal)
    callees: dict[str, list[str]] = {}
    for caller, callee in sorted(view.calls):
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
    symptom = excess.get(view.alert.symptom.service or "")
    found = []
    for node, mine in sorted(excess.items()):
        known = [excess[callee] for callee in callees.get(node, []) if callee in excess]
        passed = sum(other.credible * (1.0 + _cosine(other.course, mine.course)) for other in known)
        own = max(0.0, mine.credible - passed)
        if own <= 0.0 or node in spoken:
            continue
        shape = _cosine(mine.course, symptom.course) if symptom is not None else 1.0
        evidence = float(bayes_factors.student_t(mine.total / max(mine.noise, 1e-12), _FREEDOM))
        found.append(_anomaly(node, signal, mine, (own * shape, evidence), measured=bool(known)))
    return found


def _excesses(view: View, signal: str) -> dict[str, _Excess]:
    early = _table(view, signal, ~view.metrics_late)
    table = _table(view, signal, view.metrics_late)
    if table is None:
        return {}
    times = np.unique(view.metrics.time[view.metrics_late])
    step = float(np.median(np.diff(times))) if len(times) > 1 else view.telemetry.window.seconds
    began = view.alert.began_at if view.alert.began_at is not None else view.telemetry.window.start
    before = times + step <= began + 0.1 * step
    out = {}
    for row, node in enumerate(table.nodes):
        quiet = None
        if early is not None and node in early.nodes:
            place = early.nodes.index(node)
            quiet = (early.values[place], early.requests[place])
        found = _excess(table.values[row], table.requests[row], before, quiet, signal)
        if found is not None:
            out[node] = found
    return out


def _excess(
    values: Floats, requests: Floats, before: Flags, quiet: tuple[Floats, Floats] | None, signal: str
) -> _Excess | None:
    weight = np.where(np.isfinite(values), np.nan_to_num(requests), 0.0)
    level = np.nan_to_num(values)
    n_now = float(weight[~before].sum())
    references = []
    if weight[before].sum() > 0:
        references.append(((weight[before] @ level[before]) / weight[before].sum(), weight[before].sum()))
    far = _reference(quiet)
    if far is not None and not references:
        references.append((float(far[1] @ far[0] / far[1].sum()), float(far[1].sum())))
    if n_now <= 0 or not references:
        return None
    usual, n_quiet = max(references)
    share = (usual * n_quiet + 0.5) / (n_quiet + 1.0)
    variance = share * (1 - share) if signal == "errors" else usual**2
    if far is not None and len(far[0]) >= _FEW:
        spread = np.quantile((far[0] - np.median(far[0])) * np.sqrt(far[1]), [0.05, 0.95])
        measured = float((spread[1] - spread[0]) / _NORMAL_90) ** 2
        variance = max(variance, measured) if signal == "errors" else measured
    course = weight * (level - usual)
    noise = n_now * float(np.sqrt(max(variance, 0.0) * (1.0 / n_now + 1.0 / n_quiet)))
    now = float(weight[~before] @ level[~before] / n_now)
    return _Excess(float(course[~before].sum()), noise, course, float(usual), now)


def _reference(quiet: tuple[Floats, Floats] | None) -> tuple[Floats, Floats] | None:
    if quiet is None:
        return None
    held = np.isfinite(quiet[0]) & (np.nan_to_num(quiet[1]) > 0)
    return (quiet[0][held], quiet[1][held]) if held.any() else None


def _table(view: View, signal: str, which: Flags) -> _Table | None:
    """The best metric of a signal, as failed shares or seconds, with the requests beside it."""
    names = view.metrics.metric.names
    values = None
    if signal == "latency":
        values = _pivot(view, _best(names, _LATENCY), which)
    else:
        good = _pivot(view, _best(names, _AVAILABLE), which)
        bad = _pivot(view, _best(names, _FAILED), which)
        if good is not None:
            values = 1.0 - good / (100.0 if np.nanmax(good) > 1.5 else 1.0)  # noqa: PLR2004
        elif bad is not None:
            values = bad
    if values is None:
        return None
    requests = _pivot(view, _best(names, _REQUESTS), which)
    if requests is None:
        requests = np.where(np.isfinite(values), 1.0, np.nan)
    elif signal == "errors" and np.nanmax(values) > 1.0:
        values = values / np.maximum(requests, 1.0)
    return _Table(view.metrics.service.names, values, requests)


def _best(names: tuple[str, ...], pattern: re.Pattern[str]) -> int:
    """The code of the metric that fits best: a mean before a median before anything else; -1 for none."""
    fits = [code for code, name in enumerate(names) if pattern.search(name) and ":" not in name]
    rank = {
        code: 0 if _MEAN.search(names[code]) else 1 if _MEDIAN.search(names[code]) else 2 for code in fits
    }
    return min(fits, key=lambda code: (rank[code], names[code]), default=-1)


def _pivot(view: View, metric: int, which: Flags) -> Floats | None:
    rows = np.flatnonzero(which & (view.metrics.metric.codes == metric))
    if metric < 0 or not len(rows):
        return None
    times, place = np.unique(view.metrics.time[which], return_inverse=True)
    at = np.full(len(which), -1)
    at[np.flatnonzero(which)] = place
    table = np.full((len(view.metrics.service.names), len(times)), np.nan)
    table[view.metrics.service.codes[rows], at[rows]] = view.metrics.value[rows]
    return table


def _cosine(one: Floats, other: Floats) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(0.0, float(one @ other) / size) if size > 0 else 0.0


def _anomaly(node: str, signal: str, mine: _Excess, seen: tuple[float, float], *, measured: bool) -> Anomaly:
    own, evidence = seen
    unit = "requests" if signal == "errors" else "seconds"
    what = "failed requests" if signal == "errors" else "seconds of waiting"
    says = f"{node} has {own:.1f} extra {what} that " + (
        "its callees do not explain"
        if measured
        else "arise in it or in something it calls that is not measured"
    )
    return Anomaly(
        entity=Entity.of_service(node),
        signal=f"own_{signal}" if signal == "errors" else "own_latency",
        log_bayes_factor=evidence,
        amount=own,
        unit=unit,
        level_before=mine.before,
        level_now=mine.now,
        says=says,
    )
