"""Every signal there is, in the order in which they are looked at."""

from collections.abc import Callable

from causal.evidence import Anomaly
from causal.past import Measure
from causal.signals import (
    amounts,
    edge_gap,
    edge_metrics,
    evaluations,
    exclusive_time,
    finishes,
    logs,
    loops,
    memories,
    own_errors,
    resources,
    schemas,
    silence,
    structure,
    tokens,
    tools,
    turns,
    versions,
)
from causal.view import View

Signal = Callable[[View], tuple[Anomaly, ...]]
Measures = Callable[[View], tuple[Measure, ...]]

SIGNALS: tuple[Signal, ...] = (
    exclusive_time.find,
    edge_gap.find,
    own_errors.find,
    structure.find,
    resources.find,
    edge_metrics.find,
    silence.find,
    amounts.find,
    logs.find,
    tokens.find,
    evaluations.find,
    schemas.find,
    finishes.find,
    tools.find,
    loops.find,
    versions.find,
    memories.find,
    turns.find,
)

MEASURES: tuple[Measures, ...] = (
    exclusive_time.measures,
    edge_gap.measures,
    own_errors.measures,
    structure.measures,
    logs.measures,
    resources.measures,
    tokens.measures,
    evaluations.measures,
    tools.measures,
    loops.measures,
)
"""What of quiet time is remembered when its rows are gone."""
