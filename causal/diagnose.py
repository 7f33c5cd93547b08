"""The one question: an alert and what was measured in, a ranked verdict out.

telemetry -> signals -> anomalies -> causal graph -> posterior -> diagnosis. Nothing here asks a clock, a
file or a dice: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from causal import missing
from causal.boundary import unseen
from causal.calibrate import calibrated, shipped, told
from causal.counterfactual import minimal_set
from causal.evidence import Alert, Anomaly, Calibration, Diagnosis, Evidence, Hypothesis, Priors
from causal.graph import LEAK, SELF, Surroundings, leak, peak, reach, strength, surroundings
from causal.naming import CHANGES, entity_of, fault_of, next_check, step_of
from causal.network import MOST, UNOBSERVED, Network, Observation, posterior
from causal.picture import causal_graph
from causal.sightings import Sighting, sightings
from causal.signals import SIGNALS
from causal.suspects import PRIOR, Finding, Suspect, findings, suspects
from causal.telemetry import Telemetry
from causal.view import View, behold

ENGINE = "aitia-0.1"
UNTAUGHT = Priors()
_PRIOR_UNOBSERVED = 0.05
_UNOBSERVED_REACH = 0.6
_SPONTANEOUS = 0.01
# Nats below which a fault hardly makes an alert; less where there is no quiet time to compare with.
_SUBSTANTIAL, _SLIGHT = 5.0, 1e-9
_WORTH_NAMING = 0.001
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


def diagnose(alert: Alert, telemetry: Telemetry, priors: Priors = UNTAUGHT) -> Diagnosis:
    """Rank what may have caused the alert; with nothing to go on, "none of these" gets everything."""
    view = behold(alert, telemetry)
    anomalies = look(view)
    case = examine(view, anomalies, priors)
    network = connect(case)
    line = priors.calibration or shipped()
    ranking = rank(case, network)
    hypotheses, none = _hypotheses(case, ranking, line)
    return Diagnosis(
        engine=ENGINE,
        hypotheses=hypotheses,
        none_of_these=none,
        minimal_set=_minimal(network, ranking),
        missing_evidence=missing.evidence(view),
        anomalies=anomalies,
        graph=causal_graph(view, case.around, case.people, case.found),
        method=_method(case),
        calibration=told(line),
        unexplained=ranking.unexplained,
        inputs=_inputs(alert, telemetry, priors),
    )


def look(view: View) -> tuple[Anomaly, ...]:
    """What every signal has found, the strongest evidence first."""
    found = [anomaly for signal in SIGNALS for anomaly in signal(view)]
    return tuple(sorted(found, key=lambda a: (-a.log_bayes_factor, a.entity.key, a.signal)))


def examine(view: View, anomalies: Sequence[Anomaly], priors: Priors) -> Case:
    """Gather witnesses and suspects, and who calls whom around them."""
    around = surroundings(view)
    found = findings(anomalies, around.held)
    return Case(view, found, around, suspects(view, found, priors, MOST))


def connect(case: Case) -> Network:
    """The network: which suspect's fault would show in which finding, and in the symptom."""
    peaks = {person.service: peak(case.around, person, case.found) for person in case.people}
    heaviest = max([*peaks.values(), _SUBSTANTIAL if missing.compares(case.view) else _SLIGHT])
    observations = [
        Observation(
            evidence=finding.weight,
            leak=leak(case.around, finding, case.found),
            causes={
                person.service: chance
                for person in case.people
                if (chance := strength(case.around, person, finding, case.found)[0]) > LEAK
            }
            | _not_seen(case, finding),
        )
        for finding in case.found
    ]
    reached = {
        person.service: reach(case.around, person, case.view.alert.symptom, peaks[person.service] / heaviest)
        for person in case.people
    }
    return Network(
        priors={person.service: person.prior for person in case.people} | {UNOBSERVED: _PRIOR_UNOBSERVED},
        observations=observations,
        symptom=Observation(0.0, _SPONTANEOUS, reached | {UNOBSERVED: _UNOBSERVED_REACH}),
    )


def _not_seen(case: Case, finding: Finding) -> dict[str, float]:
    """How strongly a fault of somebody who tells nothing would show in a finding."""
    chance = SELF * unseen(case.view, finding)
    return {UNOBSERVED: chance} if chance > LEAK else {}


def rank(case: Case, network: Network) -> Ranking:
    """The suspects worth naming, the likeliest first, each with its raw probability."""
    if not case.people:
        return Ranking()
    chances = posterior(network)
    chances[UNOBSERVED] = max(0.0, chances[UNOBSERVED] - _PRIOR_UNOBSERVED)
    shares = {name: chance * network.symptom.causes[name] for name, chance in chances.items()}
    total = sum(shares.values()) + _SPONTANEOUS
    raw = {person.service: shares[person.service] / total for person in case.people}
    people = sorted(case.people, key=lambda person: (-raw[person.service], -person.weight, person.service))
    people = [person for person in people if raw[person.service] >= _WORTH_NAMING] or people[:1]
    return Ranking(tuple(people), tuple(raw[p.service] for p in people), unexplained(case, people[0]))


def _hypotheses(case: Case, ranking: Ranking, line: Calibration) -> tuple[tuple[Hypothesis, ...], float]:
    """The ranked suspects in words with calibrated probabilities, and what is left for none of them."""
    quiet = missing.quiet_seconds(case.view)
    calm, none = calibrated(ranking.raw, ranking.unexplained, quiet, line)
    ranked = zip(ranking.people, ranking.raw, calm, strict=True)
    return tuple(_hypothesis(case, person, raw, chance) for person, raw, chance in ranked), none


def _minimal(network: Network, ranking: Ranking) -> tuple[str, ...]:
    names = [person.service for person in ranking.people]
    return tuple(f"service:{name}" for name in minimal_set(network, names)) if names else ()


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


def _method(case: Case) -> str:
    size = f"{len(case.people)} suspects (at most {MOST}) and {len(case.found)} findings"
    return f"leaky noisy-OR network of {size}, exact by variable elimination"


def _inputs(alert: Alert, telemetry: Telemetry, priors: Priors) -> str:
    parts = [alert.digest(), telemetry.digest, priors.digest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
