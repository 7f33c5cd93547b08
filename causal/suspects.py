"""Who may be at fault: services that something speaks against, and how likely they were beforehand.

Anomalies of one kind on one service are one witness (calls and log lines of the same requests say the
same thing twice). What a suspect carries is weighed by evidence *and* amount: a certain millisecond is no
rival to a certain second. Seconds spent queueing behind slow calls are left out when the largest amount is
sought: they are a multiple of the cause's own.

A fault somewhere is rare beforehand; a confirmed cause in earlier incidents makes it less so, and so does a
change, if it can be the cause: most outages follow changes within minutes (Beyer et al., "Site reliability
engineering", 2016, ch. 12), so its evidence halves with every minute between it and the suspect's own onset,
and is shared out where one commit touches many. The first commit of a repository changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log, log1p
from pathlib import PurePosixPath

from causal import bayes_factors
from causal.evidence import Anomaly, Change, EntityKind, Priors
from causal.view import View

PRIOR = 0.01
PRIOR_CHANGED = 0.12
PRIOR_MOST = 0.3
_RECENT = 900.0
_HALF_LIFE = 60.0
_LATE = 12.0
_STALE = 0.1
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
    "failing": "errors",
    "waiting": "time",
    "symptom": "symptom",
    "silent": "lost",
    "full": "pool",
    "error_logs": "errors",
    "unanswered": "lost",
    "gave_up": "lost",
    "misdirected": "lost",
    "structure": "requests",
    "logs": "requests",
    "cpu": "resource",
    "memory": "resource",
    "pool": "pool",
    "resource": "resource",
    "tokens": "output",
    "evaluation": "output",
    "schema": "output",
    "finish": "output",
    "tool": "output",
    "loop": "output",
    "prompt": "output",
    "model": "output",
    "memory_entry": "output",
    "turns": "output",
}
SLOW = ("time", "gap", "resource")
_MEASURED = ("time", "gap", "errors", "lost", "symptom")


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
    """A service that may be at fault; ``weight`` sums up the findings on it, ``peak`` is the heaviest.

    ``slow`` is the chance that it really is slow, by its times, its gaps, or a resource that makes it so.
    """

    service: str
    prior: float
    weight: float
    peak: float
    onset: float | None
    change: Change | None
    freshness: float
    kinds: frozenset[str]
    slow: float = 0.0


def findings(anomalies: Sequence[Anomaly], held: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """Gather anomalies into witnesses; queues of ``held`` services are no measure for anybody else."""
    most: dict[str, float] = {}
    gathered: dict[tuple[str, str], list[Anomaly]] = {}
    for anomaly in anomalies:
        kind = KIND.get(anomaly.signal, "requests")
        if kind in _MEASURED and not (anomaly.signal == "queueing" and anomaly.entity.service in held):
            most[anomaly.unit] = max(most.get(anomaly.unit, 0.0), anomaly.amount)
        if kind == "symptom":
            continue
        name = anomaly.entity.name if anomaly.entity.kind is EntityKind.EDGE else anomaly.entity.service
        gathered.setdefault((kind, name), []).append(anomaly)
    found = []
    for (kind, _), group in sorted(gathered.items()):
        group.sort(key=lambda a: (-a.log_bayes_factor, a.signal, a.entity.key))
        evidence = temper(max(a.log_bayes_factor for a in group))
        largest = most.get(group[0].unit, 0.0) if kind in _MEASURED else 0.0
        amount = min(1.0, max(a.amount for a in group) / largest) if largest > 0 else 1.0
        if kind in ("resource", "pool"):
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
    people = []
    for service in view.services:
        mine = [f for f in found if f.callee == service or (f.caller == service and f.kind == "lost")]
        onset = min((f.onset for f in mine if f.onset is not None), default=None)
        change, freshness = change_of(view, service, began(view) if onset is None else onset)
        if service not in names and freshness < _STALE:
            continue
        people.append(
            Suspect(
                service=service,
                prior=_prior(service, freshness / _touched(view, change), priors, len(view.services)),
                weight=_weight(mine),
                peak=max((f.weight for f in mine), default=0.0),
                onset=onset,
                change=change,
                freshness=freshness,
                kinds=frozenset(f.kind for f in mine),
                slow=1.0 - exp(-max((f.weight for f in mine if f.kind in SLOW), default=0.0)),
            )
        )
    people.sort(key=lambda s: (-s.weight * (1.0 + s.freshness), s.service))
    return tuple(people[:most])


def _weight(mine: Iterable[Finding]) -> float:
    best: dict[str, list[float]] = {}
    for finding in mine:
        best.setdefault(finding.kind, []).append(finding.weight)
    return sum(
        max(weights) if kind != "gap" else sum(weights) / len(weights) for kind, weights in best.items()
    )


def _prior(service: str, freshness: float, priors: Priors, services: int) -> float:
    """One fault is expected, not one in every hundred services: of very many, each is less likely."""
    usual = min(PRIOR, 1.0 / max(services, 1))
    history = sum(record.confirmed for record in priors.causes if record.service == service)
    raised = exp(freshness * log(PRIOR_CHANGED / PRIOR))
    return min(PRIOR_MOST, usual * raised + _HISTORY * history)


def began(view: View) -> float:
    """When the trouble began, as the alert tells, else as the window does."""
    return view.alert.began_at if view.alert.began_at is not None else view.telemetry.window.start


def change_of(view: View, service: str, onset: float) -> tuple[Change | None, float]:
    """The latest change to a service before its trouble, and how fresh it was then: one halves every minute.

    Onsets are told in buckets of a few seconds, so a change may seem to come a little after its effect.
    """
    near = [
        change
        for change in view.telemetry.changes
        if onset - _RECENT <= change.at <= onset + _LATE and not _founds(change) and _touches(change, service)
    ]
    latest = max(near, key=lambda change: (change.at, change.id), default=None)
    if latest is None:
        return None, 0.0
    return latest, float(2.0 ** (-max(0.0, onset - latest.at) / _HALF_LIFE))


def _founds(change: Change) -> bool:
    """Whether a change is the first commit of its repository: there was nothing before it to break."""
    return change.repository is not None and change.previous is None


def _touched(view: View, change: Change | None) -> int:
    """How many services share a change."""
    same = [other for other in view.telemetry.changes if change is not None and other.id == change.id]
    return max(1, sum(any(_touches(other, service) for other in same) for service in view.services))


def _touches(change: Change, service: str) -> bool:
    if change.service is not None:
        return change.service == service
    return any(PurePosixPath(file).stem == service for file in change.files)
