"""Recovery: whether a system is well again, seen with the detectors that found it unwell.

Well means that the alert's own signal and each named service's golden signals (Beyer et al., Site Reliability
Engineering, 2016, ch. 6: latency, traffic, errors) are back within what quiet time shows. A service that gets
no requests fails none of them: silence is never recovery, and neither is a small part of the usual traffic.

How much traffic is usual is a gamma-Poisson distribution whose clumping comes from the quiet buckets, so
that the evidence of a shortfall is minus the log of the chance to see so few. An alert may be about less than
what the watch holds to be material; then half of what the incident itself showed is too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import nbinom, poisson

from causal import bayes_factors
from causal.detect import DEFAULT, anomalies_over, last_complete, slowness
from causal.evidence import Anomaly, Fact, Symptom, Window
from causal.rollup import Rollup
from causal.telemetry import Flags, Floats, Ints
from causal.traffic import COMPARISONS, Detector, Share, Traffic, learn

__all__ = ["Recovery", "verify"]

_A_QUARTER = 0.25
_TWICE = 2.0
_LEAST_CHANCE = 1e-300
_TOLD = 3


class Recovery(Fact):
    """How long a system has looked well again, up to now.

    ``healthy_for`` (s) is the unbroken stretch without a material anomaly; ``enough`` says whether there
    was traffic to judge by (no traffic is not recovery); ``anomalies`` are those that still hold.
    ``well_since`` is when that stretch began, looked for back to the incident's own beginning.
    """

    healthy_for: float
    enough: bool
    says: str
    anomalies: tuple[Anomaly, ...] = ()
    well_since: float | None = None


def verify(
    rollup: Rollup,
    symptom: Symptom,
    services: frozenset[str],
    *,
    baseline: Window,
    since: float,
    now: float,
    incident: Window | None = None,
    tainted: tuple[Window, ...] = (),
    detector: Detector = DEFAULT,
) -> Recovery:
    """How long, up to ``now``, the symptom's service and the named ones have shown no material anomaly.

    Quiet time is the ``baseline`` without ``tainted``; nothing before ``since`` counts as healthy. Each pair
    of neighbouring buckets is judged by the detectors of the watch, and the healthy stretch again as a whole.
    """
    end = last_complete(rollup, now, detector)
    start = min(since, end)
    traffic = Traffic.of(rollup, throughout=_throughout(rollup, end))
    quiet = traffic.within(baseline) & _free(traffic, tainted)
    named = services | {symptom.service} if symptom.service else services or frozenset(rollup.names)
    scene = _Scene(traffic, quiet, symptom, tuple(sorted(named & frozenset(rollup.names))), detector)
    begin = scene.healthy_from(start, end)
    stretch = scene.places(begin, end)
    still = scene.anomalies(stretch if len(stretch) else scene.places(start, end)[-2:], incident)
    lacking = scene.lacking(stretch)
    healthy = 0.0 if still else max(end - begin, 0.0)
    well = None if still or lacking else scene.well_since(begin, start, end, incident)
    says = (
        "; ".join(a.says for a in still) or lacking or f"well for {healthy:.0f} s: {scene.figures(stretch)}"
    )
    return Recovery(
        healthy_for=healthy, enough=not lacking, says=says, anomalies=tuple(still), well_since=well
    )


@dataclass(frozen=True)
class _Scene:
    """The named services' traffic on an unbroken row of buckets, and what quiet time says about it."""

    traffic: Traffic
    quiet: Flags
    symptom: Symptom
    wanted: tuple[str, ...]
    detector: Detector

    @cached_property
    def shares(self) -> list[Share]:
        return [
            share for share in learn(self.traffic, self.quiet, self.detector) if share.service in self.wanted
        ]

    @cached_property
    def limit(self) -> float:
        return bayes_factors.threshold(len(self.wanted) * COMPARISONS, self.detector.alpha**0.5)

    def places(self, start: float, end: float) -> Ints:
        """The buckets that lie between two moments as a whole."""
        found: Ints = np.flatnonzero(self.traffic.within(Window(start=min(start, end), end=end)))
        return found

    def requests(self, name: str) -> Ints:
        counts: Ints = self.traffic.n[self.traffic.rollup.names.index(name)]
        return counts

    def healthy_from(self, start: float, end: float) -> float:
        """The end of the last pair of judged buckets in which something was amiss."""
        judged = self.places(start, end)
        if not len(judged):
            return start
        pairs = np.column_stack([np.concatenate([judged[:1], judged[:-1]]), judged])
        amiss = [share.risen(pairs) > self.limit for share in self.shares]
        amiss += [self._off(name, pairs) for name in self.wanted]
        last = np.flatnonzero(np.any(amiss, axis=0))
        return (
            float(self.traffic.starts[judged[last[-1]]] + self.traffic.rollup.seconds) if len(last) else start
        )

    def well_since(self, begin: float, start: float, end: float, incident: Window | None) -> float:
        """When the healthy stretch began, be it before ``start``.

        Trouble too thin to show in two buckets must not pass for health: what leads up to ``start`` is
        judged as a whole as well.
        """
        if incident is None or begin > start:
            return begin
        earlier = self.healthy_from(incident.start, end)
        before = self.places(max(earlier, start - self.detector.patient), start)
        if not len(before) or self.anomalies(before, incident) or self.lacking(before):
            return max(earlier, start)
        return earlier

    def anomalies(self, stretch: Ints, incident: Window | None) -> list[Anomaly]:
        """What is amiss over a stretch as a whole; the alert's own signal is looked at more closely."""
        shares = [self._as_alerted(share, incident) for share in self.shares]
        return anomalies_over(self.traffic, shares, stretch, self.limit, self.detector)

    def _as_alerted(self, share: Share, incident: Window | None) -> Share:
        own = (share.service, share.of.signal) == (self.symptom.service, self.symptom.signal)
        if incident is None or not own:
            return share
        ill = self.places(incident.start, incident.end)
        if not len(ill) or share.risen(ill[None, :])[0] > 0.0:
            return share
        closer = replace(share, of=replace(share.of, least=0.0, bar=0.0))
        if closer.risen(ill[None, :])[0] <= 0.0:
            return share
        shown = share.of.held[ill].sum() / share.n[ill].sum() - share.before
        return replace(share, of=replace(share.of, least=shown / 2.0, bar=0.0))

    def lacking(self, stretch: Ints) -> str:
        """Why a stretch cannot be judged, or an empty string."""
        chief = self.symptom.service
        if chief is not None and chief not in {share.service for share in self.shares}:
            return f"too little quiet traffic of {chief} to compare with"
        for name in self.wanted:
            if not self.requests(name)[self.quiet].any():
                continue
            n, usual = int(self.requests(name)[stretch].sum()), self._usual(name) * len(stretch)
            if n == 0:
                return f"no request to {name} to judge by, usually {usual:.0f}: silence is not recovery"
            if n < _A_QUARTER * usual and (name == chief or self._off(name, stretch[None, :])[0]):
                return f"too few requests on {name} to judge by ({n}, usually {usual:.0f})"
            if name == chief and self.symptom.signal == "traffic" and n > _TWICE * usual:
                return f"{name} still gets {n} requests where it usually gets {usual:.0f}"
        return "" if self.wanted else "no traffic to judge by"

    def figures(self, stretch: Ints) -> str:
        """What was seen of each service over a stretch, beside what is usual."""
        told = [self._figures_of(name, stretch) for name in self._chief_first()[:_TOLD]]
        if len(self.wanted) > _TOLD:
            told.append(f"{len(self.wanted) - _TOLD} more services likewise")
        return "; ".join(told)

    def _figures_of(self, name: str, stretch: Ints) -> str:
        n, length = int(self.requests(name)[stretch].sum()), len(stretch) * self.traffic.rollup.seconds
        rate, usual = n / max(length, 1.0), self._usual(name) / self.traffic.rollup.seconds
        told = [f"{name} got {n} requests ({rate:.3g} a second, usually {usual:.3g})"]
        mine = [share for share in self.shares if share.service == name]
        told += [
            f"failed {share.of.held[stretch].sum() / max(n, 1):.1%} (usually {share.before:.1%})"
            for share in mine
            if share.of.signal == "errors"
        ]
        slow = max((share for share in mine if share.of.quantile), key=lambda s: s.of.quantile, default=None)
        if slow is not None and n:
            told.append(self._quantile(slow, stretch))
        return ", ".join(told)

    def _quantile(self, share: Share, stretch: Ints) -> str:
        usual, now, *_ = slowness(self.traffic, share, stretch)
        of = share.of.quantile
        return f"answered {of:.0%} within {now * 1e3:.0f} ms (usually {usual * 1e3:.0f} ms)"

    def _chief_first(self) -> list[str]:
        return sorted(self.wanted, key=lambda name: (name != self.symptom.service, name))

    def _usual(self, name: str) -> float:
        """Requests a quiet bucket."""
        return float(self.requests(name)[self.quiet].mean()) if self.quiet.any() else 0.0

    def _off(self, name: str, rows: Ints) -> Flags:
        """In which rows of buckets a service had next to no traffic where it certainly has some."""
        counts, quiet = self.requests(name), self.requests(name)[self.quiet]
        if not quiet.any():
            return np.zeros(len(rows), dtype=np.bool_)
        n, width = counts[rows].sum(axis=1), rows.shape[1]
        off: Flags = (n < _A_QUARTER * quiet.mean() * width) & (_rarity(quiet, n, width) > self.limit)
        return off


def _rarity(quiet: Ints, n: Ints, buckets: int) -> Floats:
    """Minus the log of the chance of so few requests in so many buckets, given those of quiet time."""
    mean = float(quiet.mean())
    clumping = max(float(quiet.var()) - mean, 0.0) / max(mean, 1e-9) ** 2
    expected = mean * buckets
    if clumping > 0.0:
        chance = nbinom.cdf(n, 1.0 / clumping, 1.0 / (1.0 + expected * clumping))
    else:
        chance = poisson.cdf(n, expected)
    return np.asarray(-np.log(np.maximum(chance, _LEAST_CHANCE)), dtype=np.float64)


def _throughout(rollup: Rollup, end: float) -> Ints:
    """Every bucket from the first that had a request: those in which nobody had one are silence, not gaps."""
    first = int(rollup.bucket.min()) if len(rollup.bucket) else 0
    return np.arange(first, int(end / rollup.seconds) if len(rollup.bucket) else 0, dtype=np.int64)


def _free(traffic: Traffic, windows: Sequence[Window]) -> Flags:
    free: Flags = np.ones(len(traffic.starts), dtype=np.bool_)
    for window in windows:
        free &= (traffic.starts + traffic.rollup.seconds <= window.start) | (traffic.starts > window.end)
    return free
