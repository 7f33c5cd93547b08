"""The verdict in words: each suspect as a hypothesis, with its evidence and the next check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from causal import missing
from causal.calibrate import calibrated
from causal.evidence import Calibration, Evidence, Hypothesis
from causal.graph import strength
from causal.naming import CHANGES, entity_of, fault_of, next_check, step_of
from causal.sightings import Sighting, sightings
from causal.surroundings import Surroundings
from causal.suspects import PRIOR, Finding, Suspect
from causal.view import View

_EXPLAINED = 0.3
_TOLD, _KNOWN = 6, 2
_FRESH = 0.1


@dataclass(frozen=True)
class Case:
    """Everything that was made of the telemetry before anybody was asked for probabilities."""

    view: View
    found: tuple[Finding, ...]
    around: Surroundings
    people: tuple[Suspect, ...]


@dataclass(frozen=True)
class Ranking:
    """Suspects in order with their raw probabilities, and the evidence (nats) that the first leaves over."""

    people: tuple[Suspect, ...] = ()
    raw: tuple[float, ...] = ()
    unexplained: float = 0.0


def hypotheses(case: Case, ranking: Ranking, line: Calibration) -> tuple[tuple[Hypothesis, ...], float]:
    """The ranked suspects in words with calibrated probabilities, and what is left for none of them."""
    quiet = missing.quiet_seconds(case.view)
    calm, none = calibrated(ranking.raw, ranking.unexplained, quiet, line)
    ranked = zip(ranking.people, ranking.raw, calm, strict=True)
    return tuple(_hypothesis(case, person, raw, chance) for person, raw, chance in ranked), none


def unexplained(case: Case, person: Suspect) -> float:
    """The evidence (nats) that would be there by chance if a fault of this suspect were all there is."""
    shows = (strength(case.around, person, found, case.found)[0] for found in case.found)
    return sum(found.weight * (1.0 - chance) for found, chance in zip(case.found, shows, strict=True))


def _hypothesis(case: Case, person: Suspect, raw: float, chance: float) -> Hypothesis:
    symptom = case.view.alert.symptom.service
    shows = {id(f): strength(case.around, person, f, case.found)[0] for f in case.found}
    at_home = [f for f in case.found if person.service in (f.caller, f.callee)]
    own = [f for f in at_home if shows[id(f)] >= _EXPLAINED]
    strange = [f for f in case.found if shows[id(f)] < _EXPLAINED]
    seen = sightings(case.view, person.service)
    fault = fault_of(person, own, case.around.alive, seen)
    return Hypothesis(
        service=person.service,
        entity=entity_of(person, own, fault),
        fault=fault,
        probability=chance,
        raw_probability=raw,
        path=case.around.path(person.service, symptom),
        evidence=_told(own, person, seen),
        against=_doubts(strange, person, own),
        missing=missing.of_service(case.view, person.service),
        next_check=next_check(person, fault, seen),
        change=person.change if fault in CHANGES else None,
        onset=person.onset,
        step=step_of(own),
    )


def _told(own: Sequence[Finding], person: Suspect, seen: Sequence[Sighting]) -> tuple[Evidence, ...]:
    said = [
        Evidence(says=a.says, signal=a.signal, log_bayes_factor=a.log_bayes_factor, exemplars=a.exemplars)
        for finding in sorted(own, key=lambda f: (-f.weight, f.kind))
        for a in finding.anomalies[:2]
    ]
    if person.change is not None and person.freshness >= _FRESH:
        title = f" ({person.change.title})" if person.change.title else ""
        says = f"{person.service} was changed by {person.change.id[:12]}{title} shortly before the trouble"
        said.append(Evidence(says=says, signal="change", log_bayes_factor=log(person.prior / PRIOR)))
    known = [sighting.told() for sighting in seen[:_KNOWN]]
    return (*said[: _TOLD - len(known)], *known)


def _doubts(others: Sequence[Finding], person: Suspect, own: Sequence[Finding]) -> tuple[Evidence, ...]:
    said = []
    if not own:
        says = f"{person.service} shows no signal of its own"
        said.append(Evidence(says=says, signal="silence", log_bayes_factor=-1.0))
    for finding in sorted(others, key=lambda f: (-f.weight, f.kind, f.callee))[:2]:
        if finding.weight > person.weight / 2:
            says = f"it does not explain that {finding.chief.says}"
            said.append(Evidence(says=says, signal=finding.chief.signal, log_bayes_factor=-finding.evidence))
    return tuple(said)
