"""Errors where they begin: a failed span none of whose children failed; the rest only pass them on.

Three ways to fail at the source are told apart. ``own_errors``: a service's own work failed.
``unanswered``: a call failed and the callee shows no span of it (nobody there, or the wrong
address). ``gave_up``: a call failed although the callee's own span did not (a deadline, a refused
answer, a wrong callee). ``misdirected``: failed calls to somebody who was never called before.

Failures come in bursts, on one service today and on another tomorrow. How bursty they are is a property of
the system: it is learned from all services together, so that the first burst of a service that never
failed before is no greater news than all the others were.
"""

from __future__ import annotations

import numpy as np

from causal import bayes_factors, compare
from causal.compare import Groups
from causal.edges import strangers
from causal.evidence import Anomaly, Entity, EntityKind
from causal.forest import NANOSECOND, failed
from causal.past import Measure, Shared
from causal.telemetry import Flags, Ints
from causal.view import View

_LEAST = 1.0
_LEAST_SHARE = 0.005
_WORDS = {
    "unanswered": "fail without reaching it",
    "gave_up": "are given up or refused, though it did not fail",
}


def find(view: View) -> tuple[Anomaly, ...]:
    """Services whose own work fails more often, and calls that fail between the two ends."""
    if not view.compares:
        return ()
    source, calling = _sources(view)
    return (
        *_own(view, source & ~calling),
        *(
            anomaly
            for signal, which in _ways(view, source)
            for anomaly in _calls(view, signal, which, calling)
        ),
        *_strays(view, failed(view.spans), calling),
    )


def measures(view: View) -> tuple[Measure, ...]:
    """The shares of requests whose own work failed, and of calls that failed on the way."""
    source, calling = _sources(view)
    ways = _ways(view, source)
    return (_own_shares(view, source & ~calling)[2], *(_call_shares(view, s, w, calling)[2] for s, w in ways))


def _sources(view: View) -> tuple[Flags, Flags]:
    """Failed spans none of whose children failed, and the spans that call another service."""
    source = failed(view.spans)
    inner = np.flatnonzero(source & (view.forest.parent >= 0))
    source[view.forest.parent[inner]] = False
    return source, view.asking


def _ways(view: View, source: Flags) -> tuple[tuple[str, Flags], tuple[str, Flags]]:
    """How a call can fail though its callee did not: nobody answers, or it is given up; and where it did."""
    return ("unanswered", source & ~view.answered), ("gave_up", source & view.answered)


def _strays(view: View, wrong: Flags, calling: Flags) -> list[Anomaly]:
    """Per caller and callee that it never called before: how many of its calls go there and fail."""
    names, found = view.spans.service.names, []
    for a, b in sorted(strangers(view)):
        rows = np.flatnonzero(calling & (view.spans.service.codes == names.index(a)))
        astray = wrong[rows] & (view.peer[rows] == names.index(b)) & view.late[rows]
        _, groups = view.groups(rows, view.spans.service.codes[rows])
        change = compare.shares(astray, groups)
        seen = (float(change.evidence[0]), float(change.amount[0]), 0.0, float(change.now[0]))
        says = (
            f"{astray.sum()} of {change.n_now[0]:.0f} calls of {a} go to {b}, which it never called, and fail"
        )
        entity = Entity(kind=EntityKind.EDGE, name=f"{a}->{b}", service=b)
        if seen[0] >= _LEAST:
            found.append(_anomaly(view, entity, "misdirected", seen, late=rows[astray], says=says))
    return found


def _own_shares(view: View, source: Flags) -> tuple[Flags, Ints, Shared]:
    """Of each request whether own work failed in it, the first of each entry operation, and the shares."""
    rows, spans = view.requests, view.spans
    held = (np.bincount(view.forest.segment[source], minlength=len(source)) > 0)[rows]
    first, groups = view.groups(rows, spans.service.codes[rows], spans.operation.codes[rows])
    contexts = view.named(rows[first], spans.service, spans.operation)
    table = compare.counts(held, groups)
    return held, first, Shared("own_errors", contexts, ("failed",) * len(first), table)


def _own(view: View, source: Flags) -> list[Anomaly]:
    """Per service and entry operation: requests in which its own work failed."""
    rows = view.requests
    held, first, measured = _own_shares(view, source)
    service = view.spans.service.codes[rows]
    change = compare.commoner(measured.beside(view.telemetry.past), alike=True)
    risen = (change.now > change.before) & (change.n_quiet > 0)
    found = []
    for code in np.unique(service[service >= 0]):
        operations = np.flatnonzero((service[first] == code) & (change.n_now > 0))
        evidence = bayes_factors.average(np.where(risen, change.evidence, 0.0)[operations])
        amount, n = float(change.amount[operations[risen[operations]]].sum()), change.n_now[operations]
        if evidence < _LEAST or amount <= _LEAST_SHARE * n.sum():
            continue
        before, now = (float(level[operations] @ n / n.sum()) for level in (change.before, change.now))
        name = view.spans.service.names[code]
        says = (
            f"{name} fails by itself in {now * n.sum():.0f} of {n.sum():.0f} requests, "
            f"in quiet time {before:.1%}"
        )
        late = rows[held & view.late[rows] & (service == code)]
        seen = (evidence, amount, before, now)
        found.append(_anomaly(view, Entity.of_service(name), "own_errors", seen, late=late, says=says))
    return found


def _call_shares(view: View, signal: str, source: Flags, calling: Flags) -> tuple[Ints, Groups, Shared]:
    """The rows that call, by caller and callee, and the shares of them that failed in this way."""
    rows = np.flatnonzero(calling)
    first, groups = view.groups(rows, view.spans.service.codes[rows], view.peer[rows])
    pairs = view.named(rows[first], view.spans.service, view.callee)
    held = compare.counts(source[rows], groups)
    return rows, groups, Shared(signal, pairs, ("failed",) * len(first), held)


def _calls(view: View, signal: str, source: Flags, calling: Flags) -> list[Anomaly]:
    """Per caller and callee: the calls that fail on the way."""
    rows, groups, measured = _call_shares(view, signal, source, calling)
    change = compare.commoner(measured.beside(view.telemetry.past), alike=True)
    risen = (change.now > change.before) & (change.amount > _LEAST_SHARE * change.n_now)
    found = []
    for edge in np.flatnonzero((change.evidence >= _LEAST) & risen).tolist():
        a, _, b = measured.contexts[edge].partition("\x1f")
        now, n, before = float(change.now[edge]), float(change.n_now[edge]), float(change.before[edge])
        seen = (float(change.evidence[edge]), float(change.amount[edge]), before, now)
        says = f"{now * n:.0f} of {n:.0f} calls from {a} to {b} {_WORDS[signal]}, in quiet time {before:.1%}"
        entity = Entity(kind=EntityKind.EDGE, name=f"{a}->{b}", service=b)
        late = rows[(groups.group == edge) & groups.late & source[rows]]
        found.append(_anomaly(view, entity, signal, seen, late=late, says=says))
    return found


def _anomaly(
    view: View,
    entity: Entity,
    signal: str,
    seen: tuple[float, float, float, float],
    *,
    late: Ints,
    says: str,
) -> Anomaly:
    evidence, amount, before, now = seen
    starts = view.spans.start_ns[view.forest.root[late]]
    return Anomaly(
        entity=entity,
        signal=signal,
        log_bayes_factor=evidence,
        amount=amount,
        unit="requests",
        level_before=before,
        level_now=now,
        onset=float(starts.min() * NANOSECOND) if len(late) else None,
        says=says,
        exemplars=view.trace(late[:3]),
    )
