"""Calls that went wrong between two services: whose doing was it?

Five things that the spans of both ends tell apart. *Astray*: nobody answers, at an address that was never
seen in quiet time: the caller was told a wrong one. *Steady*: nobody answers at the usual address. *Hasty*:
the caller gave up sooner than one in ten of its good calls took in quiet time, while the callee was still
at work; so short a deadline cannot have been there before, whatever the callee did. *Strange*: failed calls
to somebody whom the caller never called in quiet time. *Flooded*: the caller asks for half as much work
again for each request that it serves, by repeating what failed or otherwise; the callee has to bear it. A
call to a model is as much work as its answer has tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from causal import demand
from causal.attributes import values
from causal.columns import by_key, grouped
from causal.forest import failed
from causal.telemetry import MISSING, Flags, Floats, Ints
from causal.view import View

_SAMPLE = 40
_ADDRESSES = ("peer.service", "server.address", "net.peer.name")
_FEW = 3
_MOST = 0.5
_SLOWEST = 0.9
_HALF_AGAIN = 1.5
Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Edges:
    """Pairs (caller, callee), by what went wrong between them."""

    astray: Pairs
    steady: Pairs
    hasty: Pairs
    strange: Pairs
    flooded: Pairs


def edges(view: View) -> Edges:
    """Sort the failed calls of the incident."""
    asks = view.asking
    wrong = failed(view.spans)
    moved = dict(_addressed(view, asks, wrong))
    return Edges(
        astray=frozenset(pair for pair, strange in moved.items() if strange),
        steady=frozenset(pair for pair, strange in moved.items() if not strange),
        hasty=frozenset(_hasty(view, asks, wrong)),
        strange=strangers(view),
        flooded=frozenset(_flooded(view, asks & (view.spans.service.codes >= 0))),
    )


def strangers(view: View) -> Pairs:
    """Pairs of which most calls fail and none was made in quiet time, by callers who made calls then."""
    asks = view.asking
    service = view.spans.service.codes
    new = asks & view.late & view.answered & np.isin(service, np.unique(service[asks & ~view.late]))
    wrong, late = failed(view.spans), view.late
    return frozenset(
        pair
        for pair, rows in _pairs(view, new)
        if late[rows].all() and len(rows) >= _FEW and wrong[rows].mean() >= _MOST
    )


def _addressed(view: View, asks: Flags, wrong: Flags) -> Iterator[tuple[tuple[str, str], bool]]:
    """Pairs with unanswered calls, and whether these went to an address not seen in quiet time."""
    stray = asks & ~view.answered & view.late & wrong
    quiet = asks & ~view.late
    for pair, rows in _pairs(view, stray):
        now = values(view.spans, rows[stray[rows]][:_SAMPLE], _ADDRESSES)
        calm = values(view.spans, rows[quiet[rows]][:_SAMPLE], _ADDRESSES)
        usual = set(calm) - {None}
        told = [name for name in now if name is not None]
        if usual and told:
            yield pair, sum(name not in usual for name in told) > len(now) * _MOST


def _hasty(view: View, asks: Flags, wrong: Flags) -> Iterator[tuple[str, str]]:
    forest, seconds = view.forest, view.forest.seconds
    child = np.flatnonzero(forest.crosses)
    outlived = np.zeros(len(seconds), dtype=np.bool_)
    outlived[forest.parent[child]] = seconds[child] > seconds[forest.parent[child]]
    cut, well = asks & view.late & wrong & outlived, asks & ~view.late & ~wrong
    for pair, rows in _pairs(view, cut):
        good, given_up = seconds[rows[well[rows]]], seconds[rows[cut[rows]]]
        known = min(len(good), len(given_up)) >= _FEW
        if known and np.median(given_up) < np.quantile(good, _SLOWEST):
            yield pair


def _flooded(view: View, asks: Flags) -> Iterator[tuple[str, str]]:
    service, names, rows = view.spans.service.codes, view.spans.service.names, np.flatnonzero(asks)
    first, pair = grouped(service[rows], view.peer[rows])
    work = _work(demand.tokens(view, rows), pair)
    sides = [view.late[rows] == late for late in (False, True)]
    calls = [np.bincount(pair[side], minlength=len(first)) for side in sides]
    asked = [np.bincount(pair[side], work[side], minlength=len(first)) for side in sides]
    entries = view.requests[service[view.requests] >= 0]
    served = [
        np.bincount(service[entries[view.late[entries] == late]], minlength=len(names))[service[rows[first]]]
        for late in (False, True)
    ]
    enough = np.minimum.reduce([*calls, *served]) >= _FEW
    more = asked[1] * served[0] >= _HALF_AGAIN * asked[0] * served[1]
    for row in rows[first[enough & more]]:
        yield names[service[row]], names[view.peer[row]]


def _work(tokens: Floats, pair: Ints) -> Floats:
    """How much work each call asks for: one, or its tokens against those of a usual call of its pair."""
    told = np.isfinite(tokens)
    size = int(pair.max(initial=0)) + 1
    usual = np.bincount(pair[told], tokens[told], minlength=size) / np.maximum(
        np.bincount(pair[told], minlength=size), 1
    )
    return np.where(told, tokens / np.maximum(usual[pair], 1.0), 1.0)


def _pairs(view: View, chosen: Flags) -> Iterator[tuple[tuple[str, str], Ints]]:
    """The pairs that chosen spans call between, each with the rows of all spans between the same two."""
    service, names = view.spans.service.codes, view.spans.service.names
    calling = np.flatnonzero((view.peer != MISSING) & (service != MISSING))
    first, pair = grouped(service[calling], view.peer[calling])
    order = by_key(pair)
    bounds = np.searchsorted(pair[order], np.arange(len(first) + 1))
    for place in np.unique(pair[chosen[calling]]):
        rows = calling[order[bounds[place] : bounds[place + 1]]]
        yield (names[service[rows[0]]], names[view.peer[rows[0]]]), rows
