"""The causal graph: how strongly a fault of each suspect would show in each finding, and in the symptom.

Trouble travels against the direction of calls (a callee's time is its callers' time, a callee's error
theirs) and, more weakly, along it (retries, bursts). What a fault *here* explains of a finding *there*:

- own work that is slow or fails: the service itself;
- a full pool, and what comes of it (a queue, refused requests, other log lines): the service itself if its
  calls are as quick as ever, else what its workers wait for;
- what happened on a call: one of its two ends (`causal.call_mechanisms`), or whatever the callee waits for;
- everything else: side effects, the likelier the heavier the fault is against the finding.

A cause may not begin after its effect: where onsets say it did, strength is cut.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from causal import bayes_factors
from causal.call_mechanisms import LONGER_ASKED, asks_anew, at_an_end, unanswering
from causal.evidence import Symptom
from causal.strengths import LEAK, SELF
from causal.surroundings import Surroundings
from causal.suspects import SLOW, Finding, Suspect

_STRAY = 2.0
_SMALLEST_LEAK = 0.003
_PETTY = 0.3
_HELD = 0.9
_FLOOD = 0.8
_HELD_BY_LOST = 0.7
_NOT_HELD = 0.4
_OWN_POOL = 0.5
_SIDE_EFFECT = 0.35
_STRANGER = 0.06
_TOLERANCE = 12.0
_TOO_EARLY = 0.2
_MANY_CALLS = 5
_SHARED = 0.6
_REAL = 0.1
_RATHER = 0.5
_QUICK = 0.3
_OTHER_KIND = 0.6
_SMALLEST = 0.2
# What callees may have brought about that are not measured, so that it may be anybody's below.
_INCLUSIVE = ("failing", "waiting", "full")
_PASSED_ON = 0.8
_UNMEASURED = 0.3
_FAILURES = ("errors", "availability")


def strength(
    around: Surroundings, suspect: Suspect, finding: Finding, found: Sequence[Finding]
) -> tuple[float, str]:
    """The chance that a fault of the suspect shows as the finding, and by which mechanism."""
    mine = suspect.service in (finding.caller, finding.callee)
    if finding.is_edge:
        chance, how = (
            at_an_end(around, suspect, finding, found) if mine else (_given_up(around, suspect, finding))
        )
    elif mine:
        return (_OWN_POOL if _effect(around, finding) else SELF), "own work"
    else:
        chance, how = _elsewhere(around, suspect, finding)
    silent = 0.0 if mine else unanswering(around, suspect, finding, found)
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
    return (LONGER_ASKED, "asks for more") if used and asks_anew(suspect) else None


def _effect(around: Surroundings, finding: Finding) -> bool:
    """Whether slow calls alone can bring a finding about: what a full pool looks like, where they fill it."""
    full = finding.kind in ("pool", "errors") or finding.chief.signal in ("queueing", "logs")
    return full and not finding.is_edge and finding.callee in around.held


def _side_effect(suspect: Suspect, finding: Finding) -> float:
    """The likelier, the heavier the fault is against the finding; what is quick seldom slows others."""
    squares = suspect.weight**2 + finding.weight**2
    quick = finding.kind in ("time", "gap") and "lost" not in suspect.kinds
    likely = max(suspect.slow, _QUICK) if quick else 1.0
    return _SIDE_EFFECT * likely * suspect.weight**2 / squares if squares > 0 else 0.0


def _after(cause: float | None, effect: float | None) -> bool:
    return cause is not None and effect is not None and cause > effect + _TOLERANCE
