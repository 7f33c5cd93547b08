"""Exclusive time: how long a service is busy or waits by itself, on behalf of one request.

Own time of a request as one service sees it = the exclusive times of its spans there, without what
it waits for others. So a caller that merely waits for a slow callee shows nothing here. Where most
of the excess lies in spans that are named for waiting (a pool, a queue, a lock), the signal is
called ``queueing``: a queue can have its cause elsewhere.
"""

from __future__ import annotations

import re

import numpy as np

from causal import bayes_factors, compare
from causal.evidence import Anomaly, Entity
from causal.past import Measure, Timed
from causal.telemetry import Flags, Floats, Ints
from causal.view import View

_WAITING = re.compile(r"\b(wait|queue|pool|acquire|lock|checkout connection|connection\.get)", re.IGNORECASE)
_LEAST = 1.0
_MOSTLY = 0.5


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose own time per request has risen."""
    if not view.compares:
        return ()
    rows, service = view.requests, view.spans.service.codes[view.requests]
    own, first, measured = _own_times(view)
    change, waited = (compare.slower(each.beside(view.telemetry.past)) for each in measured)
    found = []
    for code in np.unique(service[service >= 0]):
        operations = np.flatnonzero((service[first] == code) & (change.n_quiet > 0) & (change.n_now > 0))
        evidence = bayes_factors.average(change.evidence[operations])
        amount = float(change.amount[operations].sum())
        if evidence >= _LEAST and amount > view.offset * change.n_now[operations].sum():
            queueing = float(waited.amount[operations].sum()) > _MOSTLY * amount
            late = np.flatnonzero((service == code) & view.late[rows])
            found.append(_anomaly(view, (rows[late], own[late]), change, operations, queueing=queueing))
    return tuple(found)


def measures(view: View) -> tuple[Measure, ...]:
    """Own seconds of a request, and what of it was waiting, per entry operation of a service."""
    return _own_times(view)[2]


def _own_times(view: View) -> tuple[Floats, Ints, tuple[Timed, Timed]]:
    """Own time of each request, the first request of each entry operation, and both measures of them."""
    rows, mine = view.requests, ~view.outgoing
    own = _per_request(view, mine)[rows]
    waiting = _per_request(view, mine & _waiting(view))[rows]
    spans = view.spans
    first, groups = view.groups(rows, spans.service.codes[rows], spans.operation.codes[rows])
    contexts = view.named(rows[first], spans.service, spans.operation)
    return (
        own,
        first,
        (
            Timed("exclusive_time", contexts, compare.sums(own, groups, view.offset)),
            Timed("queueing", contexts, compare.sums(waiting, groups, view.offset)),
        ),
    )


def _per_request(view: View, which: Flags) -> Floats:
    """Seconds spent in the chosen spans, at the row through which their request entered the service."""
    busy = np.where(which, view.forest.busy, 0.0)
    return np.bincount(view.forest.segment, busy, minlength=len(busy)).astype(np.float64)


def _waiting(view: View) -> Flags:
    names = view.spans.operation.names
    codes = [code for code, name in enumerate(names) if _WAITING.search(name)]
    named: Flags = np.isin(view.spans.operation.codes, codes)
    return named


def _anomaly(
    view: View, late: tuple[Ints, Floats], change: compare.Change, operations: Ints, *, queueing: bool
) -> Anomaly:
    rows, own = late
    name = view.spans.service.names[view.spans.service.codes[rows[0]]]
    n = change.n_now[operations]
    before, now = (float(level[operations] @ n / n.sum()) for level in (change.before, change.now))
    verb = "queues" if queueing else "spends"
    return Anomaly(
        entity=Entity.of_service(name),
        signal="queueing" if queueing else "exclusive_time",
        log_bayes_factor=bayes_factors.average(change.evidence[operations]),
        amount=float(change.amount[operations].sum()),
        unit="seconds",
        level_before=before,
        level_now=now,
        onset=view.onset(rows, own, before, now),
        says=(
            f"{name} {verb} {now * 1e3:.0f} ms of its own per request, {(now - before) * 1e3:.0f} ms more "
            f"than in quiet time ({n.sum():.0f} requests)"
        ),
        exemplars=view.trace(rows[np.argsort(-own, kind="stable")[:3]]),
    )
