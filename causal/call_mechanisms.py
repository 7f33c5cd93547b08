"""What happened between two services: to what did a fault at either end bring the call between them?

- a gap between two ends: the callee, as far as its other callers see it too; the caller, as far as its
  other callees do, and alone where it stands still itself;
- a call that nobody answered: the callee if it has fallen silent altogether or is too busy, else the
  caller (an address, a limit);
- a call given up: the callee, else the caller's own impatience, and that alone if it gave up sooner than
  many good calls took;
- a callee that takes longer, and is fuller: also an agent with a new prompt, for a model's work is what it
  is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from causal.strengths import LEAK, SELF
from causal.surroundings import Surroundings
from causal.suspects import Finding, Suspect

LONGER_ASKED = 0.6
_FRESH = 0.5
_AS_STRONG = 0.5
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


def at_an_end(
    around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]
) -> tuple[float, str]:
    """The chance that a fault at one end of a call shows as what happened on it, and by which mechanism."""
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
    if asks_anew(suspect):
        return LONGER_ASKED, "asks for more"
    return (0.3 if _busy(around, finding.callee, found) else 0.5), "impatience"


def unanswering(around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]) -> float:
    """The chance that a finding is what callers look like whom the suspect leaves without an answer."""
    if finding.kind not in _OF_WAITING:
        return 0.0
    chances = [
        min(1.0, f.weight / max(finding.weight, 1e-9)) * at_an_end(around, suspect, f, found)[0]
        for f in found
        if f.chief.signal == "unanswered"
        and f.callee == suspect.service
        and (f.caller == finding.callee or f.caller in around.below(finding.callee))
    ]
    return _OF_WAITING[finding.kind] * max(chances, default=0.0)


def asks_anew(suspect: Suspect) -> bool:
    """Whether an agent asks otherwise than before: its prompt is new, or a change shows in its output."""
    change = suspect.change
    if change is None or suspect.freshness < _FRESH:
        return False
    return change.kind == "prompt" or "output" in suspect.kinds


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


def _busy(around: Surroundings, service: str, found: Sequence[Finding]) -> bool:
    """Whether a service is seen to be slow, or its workers are held."""
    return service in around.held or any(
        f.callee == service and f.kind in ("time", "gap", "resource") for f in found
    )


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
