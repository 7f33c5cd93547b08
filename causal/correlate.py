"""From anomalies to alerts: what belongs together becomes one, named by where users feel it.

Trouble travels against the direction of calls, so two anomalous services belong together when one reaches
the other in the call graph; the symptom is the group's service that no other anomalous one calls,
directly or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import networkx as nx

from causal.evidence import Alert, Anomaly, Signal, Symptom

_APART = 300.0
_SIGNALS: dict[str, Signal] = {"errors": "errors", "latency": "latency", "availability": "availability"}
_RANK = {"errors": 2.0, "availability": 1.5, "latency": 1.0}


def correlate(
    anomalies: Sequence[Anomaly], calls: Iterable[tuple[str, str]], *, now: float, system: str = ""
) -> tuple[Alert, ...]:
    """One alert for each group of related anomalies, the strongest first."""
    graph = nx.DiGraph(sorted(calls))
    graph.add_nodes_from(sorted({a.entity.service for a in anomalies}))
    groups = [_alert(group, graph, now, system) for group in _groups(anomalies, graph)]
    return tuple(alert for _, alert in sorted(groups, key=lambda pair: (-pair[0], pair[1].fingerprint)))


def neighbourhood(services: Iterable[str], calls: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The services themselves, whatever they call and whatever calls them, directly or not."""
    graph = nx.DiGraph(sorted(calls))
    chosen = frozenset(services)
    known = [service for service in chosen if service in graph]
    return chosen.union(*(nx.ancestors(graph, s) | nx.descendants(graph, s) for s in known))


def downstream(service: str, calls: Iterable[tuple[str, str]]) -> int:
    """How many services one calls, directly or not."""
    graph = nx.DiGraph(sorted(calls))
    return len(nx.descendants(graph, service)) if service in graph else 0


def _groups(anomalies: Sequence[Anomaly], graph: nx.DiGraph[str]) -> list[list[Anomaly]]:
    """Anomalies of services that reach each other, and that began at about the same time."""
    related: nx.Graph[int] = nx.Graph()
    related.add_nodes_from(range(len(anomalies)))
    for i, one in enumerate(anomalies):
        near = neighbourhood([one.entity.service], graph.edges)
        for j, other in enumerate(anomalies[:i]):
            if other.entity.service in near and _together(one, other):
                related.add_edge(i, j)
    return [[anomalies[i] for i in sorted(group)] for group in nx.connected_components(related)]


def _together(one: Anomaly, other: Anomaly) -> bool:
    if one.onset is None or other.onset is None:
        return True
    return abs(one.onset - other.onset) <= _APART


def _alert(group: list[Anomaly], graph: nx.DiGraph[str], now: float, system: str) -> tuple[float, Alert]:
    chief = _symptom(group, graph)
    service, signal = chief.entity.service, chief.signal
    others = sorted({a.entity.service for a in group} - {service})
    stable = f"watch\x00{system}\x00{service}\x00{signal}"
    alert = Alert(
        fingerprint=hashlib.sha256(stable.encode()).hexdigest(),
        source="watch",
        system=system,
        symptom=Symptom(service=service, signal=_SIGNALS.get(signal, "unknown")),
        raised_at=now,
        began_at=min((a.onset for a in group if a.onset is not None), default=None),
        summary=chief.says + (f"; also unwell: {', '.join(others)}" if others else ""),
    )
    return max(a.log_bayes_factor for a in group), alert


def _symptom(group: list[Anomaly], graph: nx.DiGraph[str]) -> Anomaly:
    """The anomaly nearest the users; failed requests before slow ones unless they are far fewer."""
    services = {a.entity.service for a in group}
    above = {
        s: {str(a) for a in nx.ancestors(graph, s)} - {str(d) for d in nx.descendants(graph, s)}
        for s in services
    }
    first = {s for s in services if not above[s] & services}
    candidates = [a for a in group if a.entity.service in (first or services)]
    return max(candidates, key=lambda a: (_weight(a), a.log_bayes_factor, a.entity.service, a.signal))


def _weight(anomaly: Anomaly) -> float:
    return _RANK.get(anomaly.signal, 0.0) * min(anomaly.log_bayes_factor, 50.0)
