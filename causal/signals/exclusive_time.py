"""Exclusive time: how long a service is busy or waits by itself, on behalf of one request.

Own time of a request as one service sees it = the exclusive times of its spans there, without what
it waits for others. So a caller that merely waits for a slow callee shows nothing here. Where most
of the excess lies in spans that are named for waiting (a pool, a queue, a lock), the signal is
called ``queueing``: a queue can have its cause elsewhere.

Who serves a model is judged by the time of an output token as well: seconds that more tokens explain are
those of whoever asked for them (`demand`). It is slower only if it takes longer, and longer for a token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from causal import bayes_factors, compare, demand
from causal.evidence import Anomaly, Entity
from causal.past import Measure, Timed
from causal.telemetry import Flags, Floats, Ints
from causal.view import View

_WAITING = re.compile(r"\b(wait|queue|pool|acquire|lock|checkout connection|connection\.get)", re.IGNORECASE)
_LEAST = 1.0
_MOSTLY = 0.5
_UNIT = 100.0


@dataclass(frozen=True, eq=False)
class _Own:
    """Requests grouped by their entry operations: own seconds, of these waiting, and tokens (or NaN)."""

    rows: Ints
    seconds: Floats
    waiting: Floats
    tokens: Floats
    first: Ints
    groups: compare.Groups


def find(view: View) -> tuple[Anomaly, ...]:
    """The services whose own time per request has risen."""
    if not view.compares:
        return ()
    own = _own(view)
    rows, first = own.rows, own.first
    service = view.spans.service.codes[rows]
    change, waited, *rates = (
        compare.slower(each.beside(view.telemetry.past)) for each in _measures(view, own)
    )
    for rate in rates:
        change = _beyond_tokens(own, change, rate)
    found = []
    for code in np.unique(service[service >= 0]):
        operations = np.flatnonzero((service[first] == code) & (change.n_quiet > 0) & (change.n_now > 0))
        evidence = bayes_factors.average(change.evidence[operations])
        amount = float(change.amount[operations].sum())
        if evidence >= _LEAST and amount > view.offset * change.n_now[operations].sum():
            queueing = float(waited.amount[operations].sum()) > _MOSTLY * amount
            late = np.flatnonzero((service == code) & view.late[rows])
            at = rows[late], own.seconds[late]
            found.append(_anomaly(view, at, change, operations, queueing=queueing))
    return tuple(found)


def measures(view: View) -> tuple[Measure, ...]:
    """Own seconds of a request, what of it was waiting, and of a hundred tokens, per entry operation."""
    return _measures(view, _own(view))


def _measures(view: View, own: _Own) -> tuple[Timed, ...]:
    spans, told = view.spans, np.isfinite(own.tokens)
    contexts = view.named(own.rows[own.first], spans.service, spans.operation)
    times = {"exclusive_time": own.seconds, "queueing": own.waiting}
    found = [
        Timed(name, contexts, compare.sums(each, own.groups, view.offset)) for name, each in times.items()
    ]
    if told.any():
        rate = own.seconds[told] / own.tokens[told] * _UNIT
        found.append(Timed("token_time", contexts, compare.sums(rate, own.groups.take(told), view.offset)))
    return tuple(found)


def _own(view: View) -> _Own:
    rows, mine, spans = view.requests, ~view.outgoing, view.spans
    first, groups = view.groups(rows, spans.service.codes[rows], spans.operation.codes[rows])
    return _Own(
        rows,
        _per_request(view, mine)[rows],
        _per_request(view, mine & _waiting(view))[rows],
        demand.tokens(view, view.forest.parent[rows]),
        first,
        groups,
    )


def _beyond_tokens(own: _Own, change: compare.Change, rate: compare.Change) -> compare.Change:
    """What is left of a rise when what so many tokens usually take is set aside, where they are known."""
    told: Flags = own.groups.late & np.isfinite(own.tokens)
    asked = own.groups.mean(np.nan_to_num(own.tokens), told) / _UNIT
    counted = (rate.n_now > 0) & (rate.n_quiet > 0)
    excess = rate.amount * asked * change.n_now / np.maximum(rate.n_now, 1.0)
    usual = np.clip(rate.before * asked, change.before, np.maximum(change.now, change.before))
    return replace(
        change,
        evidence=np.where(counted, np.minimum(change.evidence, rate.evidence), change.evidence),
        amount=np.where(counted, np.minimum(change.amount, excess), change.amount),
        before=np.where(counted, usual, change.before),
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
