"""The one question: an alert and what was measured in, a ranked verdict out.

telemetry -> signals -> anomalies -> causal graph -> posterior -> diagnosis. Nothing here asks a clock, a
file or a dice: the same input gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from causal import missing
from causal.boundary import unseen
from causal.calibrate import shipped, told
from causal.counterfactual import minimal_set
from causal.evidence import Alert, Anomaly, Diagnosis, Priors
from causal.graph import leak, peak, reach, strength
from causal.network import MOST, UNOBSERVED, Network, Observation, posterior
from causal.picture import causal_graph
from causal.signals import SIGNALS
from causal.strengths import LEAK, SELF
from causal.surroundings import surroundings
from causal.suspects import Finding, findings, suspects
from causal.telemetry import Telemetry
from causal.verdict import Case, Ranking, hypotheses, unexplained
from causal.view import View, behold

ENGINE = "aitia-0.2"
UNTAUGHT = Priors()
_PRIOR_UNOBSERVED = 0.05
_UNOBSERVED_REACH = 0.6
_SPONTANEOUS = 0.01
# Nats below which a fault hardly makes an alert; less where there is no quiet time to compare with.
_SUBSTANTIAL, _SLIGHT = 5.0, 1e-9
_WORTH_NAMING = 0.001


def diagnose(alert: Alert, telemetry: Telemetry, priors: Priors = UNTAUGHT) -> Diagnosis:
    """Rank what may have caused the alert; with nothing to go on, "none of these" gets everything."""
    view = behold(alert, telemetry)
    anomalies = look(view)
    case = examine(view, anomalies, priors)
    network = connect(case)
    line = priors.calibration or shipped()
    ranking = rank(case, network)
    named, none = hypotheses(case, ranking, line)
    return Diagnosis(
        engine=ENGINE,
        hypotheses=named,
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


def _minimal(network: Network, ranking: Ranking) -> tuple[str, ...]:
    names = [person.service for person in ranking.people]
    return tuple(f"service:{name}" for name in minimal_set(network, names)) if names else ()


def _method(case: Case) -> str:
    size = f"{len(case.people)} suspects (at most {MOST}) and {len(case.found)} findings"
    return f"leaky noisy-OR network of {size}, exact by variable elimination"


def _inputs(alert: Alert, telemetry: Telemetry, priors: Priors) -> str:
    parts = [alert.digest(), telemetry.digest, priors.digest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
