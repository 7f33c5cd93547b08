"""Errors where they begin: a failed span none of whose children failed; the rest only pass them on.

Three ways to fail at the source are told apart. ``own_errors``: a service's own work failed.
``unanswered``: a call failed and the callee shows no span of it (nobody there, or the wrong
address). ``gave_up``: a call failed although the callee's own span did not (a deadline, a refused
answer, a wrong callee). ``misdirected``: failed calls to somebody who was never called before.
"""

from __future__ import annotations

import numpy as np

from causal import bayes_factors, compare
from causal.edges import strangers
from causal.evidence import Anomaly, Entity, EntityKind
from causal.forest import NANOSECOND, failed
from causal.telemetry import MISSING, Flags, Ints, SpanKind
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
    wrong = failed(view.spans)
    inner = np.flatnonzero(wrong & (view.forest.parent >= 0))
    source = wrong.copy()
    source[view.forest.parent[inner]] = False
    calling = (view.spans.kind == SpanKind.CLIENT) & (view.peer != MISSING)
    return (
        *_own(view, source & ~calling),
        *_calls(view, "unanswered", source & ~view.answered, calling),
        *_calls(view, "gave_up", source & view.answered, calling),
        *_strays(view, wrong, calling),
    )


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


def _own(view: View, source: Flags) -> list[Anomaly]:
    """Per service and entry operation: requests in which its own work failed."""
    rows = view.requests
    held = (np.bincount(view.forest.segment[source], minlength=len(source)) > 0)[rows]
    service = view.spans.service.codes[rows]
    first, groups = view.groups(rows, service, view.spans.operation.codes[rows])
    change = compare.shares(held, groups)
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


def _calls(view: View, signal: str, source: Flags, calling: Flags) -> list[Anomaly]:
    """Per caller and callee: the calls that fail on the way."""
    rows = np.flatnonzero(calling)
    if not len(rows):
        return []
    first, groups = view.groups(rows, view.spans.service.codes[rows], view.peer[rows])
    change = compare.shares(source[rows], groups)
    risen = (change.now > change.before) & (change.amount > _LEAST_SHARE * change.n_now)
    names, found = view.spans.service.names, []
    for edge in np.flatnonzero((change.evidence >= _LEAST) & risen):
        row = rows[first[edge]]
        a, b = names[view.spans.service.codes[row]], names[view.peer[row]]
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
