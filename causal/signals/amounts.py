"""Amounts: what metrics alone can tell about who fails or delays requests, where a call graph is given.

A node's excess over its reference is an amount, E = sum of N_t (x_t - m): extra failed requests, or extra
seconds waited. Amounts add up along calls, so what the callees do not explain is a node's own; a callee
that moves in step may explain up to twice its own excess (retries, fan-out). A hop that few calls take
has an impressive rate and a small amount. A cause must be big enough to make the symptom, so the
symptom's amount is told as well: what is small beside it carries little weight.

The reference is the case's own rows before the trouble. Quiet time from elsewhere tells how much such a
node varies, and stands for a few more requests as far as those rows agree with it. Failures are counted,
and judged as a share that changed: to any other, or to just what the symptom asks for, in number and
course. Half the weight is on each. Few failures say little about "any", but much about "as many as are
missed, and when". Used for nodes whose spans do not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln

from causal import bayes_factors
from causal.evidence import Anomaly, Entity
from causal.forest import failed
from causal.node_series import Level, table
from causal.signals import edge_metrics
from causal.telemetry import Flags, Floats
from causal.view import View

_CREDIBLE = 2.0
_FEW = 5
_NORMAL_90 = 3.29
_FREEDOM = 4.0
_WEIGHT = 200.0
_LEAST = 1.0
_WIDE = 2.0
# The alert has said already that the symptom's node fails or waits: this is hardly news.
_SAID = 2.0
_ALIKE = 10.0


@dataclass(frozen=True, eq=False)
class _Excess:
    """Of one node: total, its noise, and the course over the buckets of the incident window.

    ``quiet`` and ``now`` are its level in the reference and in the trouble; ``weight`` is how many requests
    the reference is worth, ``clustering`` how alike quiet buckets are.
    """

    course: Floats
    total: float
    noise: float
    quiet: float
    now: Level
    weight: float
    clustering: float

    @property
    def credible(self) -> float:
        return max(0.0, self.total - _CREDIBLE * self.noise)


def find(view: View) -> tuple[Anomaly, ...]:
    """Nodes with failed requests or seconds of their own, of the kind that the symptom shows (else both)."""
    if not len(view.metrics) or not view.metrics_late.any():
        return ()
    wanted = view.alert.symptom.signal
    found: list[Anomaly] = []
    if wanted != "latency":
        found += _own(view, "errors", view.spoken & _ever_failed(view))
    if wanted not in ("errors", "availability"):
        told = view.spoken | edge_metrics.covered(view)
        found += _own(view, "latency", told)
    return tuple(found)


def _ever_failed(view: View) -> frozenset[str]:
    """Services whose spans know what a failure is: spans that never fail may just not be told."""
    service = view.spans.service
    return frozenset(service.names[code] for code in service.take(failed(view.spans)).used())


def _own(view: View, signal: str, told: frozenset[str]) -> Iterator[Anomaly]:
    """What each node has that its callees do not explain; ``told`` are those of whom others know better."""
    excess = _excesses(view, signal)
    symptom = excess.get(view.alert.symptom.service or "")
    callees: dict[str, list[str]] = {}
    for caller, callee in sorted(view.calls):
        if caller != callee:
            callees.setdefault(caller, []).append(callee)
    if symptom is not None and symptom.credible > 0.0 and view.alert.symptom.service not in told:
        yield _whole(view.alert.symptom.service or "", signal, symptom)
    for node, mine in sorted(excess.items()):
        known = [excess[callee] for callee in callees.get(node, ()) if callee in excess]
        passed = sum(other.credible * (1.0 + _cosine(other.course, mine.course)) for other in known)
        own = max(0.0, mine.credible - passed)
        if own <= 0.0 or node in told:
            continue
        shape = _cosine(mine.course, symptom.course) if symptom is not None else 1.0
        evidence = _evidence(signal, mine, symptom)
        if evidence >= _LEAST:
            blind = not known and (node in callees or not view.calls)
            if blind and mine is symptom:
                evidence = min(evidence, _SAID)
            yield _anomaly(node, signal, mine, (own * shape, evidence), blind=blind)


def _excesses(view: View, signal: str) -> dict[str, _Excess]:
    now = table(view, signal, view.metrics_late)
    if now is None:
        return {}
    far = table(view, signal, ~view.metrics_late)
    step = now.buckets.step
    began = view.alert.began_at if view.alert.began_at is not None else view.telemetry.window.start
    before = now.buckets.times + step <= began + 0.1 * step
    nothing = Level(np.zeros(0), np.zeros(0))
    found = {
        node: _excess(
            signal, now.of(node, ~before), now.of(node, before), far.of(node) if far is not None else nothing
        )
        for node in now.nodes
    }
    return {node: excess for node, excess in found.items() if excess is not None}


def _excess(signal: str, now: Level, near: Level, far: Level) -> _Excess | None:
    """How far a node is above its reference: its own rows before, and what quiet time adds to them."""
    held = far.requests > 0
    clustering = _clustering(far, held) if signal == "errors" else _WEIGHT
    errors_or_alone = signal == "errors" or near.n <= 0
    lent = _lent(near, far, clustering) if errors_or_alone else 0.0
    weight = near.n + lent
    if now.n <= 0 or weight <= 0:
        return None
    usual = (near.n * near.mean + lent * far.mean) / weight
    share = (usual * weight + 0.5) / (weight + 1.0)
    variance = share * (1 - share) if signal == "errors" else usual**2
    if held.sum() >= _FEW:
        spread = (far.values - np.median(far.values[held]))[held] * np.sqrt(far.requests[held])
        measured = float(np.ptp(np.quantile(spread, [0.05, 0.95])) / _NORMAL_90) ** 2
        variance = max(variance, measured) if signal == "errors" else measured
    noise = now.n * float(np.sqrt(max(variance, 0.0) * (1.0 / now.n + 1.0 / weight)))
    course = now.requests * (now.values - usual)
    return _Excess(course, float(course.sum()), noise, usual, now, weight, clustering)


def _lent(near: Level, far: Level, clustering: float) -> float:
    """How many requests quiet time from elsewhere stands for: the fewer, the less the rows before agree."""
    if near.n <= 0:
        return far.n
    k, n = near.mean * near.n, near.n
    drifted = float(bayes_factors.beta_binomial(far.mean * far.n, far.n, k, n, clustering))
    return min(far.n, clustering) / (1.0 + float(np.exp(drifted)))


def _clustering(far: Level, held: Flags) -> float:
    """How alike the quiet buckets of a node are: as many requests as they are worth elsewhere."""
    if held.sum() < _FEW:
        return _WEIGHT
    failures = (far.values * far.requests)[held]
    return min(_WEIGHT, float(bayes_factors.concentration(failures, far.requests[held])))


def _evidence(signal: str, mine: _Excess, symptom: _Excess | None) -> float:
    if signal != "errors":
        return float(bayes_factors.student_t(mine.total / max(mine.noise, 1e-12), _FREEDOM))
    k, n = mine.now.mean * mine.now.n, mine.now.n
    changed = float(bayes_factors.beta_binomial(mine.quiet * mine.weight, mine.weight, k, n, mine.clustering))
    if symptom is None or symptom.total <= 0.0:
        return changed
    any_share = float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
    any_share += float(betaln(0.5 + k, 0.5 + n - k) - betaln(0.5, 0.5))
    asked = _as_many(k, symptom.total) + _in_step(mine, symptom) - any_share
    return bayes_factors.average([changed, changed + asked])


def _in_step(mine: _Excess, symptom: _Excess) -> float:
    """Log odds of a course over the buckets like the symptom's against one like the requests'."""
    failures = mine.now.values * mine.now.requests
    like, of = np.maximum(symptom.course, 0.0), mine.now.requests > 0
    if like[of].sum() <= 0.0 or of.sum() < 2:  # noqa: PLR2004
        return 0.0
    alike, any_course = (
        weight * share[of] / share[of].sum() + 0.1
        for weight, share in ((_ALIKE, like), (float(of.sum()), mine.now.requests))
    )
    return _spread(failures[of], alike) - _spread(failures[of], any_course)


def _spread(counts: Floats, weights: Floats) -> float:
    """Log chance of how counts are spread, by Dirichlet and multinomial, but for what all have in common."""
    whole = gammaln(weights.sum()) - gammaln(counts.sum() + weights.sum())
    return float(whole + (gammaln(counts + weights) - gammaln(weights)).sum())


def _as_many(k: float, expected: float) -> float:
    """Log chance of k failures where about so many are expected, within a factor of two or so."""
    p = _WIDE / (_WIDE + expected)
    ways = gammaln(k + _WIDE) - gammaln(k + 1) - gammaln(_WIDE)
    return float(ways + _WIDE * np.log(p) + k * np.log1p(-p))


def _cosine(one: Floats, other: Floats) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(0.0, float(one @ other) / size) if size > 0 else 0.0


def _whole(node: str, signal: str, mine: _Excess) -> Anomaly:
    """The symptom's own amount: nothing that speaks against its node, but what a cause is measured by."""
    what = "failed requests" if signal == "errors" else "seconds of waiting"
    return Anomaly(
        entity=Entity.of_service(node),
        signal="symptom",
        log_bayes_factor=0.0,
        amount=mine.credible,
        unit="requests" if signal == "errors" else "seconds",
        level_before=mine.quiet,
        level_now=mine.now.mean,
        says=f"{node} has {mine.total:.1f} extra {what} in all",
    )


def _anomaly(node: str, signal: str, mine: _Excess, seen: tuple[float, float], *, blind: bool) -> Anomaly:
    """``blind``: nothing that the node calls is measured, so that it may be theirs."""
    own, evidence = seen
    unit, what = ("requests", "failed requests") if signal == "errors" else ("seconds", "seconds of waiting")
    names = ("failing", "own_errors") if signal == "errors" else ("waiting", "own_latency")
    where = "that its callees do not explain"
    return Anomaly(
        entity=Entity.of_service(node),
        signal=names[0] if blind else names[1],
        log_bayes_factor=evidence,
        amount=own,
        unit=unit,
        level_before=mine.quiet,
        level_now=mine.now.mean,
        says=f"{node} has {own:.1f} extra {what} "
        + ("that arise in it or in something it calls that is not measured" if blind else where),
    )
