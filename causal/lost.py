"""Calls that nobody answered: the callee's doing, or the caller's?

What many see at once has one cause (Reichenbach, "The direction of time", 1956, s. 19: the common cause). A
callee that several callers lose together is gone, whatever else it still reports of itself; one that only a
single caller loses while others get their answers was called wrongly; a caller that loses several callees
together has lost its own way out. With one caller and one callee nothing tells the two apart, and the blame
is shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from causal.columns import grouped
from causal.forest import failed
from causal.view import View

_FEW = 3
_AS_MUCH = 0.5
_SURE = 0.95
_HARDLY = 0.1
_NOT_IT = 0.15
_RATHER = 0.85
_UNDECIDED = 0.6


@dataclass(frozen=True)
class Lost:
    """Of each pair (caller, callee) that called in the incident, the share of calls that nobody answered.

    Of the ``guessed`` pairs no call was recorded: they are presumed.
    """

    shares: Mapping[tuple[str, str], float]
    guessed: frozenset[tuple[str, str]]

    def callee(self, caller: str, callee: str) -> float:
        """The chance that a callee's fault loses the calls of this caller."""
        alike, others = self._alike((caller, callee), 1)
        if others and alike == 0:
            return _NOT_IT
        return _SURE * (1 + alike) / (1 + others) if others else _UNDECIDED

    def caller(self, caller: str, callee: str) -> float:
        """The chance that a caller's fault loses its calls to this callee."""
        alike, others = self._alike((caller, callee), 0)
        if alike:
            return _SURE * (1 + alike) / (1 + others)
        losing, asking = self._alike((caller, callee), 1)
        if losing:
            return _HARDLY
        return _RATHER if asking else _UNDECIDED

    def decided(self, caller: str, callee: str) -> bool:
        """Whether anybody else called the callee, or the caller anybody else who was lost as well."""
        return self._alike((caller, callee), 1)[1] > 0 or self._alike((caller, callee), 0)[0] > 0

    def _alike(self, pair: tuple[str, str], end: int) -> tuple[int, int]:
        """Other pairs with the same caller (0) or callee (1): how many lose as much, and their number."""
        others = [share for other, share in self.shares.items() if other[end] == pair[end] and other != pair]
        least = _AS_MUCH * self.shares.get(pair, 0.0)
        return sum(share >= max(least, 1e-9) for share in others), len(others)


def lost(view: View) -> Lost:
    """How much of their calls callers lost in the incident, beyond what they lost in quiet time."""
    service, names = view.spans.service.codes, view.spans.service.names
    rows = np.flatnonzero(view.asking & (service >= 0))
    first, pair = grouped(service[rows], view.peer[rows])
    gone, late = (failed(view.spans) & ~view.answered)[rows], view.late[rows]
    n, n_quiet = (np.bincount(pair[which], minlength=len(first)) for which in (late, ~late))
    k, k_quiet = (np.bincount(pair[which & gone], minlength=len(first)) for which in (late, ~late))
    more = np.clip(k / np.maximum(n, 1) - k_quiet / np.maximum(n_quiet, 1), 0.0, 1.0)
    pairs = [(names[service[row]], names[view.peer[row]]) for row in rows[first].tolist()]
    shares = {pairs[i]: float(more[i]) for i in np.flatnonzero(n >= _FEW).tolist()}
    return Lost(
        shares=dict.fromkeys(_answered(view), 0.0) | shares,
        guessed=frozenset(pairs[i] for i in np.flatnonzero(rows[first] >= view.recorded).tolist()),
    )


def _answered(view: View) -> Iterator[tuple[str, str]]:
    """Pairs of which only the callee's spans tell, in the incident."""
    service, names, above = view.spans.service.codes, view.spans.service.names, view.forest.parent
    rows = np.flatnonzero(view.forest.crosses & view.late & (service >= 0))
    rows = rows[~view.asking[above[rows]] & (service[above[rows]] >= 0)]
    first, pair = grouped(service[above[rows]], service[rows])
    for row in rows[first[np.bincount(pair, minlength=len(first)) >= _FEW]].tolist():
        yield names[service[above[row]]], names[service[row]]
