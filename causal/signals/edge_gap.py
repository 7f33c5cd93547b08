"""The gap between a client span and its server span: network, connecting, a callee's queue, a starved caller.

Neither side can tell whose it is from one edge alone; the network settles that: a callee whose other callers
see the same gap, a caller whose other callees show it too.
"""

from __future__ import annotations

import numpy as np

from causal import compare
from causal.compare import Groups
from causal.evidence import Anomaly, Entity, EntityKind
from causal.past import Measure, Timed
from causal.telemetry import MISSING, Ints, SpanKind
from causal.view import View

_LEAST = 1.0


def find(view: View) -> tuple[Anomaly, ...]:
    """The calls whose gap has risen; the entity is the edge, and its service the callee."""
    if not view.compares:
        return ()
    rows, groups, gaps = _gaps(view)
    change = compare.slower(gaps.beside(view.telemetry.past))
    material = (change.evidence >= _LEAST) & (change.amount > view.offset * change.n_now)
    return tuple(
        _anomaly(view, rows[(groups.group == edge) & groups.late], change, int(edge))
        for edge in np.flatnonzero(material)
    )


def measures(view: View) -> tuple[Measure, ...]:
    """Seconds between caller and callee, per pair of services."""
    return (_gaps(view)[2],)


def _gaps(view: View) -> tuple[Ints, Groups, Timed]:
    calling = view.answered & (view.spans.kind != SpanKind.SERVER) & (view.peer != MISSING)
    rows = np.flatnonzero(calling)
    first, groups = view.groups(rows, view.spans.service.codes[rows], view.peer[rows])
    pairs = view.named(rows[first], view.spans.service, view.callee)
    return rows, groups, Timed("edge_gap", pairs, compare.sums(view.forest.busy[rows], groups, view.offset))


def _anomaly(view: View, late: Ints, change: compare.Change, edge: int) -> Anomaly:
    names, gap = view.spans.service.names, view.forest.busy[late]
    caller, callee = names[view.spans.service.codes[late[0]]], names[view.peer[late[0]]]
    before, now = float(change.before[edge]), float(change.now[edge])
    return Anomaly(
        entity=Entity(kind=EntityKind.EDGE, name=f"{caller}->{callee}", service=callee),
        signal="edge_gap",
        log_bayes_factor=float(change.evidence[edge]),
        amount=float(change.amount[edge]),
        unit="seconds",
        level_before=before,
        level_now=now,
        onset=view.onset(late, gap, before, now),
        says=(
            f"calls from {caller} to {callee} spend {now * 1e3:.0f} ms between the two, "
            f"{(now - before) * 1e3:.0f} ms more than in quiet time ({change.n_now[edge]:.0f} calls)"
        ),
        exemplars=view.trace(late[np.argsort(-gap, kind="stable")[:3]]),
    )
