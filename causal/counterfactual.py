"""The minimal set: the fewest faults that, had they been prevented, would have prevented the symptom.

By intervention on the network that gave the posterior, not by ranking: suspects are tried alone first,
then joined one by one in order of probability, until the symptom becomes unlikely (Halpern and Pearl,
2005, ask for the same minimality of actual causes). An empty set says that no set of suspects suffices.
"""

from __future__ import annotations

from collections.abc import Sequence

from causal.network import Network, symptom_without

_UNLIKELY = 0.4
_LARGEST = 3


def minimal_set(network: Network, ranked: Sequence[str]) -> tuple[str, ...]:
    """Names of faults, the likeliest first; () where the symptom would be there without any of them."""
    for size in range(1, min(_LARGEST, len(ranked)) + 1):
        chosen = tuple(ranked[:size])
        if symptom_without(network, frozenset(chosen)) < _UNLIKELY:
            return chosen
    return ()
