"""Edge metrics: what series about calls tell where no spans do.

Latencies are inclusive, so none is used without subtracting. The caller's clock minus the callee's is the
gap between the two: the network, a queue, a starved caller; whose it is, the network of causes settles from
the other calls of both ends, as it does for spans. The callee's clock minus that of its own calls is its own
time; a call of a request may be made twice, so calls may explain twice their rise. A series that falls silent
while its caller goes on telling of other calls is a step that the caller no longer takes, unless the callee
has fallen silent altogether. Where both ends of a call have spans, these are better witnesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from causal import bayes_factors
from causal.edge_clocks import CREDIBLE, FREEDOM, Clocks, Course, Edge, Rise, clocks, paired, rise_of
from causal.evidence import Anomaly, Entity, EntityKind
from causal.telemetry import MISSING, Flags, Floats
from causal.view import View

_LEAST = 1.0
_FEW = 3
_TWICE = 2.0
_TIGHT = 200.0
_UNIT = "seconds a call"


def find(view: View) -> tuple[Anomaly, ...]:
    """Gaps and own times that have risen, and calls that are no longer made."""
    if not len(view.metrics) or not view.metrics_late.any():
        return ()
    told = clocks(view, [one for one in view.edge_series if not {one.caller, one.callee} <= view.spoken])
    return (*_gaps(told), *_own_times(told, view.spoken), *_silences(view, told))


def covered(view: View) -> frozenset[str]:
    """The services whose own time edge metrics tell: node metrics need not be asked for it again."""
    return frozenset(name for one in view.edge_series for name in (one.caller, one.callee))


def _gaps(told: Clocks) -> Iterator[Anomaly]:
    for edge in sorted(told.caller.keys() & told.callee.keys()):
        gap = told.caller[edge].minus(told.callee[edge], 0.75 * told.step)
        rise = rise_of(gap, _usual(told.caller[edge]), told.least)
        if rise is not None and rise.evidence >= _LEAST and rise.credible > 0.0:
            yield _gap(edge, rise)


def _own_times(told: Clocks, heard: frozenset[str]) -> Iterator[Anomaly]:
    """What a service takes longer, beyond twice what its own calls take longer."""
    for service in sorted({name for edge in (*told.caller, *told.callee) for name in edge} - heard):
        mine = [rise_of(course, 0.0, told.least) for course in _entries(told, service)]
        known = [rise for rise in mine if rise is not None]
        if not known:
            continue
        passed = sum(
            max(0.0, rise.seconds)
            for edge, course in told.caller.items()
            if edge[0] == service and (rise := rise_of(course, 0.0, told.least)) is not None
        )
        rise = max(known, key=lambda one: one.evidence)
        left = rise.seconds - _TWICE * passed
        evidence = float(bayes_factors.student_t(left / max(rise.noise, 1e-12), FREEDOM))
        if min(evidence, rise.evidence) >= _LEAST and left > CREDIBLE * rise.noise:
            yield _own_time(service, rise, left, min(evidence, rise.evidence))


def _entries(told: Clocks, service: str) -> list[Course]:
    """The clocks of what comes in to a service: by caller, where it tells them apart."""
    mine = [course for edge, course in sorted(told.callee.items()) if edge[1] == service]
    return mine or [told.own[service]] if mine or service in told.own else []


def _silences(view: View, told: Clocks) -> Iterator[Anomaly]:
    callers: dict[str, list[Edge]] = {}
    for edge in sorted(told.caller):
        callers.setdefault(edge[0], []).append(edge)
    for edges in callers.values():
        if len(edges) > 1:
            weighed = [(_silence(told, edges, edge), edge) for edge in edges]
            evidence = bayes_factors.average([value for value, _ in weighed])
            edge = max(weighed)[1]
            if evidence >= _LEAST:
                yield _gone(view, edge, evidence, sum(value >= _LEAST for value, _ in weighed))


def _silence(told: Clocks, edges: Sequence[Edge], edge: Edge) -> float:
    """Evidence that a call is told of at fewer of the moments at which its caller tells of any call."""
    course, within = told.caller[edge], 0.5 * told.step
    moments = [
        np.unique(np.concatenate([getattr(told.caller[other], name) for other in edges]))
        for name in ("quiet_at", "now_at")
    ]
    absent, absent_now = (
        ~_present(at, own, within) for at, own in zip(moments, (course.quiet_at, course.now_at), strict=True)
    )
    if len(absent) < _FEW or not len(absent_now):
        return 0.0
    left = np.arange(len(absent_now), 0, -1)
    k = np.cumsum(absent_now[::-1])[::-1]
    rarer = bayes_factors.beta_binomial(absent.sum(), len(absent), k, left, _TIGHT)
    return bayes_factors.average(np.where(k > absent.mean() * left, rarer, 0.0))


def _present(moments: Floats, at: Floats, within: float) -> Flags:
    near, _ = paired(moments, at, within)
    there = np.zeros(len(moments), dtype=np.bool_)
    there[near] = True
    return there


def _usual(course: Course) -> float:
    return float(np.median(course.quiet)) if len(course.quiet) else 0.0


def _gap(edge: Edge, rise: Rise) -> Anomaly:
    caller, callee = edge
    return Anomaly(
        entity=Entity(kind=EntityKind.EDGE, name=f"{caller}->{callee}", service=callee),
        signal="edge_gap",
        log_bayes_factor=rise.evidence,
        amount=rise.credible,
        unit=_UNIT,
        level_before=rise.before,
        level_now=rise.now,
        onset=rise.onset,
        says=(
            f"by their own clocks, calls from {caller} to {callee} spend {rise.now * 1e3:.0f} ms between the "
            f"two, {rise.seconds * 1e3:.0f} ms more than in quiet time"
        ),
    )


def _own_time(service: str, rise: Rise, left: float, evidence: float) -> Anomaly:
    return Anomaly(
        entity=Entity.of_service(service),
        signal="own_latency",
        log_bayes_factor=evidence,
        amount=left,
        unit=_UNIT,
        level_before=rise.before,
        level_now=rise.now,
        onset=rise.onset,
        says=(
            f"{service} takes {rise.now * 1e3:.0f} ms, {rise.seconds * 1e3:.0f} ms more than in quiet time, "
            f"of which its own calls do not explain {left * 1e3:.0f} ms"
        ),
    )


def _gone(view: View, edge: Edge, evidence: float, how_many: int) -> Anomaly:
    caller, callee = edge
    more = f" (and {how_many - 1} more of its calls)" if how_many > 1 else ""
    dead = not _heard_late(view, callee)
    edge_of = Entity(kind=EntityKind.EDGE, name=f"{caller}->{callee}", service=callee)
    return Anomaly(
        entity=edge_of if dead else Entity.of_service(caller),
        signal="unanswered" if dead else "structure",
        log_bayes_factor=evidence,
        says=f"{caller} no longer tells of calls to {callee}{more}, though it does of others",
    )


def _heard_late(view: View, service: str) -> bool:
    """Whether a service still reports something of itself in the later half of the incident."""
    middle = view.telemetry.window.start + view.telemetry.window.seconds / 2
    code = view.metrics.service.code(service)
    later = (view.metrics.service.codes == code) & view.metrics_late & (view.metrics.time >= middle)
    return code == MISSING or bool(later.any())
