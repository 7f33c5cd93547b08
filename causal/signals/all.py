"""Every signal there is, in the order in which they are looked at."""

from collections.abc import Callable

from causal.evidence import Anomaly
from causal.past import Measure
from causal.signals import agents, amounts, edge_gap, exclusive_time, logs, own_errors, resources, structure
from causal.view import View

Signal = Callable[[View], tuple[Anomaly, ...]]
Measures = Callable[[View], tuple[Measure, ...]]

SIGNALS: tuple[Signal, ...] = (
    exclusive_time.find,
    edge_gap.find,
    own_errors.find,
    structure.find,
    resources.find,
    amounts.find,
    logs.find,
    agents.find,
)

MEASURES: tuple[Measures, ...] = (
    exclusive_time.measures,
    edge_gap.measures,
    own_errors.measures,
    structure.measures,
)
"""What of quiet time is remembered when its rows are gone."""
