"""Demand: how much was asked of a service, for what grows in proportion to it is the asker's doing.

The utilization law of operational analysis: use = work that arrives x what one unit of work takes (Denning
and Buzen, "The operational analysis of queueing network models", 1978). Only the second factor is the
service's own. A unit of work is a request; of who serves a model it is an output token, for a model writes
its answer token by token, and whoever asks for a longer one waits longer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from causal.telemetry import Codes, Flags, Floats, Ints
from causal.view import View

_TOKENS = "gen_ai.usage.output_tokens"
_ASKS = frozenset({"chat", "generate_content", "text_completion"})
_DEPTH = 6
_FEW = 5
_SLOT = 5.0
_CREDIBLE = 2.0


def tokens(view: View, rows: Ints) -> Floats:
    """How many output tokens spans wait for: their own, or those of the chat span above them, else NaN."""
    told = view.acts.those(lambda act: act.what in _ASKS and act.number(_TOKENS) > 0.0)
    if not told:
        return np.full(len(rows), np.nan)
    known = np.full(len(view.spans) + 1, np.nan)
    known[told.rows] = [act.number(_TOKENS) for act in told.each]
    parent, asked = view.forest.parent, np.full(len(rows), np.nan)
    above = rows
    for _ in range(_DEPTH):
        asked = np.where(np.isnan(asked), known[above], asked)
        above = np.where(above >= 0, parent[above], -1)
    return asked


def grown(view: View) -> Mapping[str, float]:
    """How many times as much work a second arrives at services as in quiet time, by name; at least once.

    Chance is left out: what is told is the growth that is credible for so many requests.
    """
    if not view.compares or view.late.all():
        return {}
    rows, late = view.requests, view.late[view.requests]
    service, names = view.spans.service.codes[rows], view.spans.service.names
    known, asked = service >= 0, tokens(view, view.forest.parent[rows])
    n = [_summed(service, known & which, len(names)) for which in (~late, late)]
    size = [_mean(asked, service, known & which, len(names)) for which in (~late, late)]
    enough = np.minimum(*n) >= _FEW
    rate = n[1] / np.maximum(n[0], 1.0) * _seconds(view, ~late) / _seconds(view, late)
    doubt = _CREDIBLE * np.sqrt(sum(1.0 / np.maximum(each, 1.0) for each in n))
    longer = np.where((size[0] > 0) & (size[1] > 0), size[1] / np.maximum(size[0], 1e-12), 1.0)
    factor = np.where(enough, rate * longer * np.exp(-doubt), 1.0)
    return {names[code]: float(factor[code]) for code in np.flatnonzero(factor > 1.0)}


def _summed(service: Codes, which: Flags, size: int, values: Floats | None = None) -> Floats:
    weights = None if values is None else values[which]
    return np.bincount(service[which], weights, minlength=size).astype(np.float64)


def _mean(asked: Floats, service: Codes, which: Flags, size: int) -> Floats:
    """The mean of what is known of each service's requests; 0 where nothing is."""
    told: Flags = which & np.isfinite(asked)
    return _summed(service, told, size, asked) / np.maximum(_summed(service, told, size), 1.0)


def _seconds(view: View, which: Flags) -> float:
    """How long there were requests at all: snapshots may have holes."""
    begun = view.since_quiet(view.spans.start_ns[view.requests[which]])
    return _SLOT * max(len(np.unique(begun // _SLOT)), 1)
