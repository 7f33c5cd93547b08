"""Whose workers are held by slow calls: a full pool is then an effect, not a cause.

Little's law: workers in use = arrivals x time held. A pool that usually is two thirds full is full when
each request holds its worker half as long again; from there on requests queue, are refused, and time out
at a service whose own work is as quick as ever. What holds a worker longer is read off the calls that its
requests wait for. Where those are as quick as ever, a full pool is the service's own.
"""

from __future__ import annotations

import numpy as np

from causal import compare
from causal.view import View

_HALF_AGAIN = 0.5
_LEAST = 3.0


def held(view: View) -> frozenset[str]:
    """Services whose requests wait for others so much longer that this alone can fill their pools."""
    if not view.compares:
        return frozenset()
    forest, service = view.forest, view.spans.service.codes
    calling = np.flatnonzero(view.outgoing)
    waited = np.bincount(forest.segment[calling], forest.seconds[calling], minlength=len(service)).astype(
        np.float64
    )
    rows = view.requests[waited[view.requests] > 0.0]
    if not len(rows):
        return frozenset()
    first, groups = view.groups(rows, service[rows], view.spans.operation.codes[rows])
    change = compare.times(waited[rows], groups, view.offset)
    usual = groups.mean(forest.seconds[rows], ~groups.late)
    longer = (change.evidence >= _LEAST) & (change.now - change.before >= _HALF_AGAIN * usual)
    some = longer & (change.n_quiet > 0) & (change.amount > 0.0)
    return frozenset(view.spans.service.names[code] for code in service[rows[first[some]]] if code >= 0)
