"""Laws of the network: pgmpy's answers are those of brute force, in whatever order things are named."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.network import Network, Observation, posterior, symptom_without
from tests.causal.test_network import likelihood, networks

SOME = settings(max_examples=12, deadline=None)


def shown(symptom: Observation, state: dict[str, int]) -> float:
    """The chance of the symptom in one state of all faults."""
    silent = np.prod([1 - chance * state[fault] for fault, chance in symptom.causes.items()])
    return 1 - (1 - symptom.leak) * float(silent)


def twin_by_hand(network: Network, prevented: frozenset[str]) -> float:
    """All states of all faults, one by one: what would be left of the symptom."""
    total = left = 0.0
    for bits in itertools.product((0, 1), repeat=len(network.priors)):
        state = dict(zip(network.priors, bits, strict=True))
        weight = float(np.prod([p if state[f] else 1 - p for f, p in network.priors.items()]))
        weight *= float(np.prod([likelihood(o, state) for o in network.observations]))
        weight *= shown(network.symptom, state)
        total += weight
        left += weight * shown(network.without(prevented), state)
    return left / total


@SOME
@given(network=networks(), data=st.data())
def test_what_would_be_left_of_the_symptom_equals_brute_force(network: Network, data: st.DataObject) -> None:
    prevented = frozenset(data.draw(st.sets(st.sampled_from(sorted(network.priors)))))
    assert symptom_without(network, prevented) == pytest.approx(twin_by_hand(network, prevented), abs=1e-9)


@SOME
@given(network=networks(), data=st.data())
def test_the_order_in_which_faults_are_named_does_not_matter(network: Network, data: st.DataObject) -> None:
    order = data.draw(st.permutations(sorted(network.priors)))
    mixed = replace(network, priors={fault: network.priors[fault] for fault in order})
    assert posterior(mixed) == pytest.approx(posterior(network), abs=1e-9)


@SOME
@given(network=networks(), rise=st.floats(0.1, 5.0))
def test_stronger_evidence_never_lowers_the_only_fault_that_explains_it(
    network: Network, rise: float
) -> None:
    def chance(evidence: float) -> float:
        seen = Observation(evidence, 0.03, {"f0": 0.9})
        return posterior(replace(network, observations=[*network.observations, seen]))["f0"]

    assert chance(1.0 + rise) >= chance(1.0) - 1e-9


@SOME
@given(network=networks())
def test_preventing_more_never_leaves_more_of_the_symptom(network: Network) -> None:
    faults = sorted(network.priors)
    left = [symptom_without(network, frozenset(faults[:size])) for size in range(len(faults) + 1)]
    assert all(after <= before + 1e-9 for before, after in itertools.pairwise(left))


@SOME
@given(network=networks(), prior=st.floats(0.01, 0.3))
def test_a_fault_that_nothing_speaks_of_keeps_its_prior(network: Network, prior: float) -> None:
    wider = replace(network, priors={**network.priors, "idle": prior})
    assert posterior(wider)["idle"] == pytest.approx(prior, abs=1e-9)
