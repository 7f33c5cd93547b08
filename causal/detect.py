"""The watch: which services are unwell just now, with nothing configured.

Each service's recent requests are compared with its own quiet past: the share that failed, the shares
that were slower than quiet time's median, q90 and q99, and whether a service that always had requests has
none. The evidence of a rise is a log Bayes factor whose yardstick is how much quiet buckets differ among
themselves (`causal.bayes_factors`), and it must exceed ln(comparisons / alpha): by Markov's inequality a
quiet system fires with probability alpha at most a look. Evidence alone is not enough: with a thousand
requests a second a millisecond is certain and yet nobody's incident. So a rise must also be material, and
hold in two buckets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causal import bayes_factors
from causal.evidence import Anomaly, Entity, Window
from causal.rollup import Rollup, edges
from causal.telemetry import Flags, Ints
from causal.traffic import COMPARISONS, Detector, Share, Traffic, learn

__all__ = ["Detector", "anomalies_over", "detect", "last_complete", "slowness"]

DEFAULT = Detector()
_STEADY = 0.9


def detect(
    rollup: Rollup, now: float, *, tainted: tuple[Window, ...] = (), detector: Detector = DEFAULT
) -> tuple[Anomaly, ...]:
    """The anomalies of the last seconds; () also where there is too little to compare with.

    Quiet time is everything in the rollup before the judged seconds, without the ``tainted`` windows.
    """
    traffic = Traffic.of(rollup.outside(tainted))
    end = last_complete(rollup, now, detector)
    for stretch in (detector.recent, detector.patient):
        found = _look(traffic, Window(start=end - stretch, end=end), detector)
        if found:
            return tuple(sorted(found, key=lambda a: (-a.log_bayes_factor, a.entity.name, a.signal)))
    return ()


def _look(traffic: Traffic, recent: Window, detector: Detector) -> list[Anomaly]:
    quiet = _quiet(traffic, recent.start, detector)
    late = np.flatnonzero(traffic.within(recent))
    limit = bayes_factors.threshold(2 * len(traffic.rollup.names) * COMPARISONS, detector.alpha)
    found = anomalies_over(traffic, learn(traffic, quiet, detector), late, limit, detector)
    return found + _silences(traffic, quiet, late, found, limit)


def _quiet(traffic: Traffic, before: float, detector: Detector) -> Flags:
    """The buckets to learn from: all before a moment but the latest, which trouble not yet seen may be in.

    Where there are few, twice the least quiet time is kept.
    """
    past = traffic.within(Window(start=before - detector.memory, end=before))
    places = np.flatnonzero(past)
    guarded, least = (int(s // traffic.rollup.seconds) for s in (detector.guard, 2 * detector.learn))
    past[places[max(len(places) - guarded, least) :]] = False
    return past


def last_complete(rollup: Rollup, now: float, detector: Detector) -> float:
    """The end of the last bucket whose telemetry can be expected to have arrived."""
    return float((now - detector.lag) // rollup.seconds * rollup.seconds)


def anomalies_over(
    traffic: Traffic, shares: Sequence[Share], late: Ints, limit: float, detector: Detector
) -> list[Anomaly]:
    """The strongest anomaly of each service and signal over the given buckets."""
    best: dict[tuple[str, str], tuple[float, Share]] = {}
    for share in shares:
        evidence = float(share.risen(late[None, :])[0]) if len(late) else 0.0
        shown = int((share.risen(late[:, None]) > 0.0).sum())
        if evidence > limit and shown >= min(detector.buckets, len(late)):
            key = (share.service, share.of.signal)
            best[key] = max(best.get(key, (0.0, share)), (evidence, share), key=lambda pair: pair[0])
    return [_anomaly(traffic, share, late, evidence) for evidence, share in best.values()]


def _anomaly(traffic: Traffic, share: Share, late: Ints, evidence: float) -> Anomaly:
    tell = _failures if share.of.signal == "errors" else slowness
    before, now, amount, unit, says = tell(traffic, share, late)
    return Anomaly(
        entity=Entity.of_service(share.service),
        signal=share.of.signal,
        log_bayes_factor=evidence,
        amount=max(amount, 0.0),
        unit=unit,
        level_before=before,
        level_now=now,
        onset=_onset(traffic, share, late),
        says=says,
    )


def _failures(_traffic: Traffic, share: Share, late: Ints) -> tuple[float, float, float, str, str]:
    n, held = int(share.n[late].sum()), int(share.of.held[late].sum())
    says = f"{share.service} failed {held / n:.1%} of {n} requests, usually {share.before:.1%}"
    return share.before, held / n, held - n * share.before, "requests", says


def slowness(traffic: Traffic, share: Share, late: Ints) -> tuple[float, float, float, str, str]:
    """A latency quantile in quiet time and in the given buckets (s), the seconds beyond, and words."""
    chosen = np.zeros(len(traffic.starts), dtype=bool)
    chosen[late] = True
    counts = traffic.latencies(traffic.rollup.names.index(share.service), chosen)
    ranks, seconds = np.cumsum(counts), edges(np.arange(len(counts)))
    n, usual, quantile = int(ranks[-1]), share.of.usual, share.of.quantile
    now = float(seconds[np.searchsorted(ranks, quantile * n)])
    beyond = float(counts @ np.maximum(seconds - usual, 0.0)) - n * (1 - quantile) * usual
    says = (
        f"{share.service} answered {quantile:.0%} of {n} requests within {now * 1e3:.0f} ms, "
        f"usually {usual * 1e3:.0f} ms"
    )
    return usual, now, beyond, "seconds", says


def _onset(traffic: Traffic, share: Share, late: Ints) -> float:
    """The beginning of the run of raised buckets that reaches into ``late``; one quiet bucket is no end."""
    raised = share.risen(np.arange(len(traffic.starts))[:, None]) > 0.0
    shown = late[raised[late]]
    first = int(shown[-1]) if len(shown) else int(late[0])
    gap = 2.0 * traffic.rollup.seconds
    while first > 0 and raised[max(first - 2, 0) : first].any():
        step = first - 1 if raised[first - 1] else first - 2
        if traffic.starts[first] - traffic.starts[step] > gap:
            break
        first = step
    return float(traffic.starts[first])


def _silences(
    traffic: Traffic, quiet: Flags, late: Ints, found: Sequence[Anomaly], limit: float
) -> list[Anomaly]:
    """Services that always had requests and have none now, while a caller of theirs is unwell.

    A silent service looks like one that nobody needs or whose telemetry is late; only the callers' own
    trouble beside it makes it news.
    """
    unwell = {a.entity.name for a in found}
    silent = []
    for service, name in enumerate(traffic.rollup.names):
        callers = {caller for caller, callee in traffic.rollup.calls if callee == name}
        usual = traffic.n[service][quiet]
        if not (callers & unwell) or not len(usual) or not len(late) or traffic.n[service][late].any():
            continue
        mean = float(usual.mean())
        clumping = max(float(usual.var()) - mean, 0.0) / max(mean, 1e-9) ** 2
        expected = mean * len(late)
        evidence = float(np.log1p(expected * clumping) / clumping) if clumping > 0.0 else expected
        if evidence > limit and (usual > 0).mean() > _STEADY:
            silent.append(_silence(name, expected, evidence, float(traffic.starts[late[0]])))
    return silent


def _silence(name: str, expected: float, evidence: float, onset: float) -> Anomaly:
    return Anomaly(
        entity=Entity.of_service(name),
        signal="availability",
        log_bayes_factor=evidence,
        amount=expected,
        unit="requests",
        level_before=expected,
        level_now=0.0,
        onset=onset,
        says=f"{name} got no request where it usually gets {expected:.0f}, and its callers are unwell",
    )
