"""Tools: those whose calls fail, or come back with nothing, more often than in quiet time.

A call that fails only because a service behind it does is that service's doing, and is not counted here.
"""

from __future__ import annotations

import numpy as np

from causal.actors import Telling, oftener, tool_of
from causal.evidence import Anomaly
from causal.forest import failed
from causal.turns import fruitless
from causal.view import View

_SAYS = Telling(
    "tool", "calls", "{now:.0%} of the calls of {name} fail or return nothing, in quiet time {before:.0%}"
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Tools that have become useless by themselves."""
    if not view.compares:
        return ()
    passed_on = _failing_below(view)
    called = view.acts.those(lambda act: act.tool is not None)
    held = [fruitless(act) and act.row not in passed_on for act in called.each]
    return oftener(view, called, tool_of, held, _SAYS)


def _failing_below(view: View) -> frozenset[int]:
    """The rows that have a child that failed."""
    parent = view.forest.parent
    broken = np.flatnonzero(failed(view.spans) & (parent >= 0))
    return frozenset(int(row) for row in parent[broken])
