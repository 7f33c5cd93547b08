"""Every signal there is, in the order in which they are looked at."""

from collections.abc import Callable

from causal.evidence import Anomaly
from causal.signals import agents, amounts, edge_gap, exclusive_time, logs, own_errors, resources, structure
from causal.view import View

Signal = Callable[[View], tuple[Anomaly, ...]]

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
