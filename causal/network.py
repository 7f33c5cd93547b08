"""Inference: a leaky noisy-OR network over suspects, findings and the symptom.

The only module that knows pgmpy.

The shape is that of QMR-DT (Shwe et al., "Probabilistic diagnosis using a reformulation of the
INTERNIST-1/QMR knowledge base", 1991; Pearl, "Probabilistic reasoning in intelligent systems", 1988, ch.
4.3): faults above, findings below, each finding a noisy-OR of the faults that may show in it, with a leak
for everything that nobody thought of. Findings are never observed as yes or no: what was seen hangs on the
finding by its Bayes factor. The finding itself is summed out in closed form, which leaves a likelihood over
the states of its causes, one where it is likeliest: else a hundred findings that nobody explains would
underflow. The symptom is observed. Several faults compete for what they both explain, which is what takes the
blame off a victim.

Services that nothing speaks against are folded out: with their fault absent and no finding they only scale
all terms alike. A network is never asked about more than `MOST` faults, so all that elimination leaves, the
joint posterior of the faults, is a table of some thousand numbers. It is asked for once; every marginal and
every intervention is a sum over it. Which faults were left out is said in the method of the diagnosis.
pgmpy's variable elimination alone is used: its junction trees grow too large and its virtual evidence changes
the model.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from math import exp

import numpy as np

from causal.telemetry import Floats

MOST = 12
UNOBSERVED = "unobserved"
_CLIP = 14.0
_DIGITS = 12


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

    @cached_property
    def states(self) -> Floats:
        """P(faults | findings, symptom): an axis a fault, in the order of ``priors``; adds up to one."""
        return _states(self)


def posterior(network: Network) -> dict[str, float]:
    """P(fault | findings, symptom) of every fault; digits that only tell the order of summing are cut off."""
    states = network.states
    return {
        fault: round(float(states.take(1, axis=axis).sum()), _DIGITS)
        for axis, fault in enumerate(network.priors)
    }


def symptom_without(network: Network, faults: frozenset[str]) -> float:
    """P(the symptom would still be there | all that was seen, these faults prevented).

    A twin of the symptom hangs on the same faults (Balke and Pearl, 1994), except those that the
    intervention removes.
    """
    twin = network.without(faults)
    shown = noisy_or(twin.leak, [twin.causes.get(fault, 0.0) for fault in network.priors])[1]
    return float(shown @ network.states.ravel())


def noisy_or(leak: float, chances: Sequence[float]) -> Floats:
    """The table of a leaky noisy-OR: rows "no", "yes"; columns with the last parent running fastest."""
    silent = reduce(
        lambda q, p: np.multiply.outer(q, [1.0, 1.0 - p]).reshape(-1), chances, np.array([1.0 - leak])
    )
    return np.vstack([silent, 1.0 - silent])


def load() -> None:
    """Import pgmpy: one to five seconds the first time in a process, so long-lived ones may do it early."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its own future; nothing of ours is hidden by this
        import pgmpy.inference  # noqa: F401
    logging.getLogger("pgmpy").setLevel(logging.ERROR)


def _likelihood(observation: Observation, chances: Sequence[float]) -> Floats:
    """How likely what was seen is, by the states of its causes, scaled to one where it is likeliest."""
    clipped = float(np.clip(observation.evidence, -_CLIP, _CLIP))
    seen = np.array([exp(min(-clipped, 0.0)), exp(min(clipped, 0.0))]) @ noisy_or(observation.leak, chances)
    return np.asarray(seen / seen.max(), dtype=np.float64)


def _states(network: Network) -> Floats:
    load()
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

    model, cpds, evidence = DiscreteBayesianNetwork(), [], {}

    def node(name: str, table: Floats, parents: Sequence[str] = ()) -> None:
        model.add_node(name)
        model.add_edges_from([(parent, name) for parent in parents])
        cpds.append(TabularCPD(name, 2, table, list(parents), [2] * len(parents)))

    names = {fault: f"F:{fault}" for fault in network.priors}
    for fault, prior in network.priors.items():
        node(names[fault], np.array([[1.0 - prior], [prior]]))
    for number, observation in enumerate(network.observations):
        causes = {fault: chance for fault, chance in observation.causes.items() if chance > 0.0}
        if causes:
            seen = _likelihood(observation, list(causes.values()))
            node(f"E:{number}", np.vstack([1.0 - seen, seen]), [names[fault] for fault in causes])
            evidence[f"E:{number}"] = 1
    shows = network.symptom.causes
    node("symptom", noisy_or(network.symptom.leak, list(shows.values())), [names[fault] for fault in shows])
    model.add_cpds(*cpds)
    answer = VariableElimination(model).query(
        list(names.values()), evidence={**evidence, "symptom": 1}, show_progress=False
    )
    order = [answer.variables.index(name) for name in names.values()]
    states = np.asarray(answer.values, dtype=np.float64).transpose(order)
    return np.asarray(states / states.sum(), dtype=np.float64)
