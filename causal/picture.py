"""The causal graph as it is shown and kept: who passes trouble on, between the suspects and the symptom."""

from __future__ import annotations

from collections.abc import Sequence

from causal.dataflow import routes
from causal.evidence import CausalGraph, CauseEdge, Entity, EntityKind
from causal.surroundings import Surroundings
from causal.suspects import Finding, Suspect
from causal.view import View

_SHOWN = 40


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
    actors, ways = _words(view)
    return CausalGraph(nodes=(*nodes, *actors), edges=(*edges, *ways))


def _words(view: View) -> tuple[list[Entity], Sequence[CauseEdge]]:
    """The agents, tools and memory entries between which facts were passed on, and how."""
    late = [act for act in view.acts.each if view.late[act.row]]
    ways = routes(late, {act.row: int(view.spans.start_ns[act.row]) for act in late})[:_SHOWN]
    keys = {key for way in ways for key in (way.source, way.target)}
    actors = {act.actor.key: act.actor for act in late if act.actor.key in keys}
    return [actors[key] for key in sorted(actors)], ways


def _mechanism(caller: str, callee: str, found: Sequence[Finding]) -> tuple[str, float, str]:
    kinds = {f.kind for f in found if f.callee == callee}
    if kinds & {"errors", "lost"}:
        return "errors", 0.9, f"{callee} fails, and {caller} calls it"
    if kinds & {"time", "gap"}:
        return "time", 0.9, f"{callee} is waited for by {caller}"
    return "calls", 0.3, f"{caller} calls {callee}"
