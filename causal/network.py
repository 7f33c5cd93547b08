"""Inference: a leaky noisy-OR network over suspects, findings and the symptom.

The only module that knows pgmpy.

The shape is that of QMR-DT (Shwe et al., "Probabilistic diagnosis using a reformulation of the
INTERNIST-1/QMR knowledge base", 1991; Pearl, "Probabilistic reasoning in intelligent systems", 1988, ch.
4.3): faults above, findings below, each finding a noisy-OR of the faults that may show in it, with a leak
for everything that nobody thought of. Findings are never observed as yes or no: each has a child whose
likelihoods are its Bayes factor. The symptom is observed. Several faults compete for what they both
explain, which is what takes the blame off a victim.

Services that nothing speaks against are folded out: with their fault absent and no finding they only
scale all terms alike. Long lists of parents are divorced into groups of four (Olesen et al., 1989), and a
network is never asked about more than `MOST` faults, so its width is bounded and elimination is exact and
quick; which faults were left out is said in the method of the diagnosis. pgmpy's variable elimination
alone is used: its junction trees grow too large and its virtual evidence changes the model.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import exp
from typing import Any

import numpy as np

from causal.telemetry import Floats

MOST = 12
UNOBSERVED = "unobserved"
_GROUP = 4
_CLIP = 14.0


@dataclass(frozen=True)
class Observation:
    """A finding: its log Bayes factor, the chance of it by itself, and by each fault."""

    evidence: float
    leak: float
    causes: Mapping[str, float]


@dataclass(frozen=True)
class Network:
    """Prior chance of each fault, what was found, and how strongly each fault brings about the symptom."""

    priors: Mapping[str, float]
    observations: Sequence[Observation]
    symptom: Observation

    def without(self, faults: frozenset[str]) -> Observation:
        """The symptom as it would be with these faults prevented."""
        causes = {fault: chance for fault, chance in self.symptom.causes.items() if fault not in faults}
        return Observation(self.symptom.evidence, self.symptom.leak, causes)


def posterior(network: Network) -> dict[str, float]:
    """P(fault | findings, symptom) of every fault."""
    inference, evidence = _build(network, None)
    return {fault: _ask(inference, f"F:{fault}", evidence) for fault in network.priors}


def symptom_without(network: Network, faults: frozenset[str]) -> float:
    """P(the symptom would still be there | all that was seen, these faults prevented).

    A twin of the symptom hangs on the same faults (Balke and Pearl, 1994), except those that the
    intervention removes.
    """
    inference, evidence = _build(network, faults)
    return _ask(inference, "twin", evidence)


def noisy_or(leak: float, chances: Sequence[float]) -> Floats:
    """The table of a leaky noisy-OR: rows "no", "yes"; columns with the last parent running fastest."""
    silent = reduce(
        lambda q, p: np.multiply.outer(q, [1.0, 1.0 - p]).reshape(-1), chances, np.array([1.0 - leak])
    )
    return np.vstack([silent, 1.0 - silent])


def _build(network: Network, prevented: frozenset[str] | None) -> tuple[Any, dict[str, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # pgmpy announces its own future on import; nothing of ours is hidden by this
        from pgmpy.factors.discrete import TabularCPD
        from pgmpy.inference import VariableElimination
        from pgmpy.models import DiscreteBayesianNetwork
    logging.getLogger("pgmpy").setLevel(logging.ERROR)
    model, cpds, evidence = DiscreteBayesianNetwork(), [], {}

    def node(name: str, table: Floats, parents: Sequence[str]) -> None:
        model.add_node(name)
        model.add_edges_from([(parent, name) for parent in parents])
        cpds.append(TabularCPD(name, 2, table, list(parents), [2] * len(parents)))

    def noisy(name: str, observation: Observation) -> None:
        causes = [(f"F:{fault}", chance) for fault, chance in observation.causes.items() if chance > 0.0]
        for step in range(0, len(causes), _GROUP) if len(causes) > _GROUP else ():
            part = causes[step : step + _GROUP]
            node(
                f"{name}/{step}", noisy_or(0.0, [chance for _, chance in part]), [cause for cause, _ in part]
            )
        if len(causes) > _GROUP:
            causes = [(f"{name}/{step}", 1.0) for step in range(0, len(causes), _GROUP)]
        node(
            name, noisy_or(observation.leak, [chance for _, chance in causes]), [cause for cause, _ in causes]
        )

    for fault, prior in network.priors.items():
        node(f"F:{fault}", np.array([[1.0 - prior], [prior]]), [])
    for number, observation in enumerate(network.observations):
        noisy(f"O:{number}", observation)
        clipped = float(np.clip(observation.evidence, -_CLIP, _CLIP))
        absent, present = exp(min(-clipped, 0.0)), exp(min(clipped, 0.0))
        node(f"E:{number}", np.array([[1.0 - absent, 1.0 - present], [absent, present]]), [f"O:{number}"])
        evidence[f"E:{number}"] = 1
    noisy("symptom", network.symptom)
    evidence["symptom"] = 1
    if prevented is not None:
        noisy("twin", network.without(prevented))
    model.add_cpds(*cpds)
    return VariableElimination(model), evidence


def _ask(inference: Any, variable: str, evidence: Mapping[str, int]) -> float:
    answer = inference.query([variable], evidence=dict(evidence), show_progress=False)
    return float(answer.values[1] / answer.values.sum())
