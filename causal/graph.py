"""The causal graph: how strongly a fault of each suspect would show in each finding, and in the symptom.

Trouble travels against the direction of calls (a callee's time is its callers' time, a callee's error
theirs) and, more weakly, along it (retries, bursts). What a fault *here* explains of a finding *there*:

- own work that is slow or fails: the service itself; a queue in front of it also by slow callees, which
  keep its workers busy (Little's law: workers in use = arrivals x time held);
- a gap between two ends: the callee, as far as its other callers see it too; the caller, as far as its
  other callees do;
- a call that nobody answered: the callee if it has fallen silent altogether, else the caller (an address,
  a limit);
- a call given up: the callee and whatever it waits for if that got slower, else the caller's own
  impatience;
- everything else: side effects, the likelier the heavier the fault is against the finding.

A cause may not begin after its effect: where onsets say it did, strength is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from causal.evidence import CausalGraph, CauseEdge, Entity, EntityKind, Symptom
from causal.forest import entries
from causal.suspects import Finding, Suspect
from causal.view import View

SELF = 0.95
LEAK = 0.03
_QUEUE = 0.9
_SIDE_EFFECT = 0.35
_STRANGER = 0.06
_TOLERANCE = 12.0
_TOO_EARLY = 0.2
_ALIVE = 0.25
_LIVE_CALLS = 3
_MANY_CALLS = 5
_SHARED = 0.6
_OTHER_KIND = 0.6
_SMALLEST = 0.2
_FAILURES = ("errors", "availability")


@dataclass(frozen=True)
class Surroundings:
    """Who calls whom, directly and not; ``heard`` are the calls that took place in the incident."""

    calls: nx.DiGraph[str]
    heard: frozenset[tuple[str, str]]
    alive: frozenset[str]
    misdirected: frozenset[tuple[str, str]]

    def below(self, service: str) -> set[str]:
        """Everything that a service calls, directly or not."""
        return set(nx.descendants(self.calls, service)) if service in self.calls else set()

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
    return Surroundings(graph, heard, _alive(view), view.misdirected)


def strength(
    around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]
) -> tuple[float, str]:
    """The chance that a fault of the suspect shows as the finding, and by which mechanism."""
    mine = suspect.service in (finding.caller, finding.callee)
    if finding.is_edge:
        chance, how = (
            _edge(around, suspect, finding, found) if mine else (_given_up(around, suspect, finding))
        )
    elif mine:
        return SELF, "own work"
    else:
        chance, how = _elsewhere(around, suspect, finding)
    if mine or not _after(suspect.onset, finding.onset):
        return chance, how
    return chance * _TOO_EARLY, how


def leak(around: Surroundings, finding: Finding, found: Sequence[Finding]) -> float:
    """The chance of a finding with no fault of any suspect.

    Where gaps have risen on most calls at once, something that all services share is slow (their host, the
    network, the collector): a gap then says little about the two services that it lies between.
    """
    if finding.kind not in ("gap", "time") or len(around.heard) < _MANY_CALLS:
        return LEAK
    risen = sum(1 for f in found if f.kind == "gap" and (f.caller, f.callee) in around.heard)
    return max(LEAK, _SHARED * (risen / len(around.heard)) ** 2)


def reach(around: Surroundings, suspect: Suspect, symptom: Symptom, heaviest: float) -> float:
    """The chance that a fault of the suspect brings the symptom about: a path, and enough of its kind."""
    share = min(1.0, suspect.peak / heaviest) if heaviest > 0 else 0.0
    size = _SMALLEST + (1.0 - _SMALLEST) * share
    slow, wrong = suspect.kinds & {"time", "gap"}, suspect.kinds & {"errors", "lost", "output"}
    fits = _OTHER_KIND if (symptom.signal in _FAILURES and slow and not wrong) else 1.0
    fits = _OTHER_KIND if (symptom.signal == "latency" and wrong and not slow) else fits
    if symptom.service is None or not around.calls.number_of_edges():
        return SELF * size * fits
    if suspect.service == symptom.service or suspect.service in around.below(symptom.service):
        return SELF * size * fits
    return _STRANGER


def causal_graph(
    view: View, around: Surroundings, people: Sequence[Suspect], found: Sequence[Finding]
) -> CausalGraph:
    """The part of the graph that lies between the suspects and the symptom, for the reader and the record."""
    symptom = view.alert.symptom.service
    shown = {service for person in people for service in around.path(person.service, symptom)}
    shown |= {f.callee for f in found} | ({symptom} if symptom else set())
    edges = [
        CauseEdge(source=f"service:{b}", target=f"service:{a}", mechanism=how, strength=force, reason=why)
        for a, b in sorted(around.calls.edges)
        if a in shown and b in shown and a != b
        for how, force, why in [_mechanism(a, b, found)]
    ]
    nodes = [Entity.of_service(service) for service in sorted(shown)]
    for person in people:
        if person.change is not None:
            entity = Entity(kind=EntityKind.CHANGE, name=person.change.id, service=person.service)
            nodes.append(entity)
            why = f"changed {view.telemetry.window.start - person.change.at:.0f} s before the incident window"
            edges.append(
                CauseEdge(
                    source=entity.key,
                    target=f"service:{person.service}",
                    mechanism="change",
                    strength=0.5,
                    reason=why,
                )
            )
    return CausalGraph(nodes=tuple(nodes), edges=tuple(edges))


def _mechanism(caller: str, callee: str, found: Sequence[Finding]) -> tuple[str, float, str]:
    kinds = {f.kind for f in found if f.callee == callee}
    if kinds & {"errors", "lost"}:
        return "errors", 0.9, f"{callee} fails, and {caller} calls it"
    if kinds & {"time", "gap"}:
        return "time", 0.9, f"{callee} is waited for by {caller}"
    return "calls", 0.3, f"{caller} calls {callee}"


def _edge(
    around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]
) -> tuple[float, str]:
    is_callee = suspect.service == finding.callee
    if finding.kind == "gap":
        alike = _alike(around, suspect.service, finding, found, callee=is_callee)
        slow = 0.8 if "time" in suspect.kinds and not is_callee else 0.0
        return max(0.9 * alike, slow, LEAK), "network" if is_callee else "starved caller"
    edge = (finding.caller, finding.callee)
    if finding.chief.signal == "unanswered":
        if edge in around.misdirected:
            return (LEAK, "nobody asked it") if is_callee else (SELF, "wrong address")
        gone = finding.callee not in around.alive
        return (
            (0.95 if gone else 0.15, "unreachable") if is_callee else (0.25 if gone else 0.85, "wrong call")
        )
    if is_callee:
        return (0.9 if suspect.kinds & {"time", "gap"} else 0.15), "too slow"
    return 0.5, "impatience"


def _alike(
    around: Surroundings, service: str, finding: Finding, found: Sequence[Finding], *, callee: bool
) -> float:
    """Of the edges at one end of a gap, the share that show it; a single edge tells little about a caller."""
    end = 1 if callee else 0
    edges = {edge for edge in around.heard if edge[end] == service and edge[0] != edge[1]}
    edges.add((finding.caller, finding.callee))
    risen = {(f.caller, f.callee) for f in found if f.kind == "gap"} & edges
    if not callee and len(edges) == 1:
        return 0.35
    return len(risen) / len(edges)


def _given_up(around: Surroundings, suspect: Suspect, finding: Finding) -> tuple[float, str]:
    """A call that two others had between them: explained by what the callee waits for, if anything."""
    below = suspect.service in around.below(finding.callee)
    waiting = finding.chief.signal == "gave_up" or finding.callee in around.alive
    if below and suspect.kinds & {"time", "gap"} and finding.kind == "lost" and waiting:
        return 0.8, "waits for it"
    return _side_effect(suspect, finding) * (1.0 if below else 0.3), "side effect"


def _elsewhere(around: Surroundings, suspect: Suspect, finding: Finding) -> tuple[float, str]:
    below = suspect.service in around.below(finding.callee)
    if not below:
        above = finding.callee in around.below(suspect.service)
        return max(_side_effect(suspect, finding) * (0.4 if above else 0.1), 0.0), "side effect"
    slow = suspect.kinds & {"time", "gap"}
    if slow and (
        finding.chief.signal == "queueing" or (finding.kind == "resource" and finding.chief.signal == "pool")
    ):
        return _QUEUE, "keeps its workers busy"
    if finding.kind == "requests":
        return max(_side_effect(suspect, finding), 0.6 if slow else 0.3), "answers differently"
    return _side_effect(suspect, finding), "side effect"


def _side_effect(suspect: Suspect, finding: Finding) -> float:
    """The likelier, the heavier the fault is against the finding."""
    squares = suspect.weight**2 + finding.weight**2
    return _SIDE_EFFECT * suspect.weight**2 / squares if squares > 0 else 0.0


def _after(cause: float | None, effect: float | None) -> bool:
    return cause is not None and effect is not None and cause > effect + _TOLERANCE


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
    for code in range(len(names)):
        mine = view.spans.service.codes == code
        quiet, now = int((mine & rows & ~view.late).sum()), int((mine & later).sum())
        rate = quiet / max(view.telemetry.baseline.seconds, 1.0)
        if now >= max(1.0, _ALIVE * rate * window.seconds / 2):
            told.add(names[code])
    late_metrics = metrics.time >= middle
    told |= {metrics.service.names[c] for c in np.unique(metrics.service.codes[late_metrics]) if c >= 0}
    late_logs = logs.time_ns * 1e-9 >= middle
    told |= {logs.service.names[c] for c in np.unique(logs.service.codes[late_logs]) if c >= 0}
    return frozenset(told)
