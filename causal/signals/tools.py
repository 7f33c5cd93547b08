"""Tools: those whose calls fail, or come back with nothing, more often than in quiet time.

A call that fails only because a service behind it does is that service's doing, and is not counted here.
"""

from __future__ import annotations

import numpy as np

from causal.actors import Sample, Telling, marks, risen, tool_of
from causal.evidence import Anomaly
from causal.forest import failed
from causal.past import Measure
from causal.turns import fruitless
from causal.view import View

_SAYS = Telling(
    "tool",
    "calls",
    "{now:.0%} of the calls of {name} fail or return nothing, in quiet time {before:.0%}",
    "tool",
)


def find(view: View) -> tuple[Anomaly, ...]:
    """Tools that have become useless by themselves."""
    return risen(view, _samples(view)) if view.compares else ()


def measures(view: View) -> tuple[Measure, ...]:
    """Useless calls, per tool."""
    return tuple(sample.measure for sample in _samples(view))


def _samples(view: View) -> tuple[Sample, ...]:
    called = view.acts.those(lambda act: act.tool is not None)
    passed_on = _failing_below(view) if called else frozenset()
    held = [fruitless(act) and act.row not in passed_on for act in called.each]
    return marks(view, called, tool_of, held, _SAYS)


def _failing_below(view: View) -> frozenset[int]:
    """The rows that have a child that failed."""
    parent = view.forest.parent
    broken = np.flatnonzero(failed(view.spans) & (parent >= 0))
    return frozenset(int(row) for row in parent[broken])
