"""Calls that left no trace: where only servers tell, a call that nobody answers is not recorded at all.

A request that nearly always holds a call and, failing or slow, lacks it has made that call in vain: what is
missing is a censored observation (Kaplan and Meier, 1958), not an absent one. Its place is taken by a span
of the caller's, failed, and as long as the request took beyond its usual own time; so the wait is nobody's
own work and the failure does not arise in the caller. Only the first call that is missing is presumed: the
later ones were never made. Nothing is presumed where a failed call explains the failure, nor where callers
record their calls themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from causal.columns import grouped
from causal.forest import NANOSECOND, Forest, failed
from causal.telemetry import MISSING, Codes, Column, Flags, Floats, Ints, SpanKind, Spans, Status

_ALWAYS = 0.9
_FEW = 20
_SLOWEST = 0.99
_TIMES = 2.0
_OPERATION = "a call without an answer"
_ASKING = (SpanKind.CLIENT, SpanKind.PRODUCER)


@dataclass(frozen=True, eq=False)
class _Usual:
    """Requests by entry operation, and the calls each holds in quiet time, in the order of their beginning.

    ``rows`` are the requests, ``context`` their operations; ``calls`` are pairs (context, callee) that nearly
    every sound request holds; ``own`` is the usual own time of a context and ``most`` what few exceed.
    """

    rows: Ints
    context: Ints
    calls: tuple[tuple[int, int], ...]
    own: Floats
    most: Floats


def presumed(forest: Forest, late: Flags) -> tuple[Spans, Flags]:
    """The spans with those of calls that must have been made in vain, and which are of the incident.

    Between the same two services the calls that were answered get the client span they must have had, too.
    """
    spans = forest.spans
    child = np.flatnonzero(forest.crosses & (spans.service.codes >= 0))
    silent = child[~np.isin(spans.kind[forest.parent[child]], _ASKING)]
    if not len(silent) or late.all() or not late.any():
        return spans, late
    usual = _usual(forest, late, silent)
    rows, callee, seconds = _missing(forest, usual, silent)
    if not len(rows):
        return spans, late
    pairs = _keys(spans, spans.service.codes[rows], callee)
    heard = silent[
        np.isin(_keys(spans, spans.service.codes[forest.parent[silent]], spans.service.codes[silent]), pairs)
    ]
    calls = spans.take(np.concatenate([rows, heard]))
    in_vain = np.arange(len(calls)) < len(rows)
    length = np.where(in_vain, 0, calls.duration_ns)
    length[in_vain] = (seconds / NANOSECOND).astype(np.int64)
    made = replace(
        calls,
        service=spans.service.take(np.concatenate([rows, forest.parent[heard]])),
        parent=np.where(in_vain, calls.span, calls.parent),
        start_ns=calls.start_ns + np.maximum(calls.duration_ns - length, 0),
        duration_ns=length,
        status=np.where(in_vain, np.int8(Status.ERROR), calls.status),
    )
    return _joined(spans, late, made, (rows, heard), np.concatenate([callee, spans.service.codes[heard]]))


def _keys(spans: Spans, caller: Codes, callee: Codes) -> Ints:
    """Pairs of services as single numbers."""
    return np.asarray(caller.astype(np.int64) * len(spans.service.names) + callee, dtype=np.int64)


def _usual(forest: Forest, late: Flags, child: Ints) -> _Usual:
    spans, names = forest.spans, len(forest.spans.service.names)
    rows = np.flatnonzero(forest.segment == np.arange(len(spans)))
    first, context = grouped(spans.service.codes[rows], spans.operation.codes[rows])
    of = np.full(len(spans), MISSING, dtype=np.int64)
    of[rows] = context
    calm = rows[~late[rows] & ~failed(spans)[rows]]
    n = np.bincount(of[calm], minlength=len(first))
    sound = np.zeros(len(spans), dtype=np.bool_)
    sound[calm] = True
    segment = forest.segment[forest.parent[child]]
    heard = sound[segment]
    kept, holder = child[heard], segment[heard]
    once, _ = grouped(holder, spans.service.codes[kept])
    kept, holder = kept[once], holder[once]
    pair = of[holder] * names + spans.service.codes[kept]
    pairs, place, k = np.unique(pair, return_inverse=True, return_counts=True)
    after = (spans.start_ns[kept] - spans.start_ns[holder]) * NANOSECOND
    begins = np.bincount(place, after) / k if len(pairs) else np.zeros(0)
    always = np.flatnonzero((k >= _ALWAYS * n[pairs // names]) & (n[pairs // names] >= _FEW))
    order = always[np.lexsort((begins[always], pairs[always] // names))]
    own, most = _own(forest, calm, of[calm], len(first))
    return _Usual(rows, context, tuple((int(p) // names, int(p) % names) for p in pairs[order]), own, most)


def _own_seconds(forest: Forest) -> Floats:
    """Own seconds of each request, at its first span; what its client spans wait for is not among them."""
    busy = np.where(np.isin(forest.spans.kind, _ASKING), 0.0, forest.busy)
    return np.bincount(forest.segment, busy, minlength=len(busy)).astype(np.float64)


def _own(forest: Forest, calm: Ints, context: Ints, size: int) -> tuple[Floats, Floats]:
    """The usual own time of each context, and what one in a hundred of its quiet requests exceeds."""
    own = _own_seconds(forest)[calm]
    order = np.lexsort((own, context))
    bounds = np.searchsorted(context[order], np.arange(size + 1))
    n = np.diff(bounds)
    at = [np.minimum(bounds[:-1] + (share * n).astype(np.int64), len(own) - 1) for share in (0.5, _SLOWEST)]
    middle, most = (own[order][place] if len(own) else np.zeros(size) for place in at)
    return middle, np.maximum(most, _TIMES * middle)


def _missing(forest: Forest, usual: _Usual, child: Ints) -> tuple[Ints, Codes, Floats]:
    """Requests that fail or are slow by themselves and lack a usual call, the callee, and the time lost."""
    spans, rows, context = forest.spans, usual.rows, usual.context
    own = _own_seconds(forest)[rows]
    sick = (failed(spans)[rows] | (own > usual.most[context])) & ~_passed_on(forest)[rows]
    wide = len(spans.service.names)
    holds = forest.segment[forest.parent[child]] * wide + spans.service.codes[child]
    lacking = np.full(len(rows), MISSING, dtype=np.int32)
    for kind, callee in reversed(usual.calls):
        mine = np.flatnonzero(sick & (context == kind))
        lacking[mine[~np.isin(rows[mine] * wide + callee, holds)]] = callee
    some = lacking != MISSING
    return rows[some], lacking[some], np.maximum(own - usual.own[context], 0.0)[some]


def _passed_on(forest: Forest) -> Flags:
    """Of each request, at its first span, whether a call in it is known to have failed."""
    wrong = failed(forest.spans)
    below = np.flatnonzero(wrong & forest.crosses)
    calling = np.flatnonzero(wrong & np.isin(forest.spans.kind, _ASKING))
    passed = np.zeros(len(wrong), dtype=np.bool_)
    passed[forest.segment[forest.parent[below]]] = True
    passed[forest.segment[calling]] = True
    return passed


def _joined(
    spans: Spans, late: Flags, calls: Spans, rows: tuple[Ints, Ints], callee: Codes
) -> tuple[Spans, Flags]:
    """The spans and behind them those calls; whoever answered one hangs below it."""
    in_vain, heard = rows
    latest = int(max(spans.span.max(), spans.parent.max())) + 1
    named = np.arange(latest, latest + len(calls), dtype=np.int64)
    parent = spans.parent.copy()
    parent[heard] = named[len(in_vain) :]
    base = len(spans.operation.names)
    operations = (*spans.operation.names, *(f"call to {name}" for name in spans.service.names))
    nothing = np.full(len(calls), MISSING, dtype=np.int32)
    made = replace(
        calls,
        span=named,
        operation=Column((base + callee).astype(np.int32), operations),
        instance=Column(nothing, spans.instance.names),
        kind=np.full(len(calls), SpanKind.CLIENT, dtype=np.int8),
        status_code=Column(nothing, spans.status_code.names),
        attributes=Column(nothing, spans.attributes.names),
    )
    return replace(spans, parent=parent).joined(made), np.concatenate([late, late[in_vain], late[heard]])
