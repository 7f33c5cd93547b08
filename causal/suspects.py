"""Who may be at fault: services that something speaks against, and how likely they were beforehand.

Anomalies of one kind on one service are one witness (calls and log lines of the same requests say the
same thing twice). What a suspect carries is weighed by evidence *and* amount: a certain millisecond is no
rival to a certain second. A fault somewhere is rare beforehand; a change just before the trouble, or a
confirmed cause in earlier incidents, makes it less so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log1p
from pathlib import PurePosixPath

from causal import bayes_factors
from causal.evidence import Anomaly, Change, EntityKind, Priors
from causal.view import View

PRIOR = 0.01
PRIOR_CHANGED = 0.12
PRIOR_MOST = 0.3
_RECENT = 900.0
_FRESH = 180.0
_LATE = 20.0
_HISTORY = 0.01
_TEMPER = 6.0
_FLOOR = 0.1
_MUCH_OF_CAPACITY = 0.5

KIND = {
    "exclusive_time": "time",
    "queueing": "time",
    "own_latency": "time",
    "edge_gap": "gap",
    "own_errors": "errors",
    "unanswered": "lost",
    "gave_up": "lost",
    "structure": "requests",
    "logs": "requests",
    "cpu": "resource",
    "memory": "resource",
    "pool": "resource",
    "resource": "resource",
    "output": "output",
}
_MEASURED = ("time", "gap", "errors", "lost")


@dataclass(frozen=True)
class Finding:
    """One witness: the anomalies of one kind on one entity, the strongest first.

    ``caller`` and ``callee`` are the ends of the edge, or both the service itself. ``weight`` joins
    evidence (tempered, since witnesses are never quite independent) with the share of the largest amount
    of its kind.
    """

    kind: str
    caller: str
    callee: str
    anomalies: tuple[Anomaly, ...]
    evidence: float
    weight: float

    @property
    def chief(self) -> Anomaly:
        return self.anomalies[0]

    @property
    def onset(self) -> float | None:
        return min((a.onset for a in self.anomalies if a.onset is not None), default=None)

    @property
    def is_edge(self) -> bool:
        return self.caller != self.callee


@dataclass(frozen=True)
class Suspect:
    """A service that may be at fault; ``weight`` sums up the findings on it, ``peak`` is the heaviest."""

    service: str
    prior: float
    weight: float
    peak: float
    onset: float | None
    change: Change | None
    freshness: float
    kinds: frozenset[str]


def findings(anomalies: Sequence[Anomaly]) -> tuple[Finding, ...]:
    """Gather anomalies into witnesses."""
    most: dict[str, float] = {}
    gathered: dict[tuple[str, str], list[Anomaly]] = {}
    for anomaly in anomalies:
        kind = KIND.get(anomaly.signal, "requests")
        if kind in _MEASURED:
            most[anomaly.unit] = max(most.get(anomaly.unit, 0.0), anomaly.amount)
        name = anomaly.entity.name if anomaly.entity.kind is EntityKind.EDGE else anomaly.entity.service
        gathered.setdefault((kind, name), []).append(anomaly)
    found = []
    for (kind, _), group in sorted(gathered.items()):
        group.sort(key=lambda a: (-a.log_bayes_factor, a.signal, a.entity.key))
        evidence = temper(max(a.log_bayes_factor for a in group))
        largest = most.get(group[0].unit, 0.0) if kind in _MEASURED else 0.0
        amount = max(a.amount for a in group) / largest if largest > 0 else 1.0
        if kind == "resource":
            amount = min(1.0, max(a.amount for a in group) / _MUCH_OF_CAPACITY)
        caller, callee = ends(group[0])
        weight = bayes_factors.maybe(evidence) * (_FLOOR + (1 - _FLOOR) * amount)
        found.append(Finding(kind, caller, callee, tuple(group), evidence, weight))
    return tuple(found)


def temper(evidence: float) -> float:
    """Evidence that grows ever more slowly: many nats from one source still are one source."""
    return _TEMPER * log1p(max(evidence, 0.0) / _TEMPER)


def ends(anomaly: Anomaly) -> tuple[str, str]:
    """Caller and callee of an edge; a service is both."""
    if anomaly.entity.kind is EntityKind.EDGE and "->" in anomaly.entity.name:
        caller, _, callee = anomaly.entity.name.partition("->")
        return caller, callee
    return anomaly.entity.service, anomaly.entity.service


def suspects(view: View, found: Sequence[Finding], priors: Priors, most: int) -> tuple[Suspect, ...]:
    """The services that findings or recent changes speak of, the heaviest first, at most ``most``."""
    names = {f.caller for f in found} | {f.callee for f in found}
    changes = {
        service: change for service in view.services if (change := change_of(view, service)) is not None
    }
    people = []
    for service in sorted(names | set(changes)):
        freshness = _freshness(view, changes.get(service))
        mine = [f for f in found if f.callee == service or (f.caller == service and f.kind == "lost")]
        people.append(
            Suspect(
                service=service,
                prior=_prior(service, freshness, priors),
                weight=_weight(mine),
                peak=max((f.weight for f in mine), default=0.0),
                onset=min((f.onset for f in mine if f.onset is not None), default=None),
                change=changes.get(service),
                freshness=freshness,
                kinds=frozenset(f.kind for f in mine),
            )
        )
    people.sort(key=lambda s: (-s.weight * (2.0 if s.change else 1.0), s.service))
    return tuple(people[:most])


def _weight(mine: Iterable[Finding]) -> float:
    best: dict[str, list[float]] = {}
    for finding in mine:
        best.setdefault(finding.kind, []).append(finding.weight)
    return sum(
        max(weights) if kind != "gap" else sum(weights) / len(weights) for kind, weights in best.items()
    )


def _prior(service: str, freshness: float, priors: Priors) -> float:
    history = sum(record.confirmed for record in priors.causes if record.service == service)
    return min(PRIOR_MOST, PRIOR + (PRIOR_CHANGED - PRIOR) * freshness + _HISTORY * history)


def _freshness(view: View, change: Change | None) -> float:
    """One for a change as the trouble began, ever less for older ones."""
    return exp(-max(0.0, began(view) - change.at) / _FRESH) if change is not None else 0.0


def began(view: View) -> float:
    """When the trouble began, as the alert tells, else as the window does."""
    return view.alert.began_at if view.alert.began_at is not None else view.telemetry.window.start


def change_of(view: View, service: str) -> Change | None:
    """The latest change to a service shortly before the trouble, or as it began."""
    start = began(view)
    near = [
        change
        for change in view.telemetry.changes
        if start - _RECENT <= change.at <= start + _LATE and _touches(change, service)
    ]
    return max(near, key=lambda change: (change.at, change.id), default=None)


def _touches(change: Change, service: str) -> bool:
    if change.service is not None:
        return change.service == service
    return any(PurePosixPath(file).stem == service for file in change.files)
