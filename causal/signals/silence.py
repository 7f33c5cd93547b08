"""Silence: a service whose metrics stop while those of others go on.

A crashed process reports nothing, and neither does one whose reports are lost; so silence counts, but never
for much: for as much as failing callers beside it make of it. Only asked where no spans tell who answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from causal import bayes_factors
from causal.evidence import Anomaly, Entity
from causal.telemetry import Flags, Ints
from causal.view import View

_LEAST = 1.0
_MOST = 4.0
_FEW = 3
_WIDE = 1.5
_TIGHT = 200.0
# So many reports may be late, or lost on their way.
_LATE = 1


def find(view: View) -> tuple[Anomaly, ...]:
    """The services without spans that fell silent before the end of the incident."""
    metrics, heard = view.metrics, view.spoken
    step = _step(view)
    if step <= 0.0 or not view.metrics_late.any() or view.metrics_late.all():
        return ()
    origin, wide = view.telemetry.baseline.start, _WIDE * step
    slot = np.floor((metrics.time - origin) / wide).astype(np.int64)
    over = view.metrics_late & ((slot + 1) * wide <= view.telemetry.window.end - origin)
    calm, now = (_presence(view, slot, which) for which in (~view.metrics_late, over))
    return tuple(
        anomaly
        for code, name in enumerate(metrics.service.names)
        if name not in heard
        for anomaly in _silent(view, name, calm[code], now[code])
    )


def _step(view: View) -> float:
    """How far a usual service's samples lie apart, in seconds."""
    metrics = view.metrics
    order = np.lexsort((metrics.time, metrics.service.codes))
    later = np.diff(metrics.time[order])
    apart = later[(np.diff(metrics.service.codes[order]) == 0) & (later > 0.0)]
    return float(np.median(apart)) if len(apart) else 0.0


def _presence(view: View, slot: Ints, which: Flags) -> Flags:
    """Service x stretch of time, in order: whether it said anything; without stretches in which few did."""
    rows = np.flatnonzero(which & (view.metrics.service.codes >= 0))
    slots, place = np.unique(slot[rows], return_inverse=True)
    told = np.zeros((len(view.metrics.service.names), len(slots)), dtype=np.bool_)
    told[view.metrics.service.codes[rows], place] = True
    alive = told.sum(axis=0)
    full: Flags = alive * 2 >= np.median(alive) if len(slots) else np.zeros(0, dtype=np.bool_)
    return told[:, full]


def _silent(view: View, name: str, calm: Flags, now: Flags) -> Iterator[Anomaly]:
    if len(calm) < _FEW or not calm.any() or not len(now) or now[-1]:
        return
    spoke = np.flatnonzero(now)
    quiet = len(now) - (int(spoke[-1]) + 1 if len(spoke) else 0)
    missing = float((~calm).sum())
    evidence = float(bayes_factors.beta_binomial(missing, len(calm), quiet, quiet, _TIGHT))
    if quiet > _LATE and evidence >= _LEAST:
        yield _anomaly(view, name, min(evidence, _MOST))


def _anomaly(view: View, name: str, evidence: float) -> Anomaly:
    mine = view.metrics.service.codes == view.metrics.service.code(name)
    times = view.metrics.time[mine & view.metrics_late]
    last = float(times.max()) if len(times) else view.telemetry.window.start
    ago = view.telemetry.window.end - last
    return Anomaly(
        entity=Entity.of_service(name),
        signal="silent",
        log_bayes_factor=evidence,
        onset=last,
        says=f"{name} has reported nothing for {ago:.0f} s while others did: it is down, or not heard",
    )
