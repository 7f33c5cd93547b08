"""The watch: which services are unwell just now, with nothing configured; and whether they are well again.

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
from causal.evidence import Anomaly, Entity, Fact, Symptom, Window
from causal.rollup import Rollup, edges
from causal.telemetry import Flags, Ints
from causal.traffic import COMPARISONS, Detector, Share, Traffic, learn

__all__ = ["Detector", "Recovery", "detect", "verify"]

DEFAULT = Detector()
_STEADY = 0.9
_SOME = 5.0
_A_QUARTER = 0.25
_A_TRICKLE = 0.05


class Recovery(Fact):
    """How long a system has looked well again, up to now.

    ``healthy_for`` (s) is the unbroken stretch without a material anomaly; ``enough`` says whether there
    was traffic to judge by (no traffic is not recovery); ``anomalies`` are those that still hold.
    """

    healthy_for: float
    enough: bool
    says: str
    anomalies: tuple[Anomaly, ...] = ()


def detect(
    rollup: Rollup, now: float, *, tainted: tuple[Window, ...] = (), detector: Detector = DEFAULT
) -> tuple[Anomaly, ...]:
    """The anomalies of the last seconds; () also where there is too little to compare with.

    Quiet time is everything in the rollup before the judged seconds, without the ``tainted`` windows.
    """
    traffic = Traffic.of(rollup.outside(tainted))
    end = _last_complete(rollup, now, detector)
    for stretch in (detector.recent, detector.patient):
        found = _look(traffic, Window(start=end - stretch, end=end), detector)
        if found:
            return tuple(sorted(found, key=lambda a: (-a.log_bayes_factor, a.entity.name, a.signal)))
    return ()


def verify(
    rollup: Rollup,
    symptom: Symptom,
    services: frozenset[str],
    *,
    baseline: Window,
    since: float,
    now: float,
    tainted: tuple[Window, ...] = (),
    detector: Detector = DEFAULT,
) -> Recovery:
    """How long, up to ``now``, the symptom's service and the named ones have shown no material anomaly.

    Quiet time is the ``baseline`` without ``tainted``; nothing before ``since`` is judged. Each pair of
    neighbouring buckets is judged by the detectors of the watch, and the healthy stretch again as a whole.
    """
    end = _last_complete(rollup, now, detector)
    start = min(since, end)
    past, present = rollup.between(0.0, start).outside(tainted), rollup.between(start, end)
    traffic = Traffic.of(past.join(present))
    quiet = traffic.within(baseline)
    named = services | {symptom.service} if symptom.service else services or frozenset(rollup.names)
    wanted = sorted(named & frozenset(rollup.names))
    shares = [share for share in learn(traffic, quiet, detector) if share.service in wanted]
    judged = np.flatnonzero(traffic.within(Window(start=start, end=end)))
    limit = bayes_factors.threshold(len(wanted) * COMPARISONS, detector.alpha**0.5)
    begin = _healthy_from(traffic, shares, judged, limit, start)
    stretch = judged[traffic.starts[judged] >= begin]
    still = _anomalies(traffic, shares, stretch if len(stretch) else judged[-2:], limit, detector)
    healthy = 0.0 if still else max(end - begin, 0.0)
    known = symptom.service in {share.service for share in shares}
    lacking = _lacking(traffic, quiet, stretch, wanted=wanted, chief=symptom.service, known=known)
    well = f"no anomaly for {healthy:.0f} s on {', '.join(wanted)}"
    says = "; ".join(a.says for a in still) or lacking or well
    return Recovery(healthy_for=healthy, enough=not lacking, says=says, anomalies=tuple(still))


def _look(traffic: Traffic, recent: Window, detector: Detector) -> list[Anomaly]:
    quiet = _quiet(traffic, recent.start, detector)
    late = np.flatnonzero(traffic.within(recent))
    limit = bayes_factors.threshold(2 * len(traffic.rollup.names) * COMPARISONS, detector.alpha)
    found = _anomalies(traffic, learn(traffic, quiet, detector), late, limit, detector)
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


def _last_complete(rollup: Rollup, now: float, detector: Detector) -> float:
    return float((now - detector.lag) // rollup.seconds * rollup.seconds)


def _anomalies(
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
    tell = _failures if share.of.signal == "errors" else _slowness
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


def _slowness(traffic: Traffic, share: Share, late: Ints) -> tuple[float, float, float, str, str]:
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


def _healthy_from(
    traffic: Traffic, shares: Sequence[Share], judged: Ints, limit: float, since: float
) -> float:
    """The end of the last pair of judged buckets in which any share had risen."""
    if not len(judged) or not shares:
        return since
    pairs = np.column_stack([np.concatenate([judged[:1], judged[:-1]]), judged])
    bad = np.any([share.risen(pairs) > limit for share in shares], axis=0)
    last = np.flatnonzero(bad)
    return float(traffic.starts[judged[last[-1]]] + traffic.rollup.seconds) if len(last) else since


def _lacking(
    traffic: Traffic, quiet: Flags, stretch: Ints, *, wanted: Sequence[str], chief: str | None, known: bool
) -> str:
    """Why the stretch cannot be judged, or an empty string."""
    if chief is not None and not known:
        return f"too little quiet traffic of {chief} to compare with"
    for name in wanted:
        n = traffic.n[traffic.rollup.names.index(name)]
        expected = float(n[quiet].mean()) * len(stretch) if quiet.any() else 0.0
        needed = _A_QUARTER * expected if name == chief else min(_A_TRICKLE * expected, 1.0)
        if not len(stretch) or n[stretch].sum() < max(needed, float(expected >= _SOME)):
            return f"too few requests on {name} to judge by ({n[stretch].sum():.0f}, usually {expected:.0f})"
    return "" if wanted else "no traffic to judge by"
