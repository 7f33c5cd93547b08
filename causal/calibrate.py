"""From raw to calibrated probability: the network's posterior knows nothing of what it left out.

Posteriors of noisy-OR networks are too sure, because witnesses are not independent. Until a map is fitted
on labelled incidents, a fixed one holds: the log odds are shrunk towards even, less so the more quiet
time there was to learn from. It is monotone, so it never changes an order, and whatever it takes away
goes to "none of these".
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

_SLOPE = 0.85
_LEAST_SLOPE = 0.6
_PLENTY = 60.0
_EDGE = 1e-9


def calibrated(raw: Sequence[float], quiet_seconds: float) -> tuple[list[float], float]:
    """The calibrated probabilities in order, and what is left for "none of these"; together they are one."""
    known = min(1.0, quiet_seconds / _PLENTY)
    slope = _LEAST_SLOPE + (_SLOPE - _LEAST_SLOPE) * known
    shrunk = [min(_shrink(p, slope), p) for p in raw]
    total = sum(shrunk)
    return shrunk, max(0.0, 1.0 - total)


def _shrink(probability: float, slope: float) -> float:
    p = min(max(probability, _EDGE), 1.0 - _EDGE)
    odds = slope * log(p / (1.0 - p))
    return 1.0 / (1.0 + exp(-odds))
