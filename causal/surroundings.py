"""Who is around the symptom: who calls whom, who still speaks, whose workers are held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from causal.dataflow import fed
from causal.edge_series import revealed
from causal.edges import Edges, edges
from causal.forest import entries
from causal.held import held
from causal.lost import Lost, lost
from causal.view import View

_ALIVE = 0.25
_LIVE_CALLS = 3


@dataclass(frozen=True)
class Surroundings:
    """Who calls whom, directly and not; ``heard`` are the calls that took place in the incident.

    ``alive`` are the services that still speak late in the incident, ``muted`` those whose own metrics
    have stopped, ``held`` those whose workers are held by slow calls. ``fed`` tells how strongly what one's
    agents say gets into what another's do.
    """

    calls: nx.DiGraph[str]
    heard: frozenset[tuple[str, str]]
    alive: frozenset[str]
    muted: frozenset[str]
    held: frozenset[str]
    edges: Edges
    lost: Lost
    fed: Mapping[tuple[str, str], float]

    _below: dict[str, frozenset[str]] = field(default_factory=dict)

    def below(self, service: str) -> frozenset[str]:
        """Everything that a service calls, directly or not."""
        if service not in self._below:
            known = service in self.calls
            self._below[service] = frozenset(nx.descendants(self.calls, service)) if known else frozenset()
        return self._below[service]

    def path(self, cause: str, symptom: str | None) -> tuple[str, ...]:
        """The shortest way from a cause up to the symptom; only the cause where there is none."""
        if symptom is None or symptom not in self.calls or cause not in self.calls:
            return (cause,)
        if not nx.has_path(self.calls, symptom, cause):
            return (cause,)
        return tuple(reversed(nx.shortest_path(self.calls, symptom, cause)))


def surroundings(view: View) -> Surroundings:
    """What the calls of the incident and of quiet time tell about who depends on whom."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(view.services)
    graph.add_edges_from(sorted(view.calls))
    names = view.spans.service.names
    rows = np.flatnonzero(view.late & (view.peer >= 0))
    size = max(len(names), 1)
    pairs, n = np.unique(
        view.spans.service.codes[rows].astype(np.int64) * size + view.peer[rows], return_counts=True
    )
    heard = frozenset(
        (names[p // size], names[p % size]) for p, k in zip(pairs, n, strict=True) if k >= _LIVE_CALLS
    )
    heard |= revealed(view.edge_series)
    alive = _alive(view)
    quiet = view.telemetry.quiet.metrics.service
    muted = frozenset(quiet.names[code] for code in quiet.used()) - alive
    late = [act for act in view.acts.each if view.late[act.row]]
    passed = fed(late, {act.row: int(view.spans.start_ns[act.row]) for act in late})
    return Surroundings(graph, heard, alive, muted, held(view), edges(view), lost(view), passed)


def _alive(view: View) -> frozenset[str]:
    """Services that still speak for themselves late in the incident: by spans, metrics or logs."""
    window = view.telemetry.window
    middle = window.start + window.seconds / 2
    metrics, logs = view.telemetry.incident.metrics, view.telemetry.incident.logs
    told: set[str] = set()
    entry = entries(view.spans, view.forest.parent)
    names = view.spans.service.names
    rows = entry & (view.spans.service.codes >= 0)
    later = rows & view.late & (view.spans.start_ns * 1e-9 >= middle)
    quiet, now = (
        np.bincount(view.spans.service.codes[which], minlength=len(names))
        for which in (rows & ~view.late, later)
    )
    rate = quiet / max(view.telemetry.baseline.seconds, 1.0)
    enough = now >= np.maximum(1.0, _ALIVE * rate * window.seconds / 2)
    told |= {names[code] for code in np.flatnonzero(enough)}
    for column, moments in ((metrics.service, metrics.time), (logs.service, logs.time_ns * 1e-9)):
        told |= {column.names[code] for code in column.take(moments >= middle).used()}
    return frozenset(told)
