"""The causal graph: how strongly a fault of each suspect would show in each finding, and in the symptom.

Trouble travels against the direction of calls (a callee's time is its callers' time, a callee's error
theirs) and, more weakly, along it (retries, bursts). What a fault *here* explains of a finding *there*:

- own work that is slow or fails: the service itself;
- a full pool, and what comes of it (a queue, refused requests, other log lines): the service itself if its
  calls are as quick as ever, else what its workers wait for;
- a gap between two ends: the callee, as far as its other callers see it too; the caller, as far as its
  other callees do;
- a call that nobody answered: the callee if it has fallen silent altogether or is too busy, else the
  caller (an address, a limit);
- a call given up: the callee and whatever it waits for if that got slower, else the caller's own
  impatience, and that alone if it gave up sooner than many good calls took;
- a callee that takes longer, and is fuller: also an agent with a new prompt, for a model's work is what it
  is asked for;
- everything else: side effects, the likelier the heavier the fault is against the finding.

A cause may not begin after its effect: where onsets say it did, strength is cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import networkx as nx
import numpy as np

from causal import bayes_factors
from causal.dataflow import fed
from causal.edge_series import revealed
from causal.edges import Edges, edges
from causal.evidence import Symptom
from causal.forest import entries
from causal.held import held
from causal.lost import Lost, lost
from causal.suspects import SLOW, Finding, Suspect
from causal.view import View

SELF = 0.95
LEAK = 0.03
_STRAY = 2.0
_SMALLEST_LEAK = 0.003
_PETTY = 0.3
_HELD = 0.9
_FLOOD = 0.8
_LONGER_ASKED = 0.6
_HELD_BY_LOST = 0.7
_NOT_HELD = 0.4
_OWN_POOL = 0.5
_SIDE_EFFECT = 0.35
_STRANGER = 0.06
_TOLERANCE = 12.0
_TOO_EARLY = 0.2
_ALIVE = 0.25
_LIVE_CALLS = 3
_MANY_CALLS = 5
_SHARED = 0.6
_FRESH = 0.5
_REAL = 0.1
_RATHER = 0.5
_QUICK = 0.3
_AS_STRONG = 0.5
_OTHER_KIND = 0.6
_SMALLEST = 0.2
# What callees may have brought about that are not measured, so that it may be anybody's below.
_INCLUSIVE = ("failing", "waiting", "full")
_PASSED_ON = 0.8
_UNMEASURED = 0.3
_UNDECIDED = 0.6
# What it makes of a caller that nobody answers it: failures, other steps and lines, waiting, full pools.
_OF_WAITING = {
    "errors": 0.8,
    "requests": 0.8,
    "lost": 0.8,
    "time": 0.6,
    "pool": 0.6,
    "resource": 0.3,
    "gap": 0.3,
}
_FAILURES = ("errors", "availability")


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
        return (_OWN_POOL if _effect(around, finding) else SELF), "own work"
    else:
        chance, how = _elsewhere(around, suspect, finding)
    silent = 0.0 if mine else _unanswering(around, suspect, finding, found)
    if silent > chance:
        chance, how = silent, "does not answer"
    if mine or not _after(suspect.onset, finding.onset):
        return chance, how
    return chance * _TOO_EARLY, how


def leak(around: Surroundings, finding: Finding, found: Sequence[Finding]) -> float:
    """The chance of a finding with no fault of any suspect.

    Strays are seldom heavy, but their tail is long; and what is small beside the largest amount of its kind
    is soon a side effect of it, however certain it is.

    Where gaps have risen on most calls at once, something that all services share is slow (their host, the
    network, the collector): a gap like the others then says little about the two services at its ends.
    """
    if finding.chief.signal in _INCLUSIVE:
        return _UNMEASURED
    share = min(1.0, finding.weight / max(bayes_factors.maybe(finding.evidence), 1e-9))
    stray = max(LEAK / (1.0 + finding.weight / _STRAY), _SMALLEST_LEAK, _PETTY * (1.0 - share) ** 2)
    if finding.kind not in ("gap", "time") or len(around.heard) < _MANY_CALLS:
        return stray
    risen = [f.chief.amount for f in found if f.kind == "gap" and (f.caller, f.callee) in around.heard]
    alike = min(1.0, float(np.median(risen)) / max(finding.chief.amount, 1e-9)) if risen else 0.0
    return max(stray, _SHARED * alike * (len(risen) / len(around.heard)) ** 2)


def peak(around: Surroundings, suspect: Suspect, found: Sequence[Finding]) -> float:
    """The heaviest finding on a suspect, as far as it is its own doing."""
    mine = [f for f in found if suspect.service in (f.caller, f.callee) and not _effect(around, f)]
    return max((f.weight * strength(around, suspect, f, found)[0] for f in mine), default=0.0)


def reach(around: Surroundings, suspect: Suspect, symptom: Symptom, share: float) -> float:
    """The chance that a fault of the suspect brings the symptom about: a path, and enough of its kind.

    ``share`` is the weight of what it did against the heaviest that anybody did.
    """
    size = _SMALLEST + (1.0 - _SMALLEST) * share
    slow, wrong = suspect.slow > _RATHER, suspect.kinds & {"errors", "lost", "output"}
    fits = _OTHER_KIND if (symptom.signal in _FAILURES and slow and not wrong) else 1.0
    fits = _OTHER_KIND if (symptom.signal == "latency" and wrong and not slow) else fits
    if symptom.service is None or not around.calls.number_of_edges():
        return SELF * size * fits
    if suspect.service == symptom.service or suspect.service in around.below(symptom.service):
        return SELF * size * fits
    return _STRANGER


def _edge(
    around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]
) -> tuple[float, str]:
    is_callee = suspect.service == finding.callee
    if finding.kind == "gap":
        alike = _alike(around, suspect.service, finding, found, callee=is_callee)
        if _stalls(finding, found):
            return (0.45 * alike, "network") if is_callee else (0.9, "stalled caller")
        slow = 0.8 if "time" in suspect.kinds and not is_callee else 0.0
        return max(0.9 * alike, slow, LEAK), "network" if is_callee else "starved caller"
    edge = (finding.caller, finding.callee)
    if edge in around.edges.astray | around.edges.strange:
        return (LEAK, "nobody asked it") if is_callee else (SELF, "wrong address")
    if edge in around.edges.hasty:
        return (0.1, "too slow") if is_callee else (SELF, "impatience")
    if finding.chief.signal == "unanswered":
        return _unanswered(around, finding, found, is_callee=is_callee)
    if is_callee:
        return max(0.9 * suspect.slow, 0.15), "too slow"
    if _asks_anew(suspect):
        return _LONGER_ASKED, "asks for more"
    return (0.3 if _busy(around, finding.callee, found) else 0.5), "impatience"


def _stalls(gap: Finding, found: Sequence[Finding]) -> bool:
    """Whether the caller of a gap stands still itself: what goes in to it or on in it is held up as well."""
    least = _AS_STRONG * gap.weight
    return any(
        f.callee == gap.caller
        and f.weight >= least
        and (f.chief.signal == "exclusive_time" or f.kind in ("gap", "resource"))
        for f in found
    )


def _unanswered(
    around: Surroundings, finding: Finding, found: Sequence[Finding], *, is_callee: bool
) -> tuple[float, str]:
    how, busy = "unreachable" if is_callee else "wrong call", _busy(around, finding.callee, found)
    if around.lost.decided(finding.caller, finding.callee) and not (busy and finding.callee in around.alive):
        whose = around.lost.callee if is_callee else around.lost.caller
        return whose(finding.caller, finding.callee), how
    if finding.callee not in around.alive:
        edge = (finding.caller, finding.callee)
        if edge in around.lost.guessed and finding.callee not in around.muted:
            return _UNDECIDED, how
        known = finding.callee in around.muted or (finding.caller, finding.callee) in around.edges.steady
        return (SELF, "unreachable") if is_callee else (0.05 if known else 0.25, "wrong call")
    if busy:
        return (0.8, "too busy") if is_callee else (0.4, "wrong call")
    return _UNDECIDED, how


def _unanswering(around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]) -> float:
    """The chance that a finding is what callers look like whom the suspect leaves without an answer."""
    if finding.kind not in _OF_WAITING:
        return 0.0
    chances = [
        min(1.0, f.weight / max(finding.weight, 1e-9)) * _edge(around, suspect, f, found)[0]
        for f in found
        if f.chief.signal == "unanswered"
        and f.callee == suspect.service
        and (f.caller == finding.callee or f.caller in around.below(finding.callee))
    ]
    return _OF_WAITING[finding.kind] * max(chances, default=0.0)


def _busy(around: Surroundings, service: str, found: Sequence[Finding]) -> bool:
    """Whether a service is seen to be slow, or its workers are held."""
    return service in around.held or any(
        f.callee == service and f.kind in ("time", "gap", "resource") for f in found
    )


def _effect(around: Surroundings, finding: Finding) -> bool:
    """Whether slow calls alone can bring a finding about: what a full pool looks like, where they fill it."""
    full = finding.kind in ("pool", "errors") or finding.chief.signal in ("queueing", "logs")
    return full and not finding.is_edge and finding.callee in around.held


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
    if below and suspect.slow > _REAL and finding.kind == "lost" and waiting:
        return 0.8 * suspect.slow, "waits for it"
    return _side_effect(suspect, finding) * (1.0 if below else 0.3), "side effect"


def _elsewhere(around: Surroundings, suspect: Suspect, finding: Finding) -> tuple[float, str]:
    asked = _asked(around, suspect, finding)
    if asked is not None:
        return asked
    passed = around.fed.get((suspect.service, finding.callee), 0.0)
    if passed and finding.kind == "output" and finding.chief.step is None:
        return passed, "its words go in"
    below = suspect.service in around.below(finding.callee)
    if finding.chief.signal in _INCLUSIVE and (below or not around.calls.number_of_edges()):
        return _PASSED_ON, "passes it on"
    if not below:
        if (suspect.service, finding.callee) in around.edges.strange:
            return 0.8, "asks the wrong one"
        above = finding.callee in around.below(suspect.service)
        return max(_side_effect(suspect, finding) * (0.4 if above else 0.1), 0.0), "side effect"
    slow = suspect.slow > _REAL
    if _effect(around, finding) and (slow or "lost" in suspect.kinds):
        return max(_HELD * suspect.slow, _HELD_BY_LOST * ("lost" in suspect.kinds)), "keeps its workers busy"
    if slow and (finding.chief.signal == "queueing" or finding.kind == "pool"):
        return _NOT_HELD * suspect.slow, "keeps its workers busy"
    differs = (0.6 if slow else 0.3) if finding.kind == "requests" else 0.0
    chance = _side_effect(suspect, finding)
    return max(chance, differs), "answers differently" if differs else "side effect"


def _asked(around: Surroundings, suspect: Suspect, finding: Finding) -> tuple[float, str] | None:
    """What a callee shows because of how often it is asked, or for how much."""
    if (suspect.service, finding.callee) in around.edges.flooded and finding.kind != "requests":
        return _FLOOD, "asks too often"
    used = finding.kind in (*SLOW, "pool") and around.calls.has_edge(suspect.service, finding.callee)
    return (_LONGER_ASKED, "asks for more") if used and _asks_anew(suspect) else None


def _asks_anew(suspect: Suspect) -> bool:
    """Whether an agent asks otherwise than before: its prompt is new, or a change shows in its output."""
    change = suspect.change
    if change is None or suspect.freshness < _FRESH:
        return False
    return change.kind == "prompt" or "output" in suspect.kinds


def _side_effect(suspect: Suspect, finding: Finding) -> float:
    """The likelier, the heavier the fault is against the finding; what is quick seldom slows others."""
    squares = suspect.weight**2 + finding.weight**2
    quick = finding.kind in ("time", "gap") and "lost" not in suspect.kinds
    likely = max(suspect.slow, _QUICK) if quick else 1.0
    return _SIDE_EFFECT * likely * suspect.weight**2 / squares if squares > 0 else 0.0


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
