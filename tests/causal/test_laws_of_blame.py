"""Laws of blame: how the answer must move when the evidence does."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causal.diagnose import diagnose
from causal.evidence import Change, Signal
from causal.telemetry import Batch, Column, Telemetry
from tests.causal.scenes import FAULTS, ONSET, Scene, Told, chances, joined, scenes, silenced
from tests.causal.worlds import FORK, Ill

FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LITTLE = 0.1
NOISE = 0.01
WORSE = {
    "slow": tuple(Ill(slow=seconds) for seconds in (0.02, 0.05, 0.1, 0.3, 1.0)),
    "queue": tuple(Ill(queue=seconds) for seconds in (0.02, 0.05, 0.1, 0.3, 1.0)),
    "deaf": tuple(Ill(deaf=seconds) for seconds in (0.02, 0.05, 0.1, 0.3, 1.0)),
    "fails": tuple(Ill(fails=share) for share in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0)),
}


def chance(scene: Scene, service: str | None = None) -> float:
    return chances(scene.diagnosed()).get(service or scene.culprit, 0.0)


@FEW
@given(scene=scenes(["traces"]))
def test_the_only_one_who_is_ill_is_named_first(scene: Scene) -> None:
    verdict = scene.diagnosed()
    assert verdict.first is not None
    assert verdict.first.service == scene.culprit


@settings(FEW, max_examples=4)
@given(scene=scenes(["traces", "metrics"], ["fails", "queue", "slow"]), fault=st.sampled_from(sorted(WORSE)))
def test_a_worse_fault_is_never_less_likely(scene: Scene, fault: str) -> None:
    ills = [((scene.services[-1], ill),) for ill in WORSE[fault]]
    likely = [chance(replace(scene, ills=ill, signal=FAULTS[fault][1])) for ill in ills]
    assert all(after >= before - NOISE for before, after in pairwise(likely)), likely


@FEW
@given(scene=scenes(["traces"]))
def test_the_same_requests_once_more_never_lower_their_cause(scene: Scene) -> None:
    verdict = diagnose(scene.alert, again(scene.telemetry))
    assert chances(verdict).get(scene.culprit, 0.0) >= chance(scene) - NOISE


def again(told: Telemetry) -> Telemetry:
    """Every request of the incident took place twice."""
    one = told.incident.spans
    twin = replace(one, trace=Column(one.trace.codes, tuple(f"again {name}" for name in one.trace.names)))
    return replace(told, incident=replace(told.incident, spans=joined(one, twin)))


@FEW
@given(scene=scenes(["traces", "metrics"], ["slow", "queue", "fails"]))
def test_without_the_causes_own_telemetry_nobody_else_is_blamed_in_its_place(scene: Scene) -> None:
    inner = replace(scene, ills=((scene.services[-1], scene.ills[0][1]),))
    verdict = inner.diagnosed(lambda told: silenced(told, inner.culprit))
    assert verdict.none_of_these >= max([0.0, *(h.probability for h in verdict.hypotheses)])


@pytest.mark.parametrize("told", ["traces", "logs"])
@pytest.mark.parametrize("signal", ["latency", "errors"])
@settings(FEW, max_examples=4)
@given(scene=scenes())
def test_quiet_time_beside_quiet_time_accuses_nobody(told: Told, signal: Signal, scene: Scene) -> None:
    calm = replace(scene, ills=(), told=told, signal=signal)
    assert max([0.0, *(h.probability for h in calm.diagnosed().hypotheses)]) < 0.25


@FEW
@given(scene=scenes(["traces"], ["slow", "fails"]), data=st.data())
def test_two_faults_at_once_are_both_named_before_all_others(scene: Scene, data: st.DataObject) -> None:
    other = data.draw(st.sampled_from([name for name in scene.services if name != scene.culprit]))
    verdict = replace(scene, ills=(*scene.ills, (other, scene.ills[0][1]))).diagnosed()
    assert {h.service for h in verdict.hypotheses[:2]} == {scene.culprit, other}


@pytest.mark.parametrize("fault", ["slow", "queue"])
@settings(FEW, max_examples=4)
@given(seed=st.integers(0, 1_000))
def test_two_equal_faults_side_by_side_are_both_needed(fault: str, seed: int) -> None:
    ill, signal = FAULTS[fault]
    scene = Scene(tuple(FORK.items()), (("basket", ill), ("search", ill)), signal, seed=seed)
    assert set(scene.diagnosed().minimal_set) == {"service:basket", "service:search"}


def changed(scene: Scene, service: str, before: float) -> float:
    """How far a change to a service, so many seconds before the onset, moves the cause's probability."""
    change = Change(id="ab12cd34ef", kind="config", service=service, at=ONSET - before)
    there = scene.diagnosed(lambda told: replace(told, changes=(change,)))
    return abs(chances(there).get(scene.culprit, 0.0) - chance(scene))


@FEW  # bare log lines do not tell who calls whom: a fresh change to a caller may be what failed its callee
@given(scene=scenes(["traces", "metrics"], ["slow", "fails", "queue"]), data=st.data())
def test_a_change_to_a_healthy_service_moves_the_blame_but_little(scene: Scene, data: st.DataObject) -> None:
    healthy = [name for name in scene.services if name != scene.culprit]
    assert changed(scene, data.draw(st.sampled_from(healthy)), 5.0) < LITTLE


@FEW
@given(scene=scenes())
def test_a_change_long_before_moves_the_blame_but_little(scene: Scene) -> None:
    assert changed(scene, scene.culprit, 800.0) < LITTLE


@FEW
@given(scene=scenes(["traces"], ["slow", "fails", "queue"]))
def test_a_change_to_the_cause_never_lowers_it(scene: Scene) -> None:
    change = Change(id="ab12cd34ef", kind="config", service=scene.culprit, at=ONSET - 5.0)
    there = scene.diagnosed(lambda told: replace(told, changes=(change,)))
    assert chances(there).get(scene.culprit, 0.0) >= chance(scene) - 1e-9


@FEW
@given(scene=scenes(["traces", "metrics"]))
def test_a_service_that_is_out_of_reach_of_the_symptom_is_not_blamed(scene: Scene) -> None:
    """The alert is about a leaf: what calls it cannot have made it ill by being ill itself."""
    leaf = scene.services[-1]
    above = replace(scene, ills=((scene.services[0], Ill(slow=0.3)),), signal="latency")
    asked = above.alert.model_copy(
        update={"symptom": above.alert.symptom.model_copy(update={"service": leaf})}
    )
    assert chances(diagnose(asked, above.telemetry)).get(scene.services[0], 0.0) < 0.5


@FEW
@given(scene=scenes(["traces"]))
def test_an_incident_that_nothing_is_told_of_has_no_cause(scene: Scene) -> None:
    silent = replace(scene.telemetry, incident=Batch.none())
    assert chances(diagnose(scene.alert, silent)) == {"": 1.0}


@FEW
@given(scene=scenes(["traces"]))
def test_a_diagnosis_without_a_named_symptom_knows_the_same_cause(scene: Scene) -> None:
    blind = scene.alert.model_copy(
        update={"symptom": scene.alert.symptom.model_copy(update={"service": None})}
    )
    verdict = diagnose(blind, scene.telemetry)
    assert verdict.first is not None
    assert verdict.first.service == scene.culprit
