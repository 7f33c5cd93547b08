import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.counterfactual import minimal_set
from causal.network import Network, Observation, noisy_or, posterior, symptom_without

CHANCE = st.floats(0.01, 0.95)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    faults = [f"f{i}" for i in range(draw(st.integers(1, 7)))]
    observations = [
        Observation(draw(st.floats(-6, 9)), 0.03, {f: draw(CHANCE) for f in faults if draw(st.booleans())})
        for _ in range(draw(st.integers(0, 4)))
    ]
    symptom = Observation(0.0, 0.02, {f: draw(CHANCE) for f in faults})
    return Network({f: draw(st.floats(0.005, 0.3)) for f in faults}, observations, symptom)


def likelihood(observation: Observation, state: dict[str, int]) -> float:
    silent = (1 - observation.leak) * np.prod(
        [1 - p * state[fault] for fault, p in observation.causes.items()]
    )
    present, absent = min(1.0, np.exp(observation.evidence)), min(1.0, np.exp(-observation.evidence))
    return float(present * (1 - silent) + absent * silent)


def by_hand(network: Network) -> dict[str, float]:
    """All states of all faults, one by one."""
    faults, weights = list(network.priors), dict.fromkeys(network.priors, 0.0)
    total = 0.0
    for bits in itertools.product((0, 1), repeat=len(faults)):
        state = dict(zip(faults, bits, strict=True))
        weight = float(np.prod([p if state[f] else 1 - p for f, p in network.priors.items()]))
        weight *= float(np.prod([likelihood(o, state) for o in network.observations]))
        shown = 1 - (1 - network.symptom.leak) * np.prod(
            [1 - p * state[f] for f, p in network.symptom.causes.items()]
        )
        weight *= float(shown)
        total += weight
        for fault in faults:
            weights[fault] += weight * state[fault]
    return {fault: weight / total for fault, weight in weights.items()}


@settings(max_examples=20, deadline=None)
@given(network=networks())
def test_the_posterior_equals_brute_force(network: Network) -> None:
    assert posterior(network) == pytest.approx(by_hand(network), abs=1e-9)


def test_a_noisy_or_with_no_cause_is_its_leak() -> None:
    assert noisy_or(0.2, [0.5, 0.7])[1, 0] == pytest.approx(0.2)


def test_a_noisy_or_with_all_causes_multiplies_silences() -> None:
    assert noisy_or(0.2, [0.5, 0.7])[0, -1] == pytest.approx(0.8 * 0.5 * 0.3)


def test_a_cause_that_explains_both_takes_the_blame_off_the_other() -> None:
    both = Observation(6.0, 0.03, {"cause": 0.9, "victim": 0.9})
    only = Observation(6.0, 0.03, {"cause": 0.9})
    network = Network({"cause": 0.01, "victim": 0.01}, [both, only], Observation(0.0, 0.01, {"cause": 0.9}))
    found = posterior(network)
    assert found["victim"] < 0.1 * found["cause"]


def test_preventing_the_only_cause_prevents_the_symptom() -> None:
    seen = Observation(9.0, 0.03, {"cause": 0.9})
    network = Network(
        {"cause": 0.05, "other": 0.01}, [seen], Observation(0.0, 0.01, {"cause": 0.9, "other": 0.5})
    )
    assert symptom_without(network, frozenset({"cause"})) < 0.1


def test_the_minimal_set_holds_both_of_two_sufficient_causes() -> None:
    seen = [Observation(12.0, 0.001, {name: 0.95}) for name in ("one", "two")]
    network = Network({"one": 0.05, "two": 0.05}, seen, Observation(0.0, 0.01, {"one": 0.9, "two": 0.9}))
    assert minimal_set(network, ["one", "two"]) == ("one", "two")


def test_the_minimal_set_is_empty_where_nobody_suffices() -> None:
    network = Network({"one": 0.01}, [], Observation(0.0, 0.9, {"one": 0.5}))
    assert minimal_set(network, ["one"]) == ()


def test_asking_for_a_diagnosis_is_what_loads_pgmpy() -> None:
    code = "import sys, causal.diagnose; sys.exit('pgmpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_hundreds_of_findings_that_are_hardly_explained_do_not_underflow() -> None:
    strays = [Observation(14.0, 0.003, {"cause": 0.04})] * 600
    found = posterior(Network({"cause": 0.01}, strays, Observation(0.0, 0.01, {"cause": 0.9})))
    assert found["cause"] == pytest.approx(1.0)
